//! Writes the seeds of the corpora: one sound document of each kind.

#[allow(dead_code)]
mod properties;

use std::fs;

use antiphon_protocol::{
    ChallengeSecret, ClientKey, Domain, Fid, IdCsr, KeyAlgorithm, PrivateKey, SerialNumber,
    SessionId, Timestamp, Validity, issue,
};
use openmls::prelude::tls_codec::{Serialize as _, VLBytes};
use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::signatures::{Signer, SignerError};
use rand_core::OsRng;

struct ClientSigner<'a>(&'a ClientKey);

impl Signer for ClientSigner<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload))
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// A package as openmls makes it, with a lifetime of a year.
fn key_package(key: &ClientKey, cert: &[u8], last_resort: bool) -> Vec<u8> {
    let chain = VLBytes::new(cert.to_vec()).tls_serialize_detached().unwrap();
    let credential = CredentialWithKey {
        credential: Credential::new(CredentialType::X509, chain),
        signature_key: key.public_key().to_bytes().into(),
    };
    let capabilities = Capabilities::builder()
        .credentials(vec![CredentialType::X509])
        .extensions(vec![ExtensionType::LastResort])
        .build();
    let builder = KeyPackage::builder()
        .key_package_lifetime(Lifetime::new(365 * 24 * 60 * 60))
        .leaf_node_capabilities(capabilities);
    let builder = if last_resort {
        builder.mark_as_last_resort()
    } else {
        builder
    };
    let suite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
    let provider = OpenMlsRustCrypto::default();
    let made = builder.build(suite, &provider, &ClientSigner(key), credential);
    made.unwrap().key_package().tls_serialize_detached().unwrap()
}

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
        not_after: Timestamp::from_secs(1_900_000_000),
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
        if algorithm == KeyAlgorithm::Ed25519 {
            let cert = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cert.der");
            fs::write(cert, actor.as_der()).unwrap();
            for last_resort in [false, true] {
                let package = key_package(&client, actor.as_der(), last_resort);
                write("key_package", &format!("{last_resort}"), &package);
            }
        }
        let secret = ChallengeSecret::from_bytes(properties::SECRET);
        let challenge = secret.challenge(&domain, validity.not_before, &mut OsRng);
        let text = challenge.as_str();
        let signature = client.sign_challenge(text);
        write("challenge", name, &[text.as_bytes(), &signature].concat());
    }
}
