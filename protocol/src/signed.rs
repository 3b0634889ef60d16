//! What a certificate and a certification request have in common: a body, and a signature over
//! exactly the bytes of that body.

use der::{Decode, Encode, Sequence, asn1::AnyRef, asn1::BitStringRef};
use spki::AlgorithmIdentifierOwned;

use crate::{KeyError, PublicKey};

/// How long either may be, in bytes. Those for a domain of 253 characters in 40 labels have 2.5 KB.
pub(crate) const LONGEST_DER: usize = 4096;

/// `SEQUENCE { body, signatureAlgorithm, signature }`, the body left as it came: a signature is
/// over bytes, and re-encoding what was parsed need not give the same ones.
#[derive(Sequence)]
struct Envelope<'a> {
    body: AnyRef<'a>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitStringRef<'a>,
}

/// The signed bytes and their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    body: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
}

impl Signed {
    /// Takes DER apart; trailing bytes are an error.
    pub(crate) fn from_der(bytes: &[u8]) -> der::Result<Self> {
        let envelope = Envelope::from_der(bytes)?;
        let signature = envelope.signature.as_bytes();
        Ok(Self {
            body: envelope.body.to_der()?,
            algorithm: envelope.algorithm,
            signature: signature
                .ok_or_else(|| der::Tag::BitString.value_error())?
                .to_vec(),
        })
    }

    /// The signed bytes.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Verifies the signature with `key`, whose kind must be that of the signature.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), KeyError> {
        if self.algorithm != key.algorithm().signature_identifier() {
            return Err(KeyError::SignatureAlgorithm);
        }
        key.verify(&self.body, &self.signature)
    }
}
