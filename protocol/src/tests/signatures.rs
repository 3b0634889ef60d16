//! Two libraries that verify signatures, held against each other.

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use proptest::prelude::*;
use rand_core::OsRng;

use crate::signatures::{AwsLc, Verifier};
use crate::{KeyAlgorithm, PrivateKey};

/// The slow ones.
struct RustCrypto;

impl Verifier for RustCrypto {
    fn p256(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(point) else {
            return false;
        };
        p256::ecdsa::DerSignature::from_bytes(signature)
            .and_then(|signature| key.verify(message, &signature))
            .is_ok()
    }

    fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let key = key.try_into().map(ed25519_dalek::VerifyingKey::from_bytes);
        let Ok(Ok(key)) = key else {
            return false;
        };
        ed25519_dalek::Signature::from_slice(signature)
            .and_then(|signature| key.verify_strict(message, &signature))
            .is_ok()
    }
}

fn both(algorithm: KeyAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (fast, slow): (bool, bool) = match algorithm {
        KeyAlgorithm::P256 => (
            AwsLc::p256(key, message, signature),
            RustCrypto::p256(key, message, signature),
        ),
        KeyAlgorithm::Ed25519 => (
            AwsLc::ed25519(key, message, signature),
            RustCrypto::ed25519(key, message, signature),
        ),
    };
    assert_eq!(
        fast, slow,
        "{algorithm}: {key:02x?} {message:02x?} {signature:02x?}"
    );
    fast
}

proptest! {
    #[test]
    fn what_one_makes_the_other_verifies_and_neither_takes_a_change(
        is_p256: bool,
        message in prop::collection::vec(any::<u8>(), 1..200),
        which in 0..3_u8,
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let algorithm = if is_p256 { KeyAlgorithm::P256 } else { KeyAlgorithm::Ed25519 };
        let private_key = PrivateKey::generate(algorithm, &mut OsRng);
        let key = private_key.public_key().to_bytes();
        let signature = private_key.sign(&message);
        prop_assert!(both(algorithm, &key, &message, &signature));
        let longer = [&signature[..], &[0]].concat();
        prop_assert!(!both(algorithm, &key, &message, &longer));

        let mut changed = [key, message, signature];
        let part = &mut changed[usize::from(which)];
        let at = at.index(part.len());
        part[at] ^= 1 << bit;
        let [key, message, signature] = changed;
        prop_assert!(!both(algorithm, &key, &message, &signature));
    }

    #[test]
    fn either_s_does_in_ecdsa(message in prop::collection::vec(any::<u8>(), 1..200)) {
        let key = p256::ecdsa::SigningKey::random(&mut OsRng);
        let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&key, &message);
        let (r, s) = signature.split_scalars();
        let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        for signature in [signature, other] {
            let der = signature.to_der();
            prop_assert!(both(KeyAlgorithm::P256, point.as_bytes(), &message, der.as_bytes()));
        }
    }
}

/// AWS-LC itself takes the hybrid spelling of a point, too: 6 or 7, for *y*'s parity, and both
/// coordinates.
#[test]
fn a_point_has_one_spelling() {
    // Of either parity.
    for _ in 0..16 {
        let key = PrivateKey::generate(KeyAlgorithm::P256, &mut OsRng);
        let signature = key.sign(b"anything");
        let point = key.public_key().to_bytes();
        for tag in 0..=u8::MAX {
            let mut spelt = point.clone();
            spelt[0] = tag;
            let verifies = both(KeyAlgorithm::P256, &spelt, b"anything", &signature);
            assert_eq!(verifies, tag == 4, "{tag}");
        }
    }
}

#[test]
fn points_of_small_order_sign_nothing() {
    // For the neutral element, R = [s]B is a signature of every message.
    let neutral = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!both(
        KeyAlgorithm::Ed25519,
        &neutral,
        b"anything",
        &signature
    ));
    // A sound key, whose owner shows its secret with R of small order: [h]A + R = [s]B.
    let key = ed25519_dalek::SigningKey::generate(&mut OsRng);
    let public_key = key.verifying_key().to_bytes();
    let sound = key.sign(b"anything").to_bytes();
    assert!(both(
        KeyAlgorithm::Ed25519,
        &public_key,
        b"anything",
        &sound
    ));
    let hash = {
        use sha2::{Digest as _, Sha512};
        let hash = Sha512::new().chain_update(neutral).chain_update(public_key);
        hash.chain_update(b"anything").finalize()
    };
    let h = curve25519_dalek::Scalar::from_bytes_mod_order_wide(&hash.into());
    let s = h * key.to_scalar();
    let forged = [neutral, s.to_bytes()].concat();
    assert!(!both(
        KeyAlgorithm::Ed25519,
        &public_key,
        b"anything",
        &forged
    ));
}
