//! Challenges and the signatures that complete them.

use p256::ecdsa::signature::Signer as _;
use proptest::prelude::*;
use rand_core::OsRng;

use crate::{
    Challenge, ChallengeError, ChallengeSecret, ClientKey, Domain, IdCsr, KeyAlgorithm, KeyError,
    PublicKey, Timestamp,
};

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

#[test]
fn a_challenge_is_recognised_by_its_maker_alone() {
    let secret = ChallengeSecret::random(&mut OsRng);
    let (here, there) = (domain("a.example"), domain("b.example"));
    let expires = Timestamp::from_secs(1_800_000_000);
    let made = secret.challenge(&here, expires, &mut OsRng);
    let text = made.as_str();
    assert!((32..=256).contains(&text.len()));
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(secret.recognise(&here, text), Ok(made.clone()));
    assert_eq!(made.expires(), expires);
    // printf a.example | sha256sum
    assert!(text.starts_with("b8e7453371a024daae06f3164492c0af"));
    assert!(Challenge::is_of(text, &here) && !Challenge::is_of(text, &there));
    assert_eq!(secret.recognise(&there, text), Err(ChallengeError));
    let other = ChallengeSecret::random(&mut OsRng);
    assert_eq!(other.recognise(&here, text), Err(ChallengeError));
    let upper = text.to_ascii_uppercase();
    assert_eq!(secret.recognise(&here, &upper), Err(ChallengeError));
    assert_ne!(made, secret.challenge(&here, expires, &mut OsRng));
}

#[test]
fn no_character_of_a_challenge_can_be_changed() {
    let secret = ChallengeSecret::random(&mut OsRng);
    let here = domain("a.example");
    let made = secret.challenge(&here, Timestamp::from_secs(7), &mut OsRng);
    for at in 0..made.as_str().len() {
        let mut bytes = made.as_str().as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(secret.recognise(&here, &changed), Err(ChallengeError));
    }
    let shorter = &made.as_str()[2..];
    assert_eq!(secret.recognise(&here, shorter), Err(ChallengeError));
    let longer = format!("{}00", made.as_str());
    assert_eq!(secret.recognise(&here, &longer), Err(ChallengeError));
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_challenge(text in ".*", hex in "[0-9a-f]{144}") {
        let secret = ChallengeSecret::from_bytes([7; 32]);
        let here = domain("a.example");
        prop_assert!(secret.recognise(&here, &text).is_err());
        prop_assert!(secret.recognise(&here, &hex).is_err());
    }
}

#[test]
fn ecdsa_signatures_are_taken_in_both_forms_with_either_s() {
    let key = p256::ecdsa::SigningKey::random(&mut OsRng);
    let public_key = PublicKey::P256(*key.verifying_key());
    let signature: p256::ecdsa::Signature = key.sign(b"challenge");
    let twin = p256::ecdsa::Signature::from_scalars(signature.r(), -*signature.s()).unwrap();
    for signature in [signature, twin] {
        for bytes in [
            signature.to_bytes().to_vec(),
            signature.to_der().as_bytes().to_vec(),
        ] {
            assert_eq!(public_key.verify_challenge(b"challenge", &bytes), Ok(()));
            let refused = Err(KeyError::Signature);
            assert_eq!(public_key.verify_challenge(b"Challenge", &bytes), refused);
            assert_eq!(
                public_key.verify_challenge(b"challenge", &bytes[1..]),
                refused
            );
        }
    }
}

#[test]
fn a_client_key_makes_requests_and_signatures_that_verify() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::Ed25519] {
        let key = ClientKey::generate(algorithm, &mut OsRng);
        let fid = crate::Fid::parse("alice@a.example").unwrap();
        let session_id = crate::SessionId::parse("phone").unwrap();
        let csr = key.csr(&fid, &session_id).unwrap();
        let verified = IdCsr::from_der(&csr).unwrap().verify().unwrap();
        assert_eq!(verified.expect_fid(&fid), Ok(()));
        assert_eq!(verified.session_id(), &session_id);
        let signature = key.sign_challenge("abc");
        assert_eq!(
            key.public_key().verify_challenge(b"abc", &signature),
            Ok(())
        );
    }
}
