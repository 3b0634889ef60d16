//! A client's identity key and the requests it signs, made without any code of the node.

use der::asn1::{Any, BitString, Ia5StringRef, ObjectIdentifier, SetOfVec, Utf8StringRef};
use der::{Encode, EncodeValue, Tagged};
use ed25519_dalek::Signer as _;
use p256::pkcs8::EncodePublicKey as _;
use rand_core::OsRng;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};

#[derive(Clone)]
pub enum ClientKey {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl ClientKey {
    pub fn p256() -> Self {
        Self::P256(p256::ecdsa::SigningKey::random(&mut OsRng))
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::generate(&mut OsRng))
    }

    /// The public key as DER of a `SubjectPublicKeyInfo`.
    pub fn public_key_der(&self) -> Vec<u8> {
        let document = match self {
            Self::P256(key) => key.verifying_key().to_public_key_der(),
            Self::Ed25519(key) => key.verifying_key().to_public_key_der(),
        };
        document.unwrap().into_vec()
    }

    /// A CSR in DER for an actor's session.
    pub fn csr(&self, fid: &str, session_id: &str) -> Vec<u8> {
        self.csr_for(actor_name(fid, session_id))
    }

    /// A CSR in DER for any name.
    pub fn csr_for(&self, subject: Name) -> Vec<u8> {
        let info = CertReqInfo {
            version: Version::V1,
            subject,
            public_key: der::Decode::from_der(&self.public_key_der()).unwrap(),
            attributes: SetOfVec::new(),
        };
        self.sign_csr(info)
    }

    /// Signs a challenge as X.509 writes signatures: DER for ECDSA.
    pub fn sign_challenge(&self, challenge: &str) -> Vec<u8> {
        self.sign(challenge.as_bytes())
    }

    /// The public key as MLS writes it: 65 or 32 bytes.
    pub fn public_key_bytes(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                point.as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
        }
    }

    /// Signs any bytes: DER for ECDSA.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_vec(),
        }
    }

    /// The same as the 64 bytes r‖s, which is what browsers make.
    pub fn sign_challenge_flat(&self, challenge: &str) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(challenge.as_bytes());
                signature.to_bytes().to_vec()
            }
            Self::Ed25519(_) => self.sign_challenge(challenge),
        }
    }

    /// Signs a request, whatever it says.
    pub fn sign_csr(&self, info: CertReqInfo) -> Vec<u8> {
        let message = info.to_der().unwrap();
        let (oid, signature) = match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(&message);
                ("1.2.840.10045.4.3.2", signature.as_bytes().to_vec())
            }
            Self::Ed25519(key) => ("1.3.101.112", key.sign(&message).to_vec()),
        };
        let request = CertReq {
            info,
            algorithm: AlgorithmIdentifierOwned {
                oid: oid.parse().unwrap(),
                parameters: None,
            },
            signature: BitString::from_bytes(&signature).unwrap(),
        };
        request.to_der().unwrap()
    }
}

/// A polyproto distinguished name.
pub fn actor_name(fid: &str, session_id: &str) -> Name {
    let (local_name, domain) = fid.split_once('@').unwrap();
    let mut rdns: Vec<_> = domain
        .rsplit('.')
        .map(|label| {
            rdn(
                "0.9.2342.19200300.100.1.25",
                &Ia5StringRef::new(label).unwrap(),
            )
        })
        .collect();
    let utf8 = |text| Utf8StringRef::new(text).unwrap();
    rdns.push(rdn("0.9.2342.19200300.100.1.1", &utf8(fid)));
    rdns.push(rdn("2.5.4.3", &utf8(local_name)));
    let session_id = Ia5StringRef::new(session_id).unwrap();
    rdns.push(rdn("0.9.2342.19200300.100.1.44", &session_id));
    RdnSequence(rdns)
}

fn rdn<T: EncodeValue + Tagged>(oid: &str, value: &T) -> RelativeDistinguishedName {
    let attribute = AttributeTypeAndValue {
        oid: ObjectIdentifier::new(oid).unwrap(),
        value: Any::encode_from(value).unwrap(),
    };
    RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).unwrap())
}
