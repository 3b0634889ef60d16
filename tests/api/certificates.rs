//! What the node issues, judged by `openssl` and by polyproto's own crate.

use std::sync::Arc;

use antiphon_actors::clock::SystemClock;
use antiphon_protocol::ActorCert;
use polyproto::certs::idcert::{IdCertActor, IdCertBehaviors as _, IdCertHs};
use polyproto::key::PublicKey as _;

use crate::support::key_package::{Draft, draft, opaque};
use crate::support::node::TestNode;
use crate::support::polyproto_keys::{AnyPublicKey, AnySignature};
use crate::support::{ClientKey, openssl};

#[actix_web::test]
async fn every_pairing_of_algorithms_passes_openssl_and_polyproto() {
    for algorithm in ["p256", "ed25519"] {
        let settings = [("identity.algorithm", algorithm)];
        let node = TestNode::with(&settings, Arc::new(SystemClock)).await;
        node.api.register("alice").await;
        for (id, key) in [("p", ClientKey::p256()), ("e", ClientKey::ed25519())] {
            let session = node.api.trust("alice", id, &key).await;
            let server = node.api.server_cert(None).await;
            openssl::assert_verifies(&session.id_cert, &server);
            let cert = ActorCert::from_der(&session.id_cert).unwrap();
            let now = cert.validity().not_before.as_secs();

            let server: x509_cert::Certificate = der::Decode::from_der(&server).unwrap();
            let spki = server.tbs_certificate.subject_public_key_info.clone();
            let server = IdCertHs::<AnySignature, AnyPublicKey>::try_from(server).unwrap();
            server.full_verify_home_server(now).unwrap();
            let server_key = AnyPublicKey::try_from_public_key_info(spki.into()).unwrap();
            let parsed = IdCertActor::<AnySignature, AnyPublicKey>::try_from_der(
                session.id_cert.as_slice(),
                now,
                &server_key,
            );
            parsed.unwrap();
        }
        node.stop().await;
    }
}

#[actix_web::test]
async fn a_session_cert_never_outlives_the_server_cert() {
    let days = [
        ("identity.server_cert_days", "3"),
        ("identity.session_cert_days", "3"),
    ];
    let now = 1_800_000_000;
    let clock =
        antiphon_actors::clock::ManualClock::at(antiphon_protocol::Timestamp::from_secs(now));
    let node = TestNode::with(&days, Arc::new(clock.clone())).await;
    node.api.register("alice").await;
    clock.advance(86_400);
    let session = node.api.trust("alice", "phone", &ClientKey::p256()).await;
    let validity = ActorCert::from_der(&session.id_cert).unwrap().validity();
    assert_eq!(validity.not_before.as_secs(), now + 86_400);
    assert_eq!(validity.not_after.as_secs(), now + 3 * 86_400);
    node.stop().await;
}

/// As many labels as a node's domain may have, and as long names as there may be.
#[actix_web::test]
async fn the_longest_names_fit_into_certificates_and_key_packages() {
    let label = |number: usize| "x".repeat(if number < 14 { 5 } else { 4 });
    let domain = (0..48).map(label).collect::<Vec<_>>().join(".");
    assert_eq!(domain.len(), 253);
    let node = TestNode::with(&[("domain", &domain)], Arc::new(SystemClock)).await;
    let (name, session_id) = ("a".repeat(64), "s".repeat(32));
    node.api.register(&name).await;
    let key = ClientKey::p256();
    let session = node.api.trust(&name, &session_id, &key).await;
    let server = node.api.server_cert(None).await;
    openssl::assert_verifies(&session.id_cert, &server);
    let with_server = Draft {
        credential: [opaque(&session.id_cert), opaque(&server)].concat(),
        ..draft(2, &session.id_cert, &key)
    };
    let published = node.api.publish(&session, &[with_server.sign(&key)]).await;
    assert_eq!(published.status(), 201);
    node.stop().await;
}
