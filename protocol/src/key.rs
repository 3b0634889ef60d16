//! Identity keys: ECDSA P-256 with SHA-256, and Ed25519.

use std::fmt;

use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};
use der::{Encode, EncodePem, asn1::ObjectIdentifier, pem::LineEnding};
use ed25519_dalek::Signer as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use pkcs8::pkcs5::{self, pbes2};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, EncodePublicKey as _, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use crate::signatures::{AwsLc, Verifier as _, ed25519_signer, p256_signer, sign_p256};

const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The two kinds of identity key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// A public identity key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A point on P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// An Ed25519 point, not of small order.
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// A private identity key. Every form of it is wiped when dropped; `Debug` shows no byte.
pub struct PrivateKey(Pair);

/// A key, and who signs with it fast.
enum Pair {
    P256(p256::ecdsa::SigningKey, Option<EcdsaKeyPair>),
    Ed25519(ed25519_dalek::SigningKey, Option<Ed25519KeyPair>),
}

/// Why a key or a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The algorithm is neither P-256 nor Ed25519.
    #[error("the key is neither ECDSA P-256 nor Ed25519")]
    Algorithm,
    /// The bytes are not a valid key: a compressed or off-curve point, or one of small order.
    #[error("the key is not an uncompressed P-256 point or a sound Ed25519 point")]
    Invalid,
    /// The signature algorithm is not the one that goes with the key.
    #[error("the signature algorithm does not go with the key")]
    SignatureAlgorithm,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The text is not an unencrypted PKCS#8 private key in PEM.
    #[error("not a PKCS#8 private key in PEM")]
    Pkcs8,
    /// The key could not be written as DER or PEM.
    #[error("the key cannot be encoded: {0}")]
    Encoding(String),
}

