//! The arithmetic of signatures.
//!
//! Keys are `p256`'s and `ed25519-dalek`'s; signatures are verified and made by AWS-LC, which takes
//! a quarter of the time (docs/decisions/0011). Tests hold the two against each other.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use ed25519_dalek::VerifyingKey;
use zeroize::Zeroizing;

/// What an uncompressed point begins with (SEC 1 §2.3.3); MLS takes no other (RFC 9420 §5.1.1).
const UNCOMPRESSED: u8 = 4;

/// Who verifies signatures.
pub(crate) trait Verifier {
    /// ECDSA on P-256 with SHA-256: an uncompressed point, a signature in DER with either *s*.
    fn p256(point: &[u8], message: &[u8], signature: &[u8]) -> bool;

    /// Ed25519, strictly: neither the key nor the signature's *R* is of small order.
    fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

/// AWS-LC.
pub(crate) struct AwsLc;

impl Verifier for AwsLc {
    fn p256(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
        // AWS-LC itself takes compressed points and the hybrid spelling.
        let is_uncompressed = point.len() == 65 && point.first() == Some(&UNCOMPRESSED);
        is_uncompressed && verifies(&ECDSA_P256_SHA256_ASN1, point, message, signature)
    }

    fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        // AWS-LC itself takes points of small order.
        is_of_large_order(key)
            && is_of_large_order(signature)
            && verifies(&ED25519, key, message, signature)
    }
}

fn verifies(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(message, signature).is_ok()
}

/// Of the point in the first 32 bytes.
fn is_of_large_order(point: &[u8]) -> bool {
    let point = point.first_chunk().map(VerifyingKey::from_bytes);
    matches!(point, Some(Ok(point)) if !point.is_weak())
}

/// Who signs with a key of P-256; none if AWS-LC does not take the key, which it has no reason to.
pub(crate) fn p256_signer(key: &p256::ecdsa::SigningKey) -> Option<EcdsaKeyPair> {
    let point = key.verifying_key().to_encoded_point(false);
    let scalar = Zeroizing::new(key.to_bytes());
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &scalar,
        point.as_bytes(),
    )
    .ok()
}

/// The same with an Ed25519 key.
pub(crate) fn ed25519_signer(key: &ed25519_dalek::SigningKey) -> Option<Ed25519KeyPair> {
    let public_key = key.verifying_key().to_bytes();
    Ed25519KeyPair::from_seed_and_public_key(key.as_bytes(), &public_key).ok()
}

/// Signs: ECDSA in DER.
pub(crate) fn sign_p256(signer: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let signature = signer.sign(&SystemRandom::new(), message).ok()?;
    Some(signature.as_ref().to_vec())
}
