//! A client's side of the language: its identity key, the requests and challenges it signs.

use der::Encode as _;
use der::asn1::{BitString, SetOfVec};
use rand_core::CryptoRngCore;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::{DistinguishedName, Fid, KeyAlgorithm, KeyError, PrivateKey, PublicKey, SessionId};

/// The identity key of one client. It is no [`PrivateKey`]: a node's own key signs nothing that
/// came from outside, and a client's key must.
#[derive(Debug)]
pub struct ClientKey(PrivateKey);

impl ClientKey {
    /// Makes a new key.
    pub fn generate(algorithm: KeyAlgorithm, rng: &mut impl CryptoRngCore) -> Self {
        Self(PrivateKey::generate(algorithm, rng))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    /// A PKCS#10 request (RFC 2986), in DER, for an ID-Cert of a session of `fid`.
    pub fn csr(&self, fid: &Fid, session_id: &SessionId) -> Result<Vec<u8>, KeyError> {
        let encoding = |error: der::Error| KeyError::Encoding(error.to_string());
        let name = DistinguishedName::Actor {
            fid: fid.clone(),
            session_id: session_id.clone(),
        };
        let info = CertReqInfo {
            version: Version::V1,
            subject: name.to_name().map_err(encoding)?,
            public_key: self.public_key().to_spki()?,
            attributes: SetOfVec::new(),
        };
        let signature = self.0.sign(&info.to_der().map_err(encoding)?);
        let request = CertReq {
            info,
            algorithm: self.public_key().algorithm().signature_identifier(),
            signature: BitString::from_bytes(&signature).map_err(encoding)?,
        };
        request.to_der().map_err(encoding)
    }

    /// The signature that completes a challenge.
    pub fn sign_challenge(&self, challenge: &str) -> Vec<u8> {
        self.sign(challenge.as_bytes())
    }

    /// A signature over any bytes: ECDSA in DER, Ed25519 in 64 bytes, which is also how MLS writes
    /// them (RFC 9420 §5.1.2).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message)
    }
}
