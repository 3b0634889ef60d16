//! Writes the seeds of the corpora: one sound document of each kind.

#[allow(dead_code)]
mod properties;

use std::fs;

use antiphon_protocol::{
    ChallengeSecret, ClientKey, Domain, Fid, IdCsr, KeyAlgorithm, PrivateKey, SerialNumber,
    SessionId, Timestamp, Validity, issue,
};
use rand_core::OsRng;

fn main() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(format!("{corpus}/{target}")).unwrap();
        fs::write(format!("{corpus}/{target}/seed-{name}"), bytes).unwrap();
    };
    let domain = Domain::parse("a.example").unwrap();
    let fid = Fid::parse("alice@a.example").unwrap();
    let session_id = SessionId::parse("phone").unwrap();
    let validity = Validity {
        not_before: Timestamp::from_secs(1_750_000_000),
        not_after: Timestamp::from_secs(1_760_000_000),
    };
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::Ed25519] {
        let name = algorithm.as_str();
        let serial = || SerialNumber::random(&mut OsRng);
        let key = PrivateKey::generate(algorithm, &mut OsRng);
        let server = issue::server_cert(&key, &domain, serial(), validity).unwrap();
        write("id_cert", &format!("server-{name}"), server.as_der());
        let client = ClientKey::generate(algorithm, &mut OsRng);
        let csr = client.csr(&fid, &session_id).unwrap();
        write("id_csr", name, &csr);
        let csr = IdCsr::from_der(&csr).unwrap().verify().unwrap();
        let actor = issue::actor_cert(&key, &server, &csr, serial(), validity).unwrap();
        write("id_cert", &format!("actor-{name}"), actor.as_der());
        let secret = ChallengeSecret::from_bytes(properties::SECRET);
        let challenge = secret.challenge(&domain, validity.not_before, &mut OsRng);
        let text = challenge.as_str();
        let signature = client.sign_challenge(text);
        write("challenge", name, &[text.as_bytes(), &signature].concat());
    }
}