impl KeyAlgorithm {
    /// The name in settings and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The X.509 identifier of signatures made with such a key: no parameters for either kind
    /// (RFC 5758 §3.2, RFC 8410 §3).
    pub(crate) fn signature_identifier(self) -> AlgorithmIdentifierOwned {
        let oid = match self {
            Self::P256 => ECDSA_WITH_SHA256,
            Self::Ed25519 => ID_ED25519,
        };
        AlgorithmIdentifierOwned {
            oid,
            parameters: None,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`: P-256 uncompressed with the named curve, or Ed25519; no
    /// other kind and no other encoding of them.
    pub fn from_spki(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, KeyError> {
        let bytes = spki
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Invalid)?;
        let parameters = spki.algorithm.parameters.as_ref();
        if spki.algorithm.oid == ID_EC_PUBLIC_KEY {
            let curve = parameters.and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
            if curve != Some(SECP256R1) {
                return Err(KeyError::Algorithm);
            }
            if bytes.len() != 65 {
                return Err(KeyError::Invalid);
            }
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes);
            key.map(Self::P256).map_err(|_| KeyError::Invalid)
        } else if spki.algorithm.oid == ID_ED25519 {
            if parameters.is_some() {
                return Err(KeyError::Algorithm);
            }
            let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| KeyError::Invalid)?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
            let key = key.map_err(|_| KeyError::Invalid)?;
            if key.is_weak() {
                return Err(KeyError::Invalid);
            }
            Ok(Self::Ed25519(key))
        } else {
            Err(KeyError::Algorithm)
        }
    }

    /// The kind of key.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::P256(_) => KeyAlgorithm::P256,
            Self::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    /// The key as a `SubjectPublicKeyInfo`.
    pub fn to_spki(&self) -> Result<SubjectPublicKeyInfoOwned, KeyError> {
        let document = match self {
            Self::P256(key) => key.to_public_key_der(),
            Self::Ed25519(key) => key.to_public_key_der(),
        };
        document
            .map_err(|error| KeyError::Encoding(error.to_string()))?
            .decode_msg()
            .map_err(|error: der::Error| KeyError::Encoding(error.to_string()))
    }

    /// The key alone: a P-256 point, uncompressed, in 65 bytes, or Ed25519 in 32. That is how MLS
    /// writes signature keys (RFC 9420 §5.1.1).
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.to_bytes().to_vec(),
        }
    }

    /// The key as PEM, `-----BEGIN PUBLIC KEY-----`.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.to_spki()?
            .to_pem(LineEnding::LF)
            .map_err(|error| KeyError::Encoding(error.to_string()))
    }

    /// SHA-256 of the `SubjectPublicKeyInfo` in lower-case hexadecimal, as
    /// `openssl pkey -pubin -outform DER | sha256sum` prints it.
    pub fn fingerprint(&self) -> Result<String, KeyError> {
        let der = self.to_spki()?.to_der();
        let der = der.map_err(|error| KeyError::Encoding(error.to_string()))?;
        Ok(base16ct::lower::encode_string(&Sha256::digest(der)))
    }

    /// Verifies an X.509 signature: ECDSA in DER with either *s* (clients do not normalise it),
    /// Ed25519 strictly (RFC 8032 §5.1.7, no small-order points).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let verifies = match self {
            Self::P256(key) => {
                AwsLc::p256(key.to_encoded_point(false).as_bytes(), message, signature)
            }
            Self::Ed25519(key) => AwsLc::ed25519(key.as_bytes(), message, signature),
        };
        verifies.then_some(()).ok_or(KeyError::Signature)
    }

    /// Verifies the signature over a challenge: as [`Self::verify`] does, and for ECDSA also as the
    /// 64 bytes r‖s (IEEE P1363), which is what browsers make.
    pub fn verify_challenge(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        if let Self::P256(_) = self
            && let Ok(signature) = p256::ecdsa::Signature::from_slice(signature)
            && self.verify(message, signature.to_der().as_bytes()).is_ok()
        {
            return Ok(());
        }
        self.verify(message, signature)
    }
}

impl PrivateKey {
    /// Makes a new key.
    pub fn generate(algorithm: KeyAlgorithm, rng: &mut impl CryptoRngCore) -> Self {
        match algorithm {
            KeyAlgorithm::P256 => Self::p256(p256::ecdsa::SigningKey::random(rng)),
            KeyAlgorithm::Ed25519 => Self::ed25519(ed25519_dalek::SigningKey::generate(rng)),
        }
    }

    /// Reads an unencrypted PKCS#8 key in PEM, of either kind.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self::p256(key));
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem)
            .map(Self::ed25519)
            .map_err(|_| KeyError::Pkcs8)
    }

    /// The key as PKCS#8 in PEM.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pem = match &self.0 {
            Pair::P256(key, _) => key.to_pkcs8_pem(LineEnding::LF),
            Pair::Ed25519(key, _) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(|error| KeyError::Encoding(error.to_string()))
    }

    /// The key as PKCS#8 in PEM, encrypted with PBES2: scrypt (N 2¹⁴, r 8, p 5: 16 MiB, within what
    /// openssl takes) and AES-256-CBC (RFC 8018, RFC 7914).
    pub fn to_encrypted_pkcs8_pem(
        &self,
        passphrase: &str,
        rng: &mut impl CryptoRngCore,
    ) -> Result<String, KeyError> {
        let failed = |error: &dyn ToString| KeyError::Encoding(error.to_string());
        let plain = match &self.0 {
            Pair::P256(key, _) => key.to_pkcs8_der(),
            Pair::Ed25519(key, _) => key.to_pkcs8_der(),
        };
        let plain = plain.map_err(|error| failed(&error))?;
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut iv);
        let scrypt = pkcs5::scrypt::Params::new(14, 8, 5, 32).map_err(|error| failed(&error))?;
        let parameters = pbes2::Parameters::scrypt_aes256cbc(scrypt, &salt, &iv)
            .map_err(|error| failed(&error))?;
        let info = pkcs8::PrivateKeyInfo::try_from(plain.as_bytes());
        let encrypted = info
            .and_then(|info| info.encrypt_with_params(parameters, passphrase))
            .map_err(|error| failed(&error))?;
        // Encrypted, it need not be wiped.
        encrypted
            .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
            .map(|pem| pem.to_string())
            .map_err(|error| failed(&error))
    }

    /// Reads an encrypted PKCS#8 key in PEM, of either kind.
    pub fn from_encrypted_pkcs8_pem(pem: &str, passphrase: &str) -> Result<Self, KeyError> {
        let (label, document) =
            pkcs8::SecretDocument::from_pem(pem).map_err(|_| KeyError::Pkcs8)?;
        if label != "ENCRYPTED PRIVATE KEY" {
            return Err(KeyError::Pkcs8);
        }
        let encrypted = pkcs8::EncryptedPrivateKeyInfo::try_from(document.as_bytes())
            .map_err(|_| KeyError::Pkcs8)?;
        let plain = encrypted.decrypt(passphrase).map_err(|_| KeyError::Pkcs8)?;
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(plain.as_bytes()) {
            return Ok(Self::p256(key));
        }
        ed25519_dalek::SigningKey::from_pkcs8_der(plain.as_bytes())
            .map(Self::ed25519)
            .map_err(|_| KeyError::Pkcs8)
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Pair::P256(key, _) => PublicKey::P256(*key.verifying_key()),
            Pair::Ed25519(key, _) => PublicKey::Ed25519(key.verifying_key()),
        }
    }

    /// Signs as X.509 writes it: ECDSA in DER, Ed25519 in 64 bytes. Inside this crate only, so
    /// that nothing but what [`crate::issue`] composes is ever signed with a node's key.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Pair::P256(key, signer) => {
                let signature = signer
                    .as_ref()
                    .and_then(|signer| sign_p256(signer, message));
                signature.unwrap_or_else(|| {
                    let signature: p256::ecdsa::DerSignature = key.sign(message);
                    signature.as_bytes().to_vec()
                })
            }
            Pair::Ed25519(_, Some(signer)) => signer.sign(message).as_ref().to_vec(),
            Pair::Ed25519(key, None) => key.sign(message).to_vec(),
        }
    }

    fn p256(key: p256::ecdsa::SigningKey) -> Self {
        let signer = p256_signer(&key);
        Self(Pair::P256(key, signer))
    }

    fn ed25519(key: ed25519_dalek::SigningKey) -> Self {
        let signer = ed25519_signer(&key);
        Self(Pair::Ed25519(key, signer))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}
