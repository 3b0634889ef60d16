//! Keys and signatures of both kinds behind the traits of polyproto's crate.

use std::fmt;

use der::asn1::BitString;
use p256::ecdsa::signature::Verifier as _;
use polyproto::certs::PublicKeyInfo;
use polyproto::errors::{CertificateConversionError, InvalidInput, PublicKeyError};
use polyproto::key::PublicKey;
use polyproto::signature::Signature;
use spki::{AlgorithmIdentifierOwned, SignatureBitStringEncoding};

/// The bytes of a signature, of whichever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnySignature(Vec<u8>);

/// A public key of either kind, as it stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyPublicKey(PublicKeyInfo);

impl fmt::Display for AnySignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl SignatureBitStringEncoding for AnySignature {
    fn to_bitstring(&self) -> der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}

impl Signature for AnySignature {
    type Signature = Vec<u8>;

    fn as_signature(&self) -> &Vec<u8> {
        &self.0
    }

    fn algorithm_identifier() -> AlgorithmIdentifierOwned {
        // Only asked for when signing, which these tests leave to the node.
        AlgorithmIdentifierOwned {
            oid: "1.3.101.112".parse().unwrap(),
            parameters: None,
        }
    }

    fn from_bytes(signature: &[u8]) -> Result<Self, InvalidInput> {
        Ok(Self(signature.to_vec()))
    }

    fn as_bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

impl PublicKey<AnySignature> for AnyPublicKey {
    fn verify_signature(
        &self,
        signature: &AnySignature,
        data: &[u8],
    ) -> Result<(), PublicKeyError> {
        let bytes = self.0.public_key_bitstring.raw_bytes();
        let verdict = if let Ok(bytes) = <[u8; 32]>::try_from(bytes) {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
            let signature = ed25519_dalek::Signature::from_slice(&signature.0);
            key.and_then(|key| key.verify_strict(data, &signature?))
        } else {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes);
            let signature = p256::ecdsa::DerSignature::from_bytes(&signature.0);
            key.and_then(|key| key.verify(data, &signature?))
        };
        verdict.map_err(|_| PublicKeyError::BadSignature)
    }

    fn public_key_info(&self) -> Result<PublicKeyInfo, PublicKeyError> {
        Ok(self.0.clone())
    }

    fn try_from_public_key_info(info: PublicKeyInfo) -> Result<Self, CertificateConversionError> {
        Ok(Self(info))
    }
}
