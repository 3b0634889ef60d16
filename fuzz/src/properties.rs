//! What must hold for any bytes from outside. The fuzz targets look for bytes for which it does
//! not; the tests of `antiphon-protocol` hold the kept corpora to the same.

use antiphon_protocol::{
    ActorCert, ChallengeSecret, Domain, IdCsr, KeyAlgorithm, KeyPackage, KeyPackageUse, PrivateKey,
    ServerCert, Timestamp, inspect,
};
use rand_core::OsRng;

/// A certificate is refused, or is exactly the bytes that it came as.
pub fn id_cert(bytes: &[u8]) {
    // It must not panic; what it says is for people.
    drop(inspect::inspect(bytes));
    let server = ServerCert::from_der(bytes);
    if let Ok(server) = &server {
        assert_eq!(server.as_der(), bytes);
    }
    if let Ok(actor) = ActorCert::from_der(bytes) {
        assert_eq!(actor.as_der(), bytes);
        assert!(actor.is_same_as(&actor));
        assert!(server.is_err(), "an actor and a server at once");
        assert_eq!(
            actor.fid().domain().as_str(),
            actor.fid().domain().to_string()
        );
    }
}

/// A request is refused, or says for whom it is.
pub fn id_csr(bytes: &[u8]) {
    drop(inspect::inspect(bytes));
    let Ok(csr) = IdCsr::from_der(bytes) else {
        return;
    };
    if let Ok(verified) = csr.verify() {
        assert!((1..=32).contains(&verified.session_id().as_str().len()));
    }
}

/// The secret with which the seeds of the corpus were made.
pub const SECRET: [u8; 32] = [7; 32];

/// A challenge is refused, or is exactly the text that it came as; and any bytes after it are
/// judged as a signature without a panic.
pub fn challenge(bytes: &[u8]) {
    let (text, signature) = bytes.split_at(bytes.len().min(144));
    let secret = ChallengeSecret::from_bytes(SECRET);
    let domain = Domain::parse("a.example").unwrap();
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(challenge) = secret.recognise(&domain, text)
    {
        assert_eq!(challenge.as_str(), text);
    }
    thread_local! {
        static KEYS: [PrivateKey; 2] = [KeyAlgorithm::P256, KeyAlgorithm::Ed25519]
            .map(|algorithm| PrivateKey::generate(algorithm, &mut OsRng));
    }
    KEYS.with(|keys| {
        for key in keys {
            let verdict = key.public_key().verify_challenge(text, signature);
            assert!(verdict.is_err(), "nobody has this key");
        }
    });
}

/// The certificate that the seeds of the corpus carry.
pub const CERT: &[u8] = include_bytes!("cert.der");

/// A KeyPackage is refused, or is exactly the bytes that it came as, bare.
pub fn key_package(bytes: &[u8]) {
    let cert = ActorCert::from_der(CERT).unwrap();
    let now = Timestamp::from_secs(1_800_000_000);
    for purpose in [KeyPackageUse::Once, KeyPackageUse::LastResort] {
        if let Ok(package) = KeyPackage::check(bytes, &cert, purpose, now) {
            assert!(bytes.ends_with(package.as_bytes()));
            assert!(package.lifetime().covers(now));
        }
    }
}
