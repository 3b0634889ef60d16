//! `/p2core/key/server`, and timestamps.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use antiphon::config::{Config, Sources};
use antiphon::control::{Key, Request};
use antiphon::node::Node;
use antiphon_actors::clock::ManualClock;
use antiphon_protocol::{ActorCert, ServerCert, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::node::TestNode;
use crate::support::{ClientKey, assert_refused, openssl};

const NOW: u64 = 1_800_000_000;

#[actix_web::test]
async fn a_rotation_leaves_old_certificates_verifiable() {
    let node = TestNode::start().await;
    let api = &node.api;
    api.register("alice").await;
    node.grant_administrator("alice").await;
    let alice = api.trust("alice", "phone", &ClientKey::p256()).await;
    let before = api.server_cert(None).await;
    let pem = api.rotate_server_key(&alice).await;
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let after = api.server_cert(None).await;
    assert_ne!(before, after);
    assert_eq!(
        ServerCert::from_der(&after).unwrap().public_key().to_pem(),
        Ok(pem)
    );
    openssl::assert_verifies(&alice.id_cert, &before);
    let node = node.restart().await;
    assert_eq!(node.api.server_cert(None).await, after);
    node.stop().await;
}

#[actix_web::test]
async fn sixty_four_rotations_at_once_make_sixty_four_keys() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    node.grant_administrator("alice").await;
    let alice = node
        .api
        .trust("alice", "phone", &ClientKey::ed25519())
        .await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (api, alice) = (node.api.clone(), alice.clone());
            actix_web::rt::spawn(async move { api.rotate_server_key(&alice).await })
        })
        .collect();
    let mut answered = HashSet::new();
    for task in tasks {
        assert!(
            answered.insert(task.await.unwrap()),
            "a key was answered twice"
        );
    }
    let history: Vec<Key> = node.order(Request::KeyHistory).await;
    let logged: HashSet<_> = history[1..]
        .iter()
        .map(|key| {
            let der = crate::support::decode(&json!(key.id_cert));
            ServerCert::from_der(&der)
                .unwrap()
                .public_key()
                .to_pem()
                .unwrap()
        })
        .collect();
    assert_eq!(answered, logged);
    let node = node.restart().await;
    let again: Vec<Key> = node.order(Request::KeyHistory).await;
    let times = |keys: &[Key]| {
        keys.iter()
            .map(|k| (k.since, k.retired))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        times(&history),
        times(&again),
        "a retirement time has changed"
    );
    node.stop().await;
}

#[actix_web::test]
async fn the_server_cert_at_not_before_is_the_one_that_signed() {
    let node = TestNode::start().await;
    node.api.register("admin").await;
    node.grant_administrator("admin").await;
    let admin = node.api.trust("admin", "desk", &ClientKey::p256()).await;
    let certs = std::cell::RefCell::new(Vec::new());
    let trusting = async {
        for round in 0..40 {
            let id = format!("s{round}");
            let session = node.api.trust("admin", &id, &ClientKey::ed25519()).await;
            certs.borrow_mut().push(session.id_cert);
        }
    };
    let rotating = async {
        for _ in 0..3 {
            node.api.rotate_server_key(&admin).await;
        }
    };
    tokio::join!(trusting, rotating);
    for der in certs.into_inner() {
        let cert = ActorCert::from_der(&der).unwrap();
        let signed_at = cert.validity().not_before.as_secs();
        let server = node.api.server_cert(Some(signed_at)).await;
        cert.verify(&ServerCert::from_der(&server).unwrap())
            .unwrap();
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_key_rotates_by_itself_before_its_certificate_ends() {
    let (node, clock) = TestNode::start_at(NOW).await;
    let first = node.api.server_cert(None).await;
    clock.advance(121 * 86_400);
    // The rotation is under way in the node.
    let rotated = async { while node.api.server_cert(None).await == first {} };
    timeout(Duration::from_mins(1), rotated).await.unwrap();
    assert_eq!(node.api.server_cert(Some(NOW)).await, first);
    node.stop().await;
}

#[actix_web::test]
async fn a_gap_has_no_certificate_and_ends_with_a_new_one() {
    let (node, clock) = TestNode::start_at(NOW).await;
    let first = node.api.server_cert(None).await;
    // The clock stands while the node is off for a year.
    let node = node.restart_after(|_| clock.advance(365 * 86_400)).await;
    assert_ne!(node.api.server_cert(None).await, first);
    let gap = format!("/key/server?timestamp={}", NOW + 200 * 86_400);
    assert_refused(node.api.get(&gap).await, 404, "P2CORE_NO_CERT_AT_TIME").await;
    assert_eq!(node.api.server_cert(Some(NOW)).await, first);
    // What the start makes of it and what the key's owner does are one rotation.
    let keys: Vec<Key> = node.order(Request::KeyHistory).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    node.stop().await;
}

#[actix_web::test]
async fn timestamps_are_taken_from_query_and_body() {
    let (node, clock) = TestNode::start_at(NOW).await;
    let cert = node.api.server_cert(None).await;
    clock.advance(100);
    let ask = |query: &str, body: &str| {
        let request = node
            .api
            .request(Method::GET, &format!("/key/server{query}"));
        let body = body.to_owned();
        async { request.body(body).send().await.unwrap() }
    };
    let good = [
        ("", String::new()),
        ("", "{}".to_owned()),
        ("", format!(r#"{{"timestamp":"{NOW}"}}"#)),
        ("", format!(r#" {{"timestamp":{NOW}}}"#)),
        ("?timestamp=1800000000", String::new()),
        ("?timestamp=1800000000", format!(r#"{{"timestamp":{NOW}}}"#)),
        ("?timestamp=1800000160", String::new()),
    ];
    for (query, body) in good {
        let response = ask(query, &body).await;
        assert_eq!(response.status(), 200, "{query} {body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(crate::support::decode(&answer), cert);
    }
    let invalid = [
        "-1",
        "+1",
        "1.5",
        "",
        "abc",
        "18446744073709551616",
        "1e3",
        " 1",
        "0x1",
        "1800000161",
    ];
    for text in invalid {
        let encoded = text.replace('+', "%2B").replace(' ', "%20");
        let response = ask(&format!("?timestamp={encoded}"), "").await;
        assert_refused(response, 400, "P2CORE_INVALID_TIMESTAMP").await;
        let response = ask("", &json!({ "timestamp": text }).to_string()).await;
        assert_refused(response, 400, "P2CORE_INVALID_TIMESTAMP").await;
    }
    for json in [
        "-1",
        "1.5",
        "1800000161",
        "99999999999999999999",
        "1e400",
        "null",
        "true",
        "[]",
    ] {
        let response = ask("", &format!(r#"{{"timestamp":{json}}}"#)).await;
        assert_refused(response, 400, "P2CORE_INVALID_TIMESTAMP").await;
    }
    let bad = [
        ("?timestamp=1", r#"{"timestamp":2}"#),
        ("?timestmp=1", ""),
        ("?timestamp=1&timestamp=2", ""),
        ("", r#"{"timestmp":1}"#),
        ("", r#"{"timestamp":1,"timestamp":1}"#),
        ("", r#"["1"]"#),
        ("", r#""1""#),
        ("", "{"),
        ("", " "),
    ];
    for (query, body) in bad {
        assert_refused(ask(query, body).await, 400, "P2CORE_BAD_REQUEST").await;
    }
    let before = format!("?timestamp={}", NOW - 1);
    assert_refused(ask(&before, "").await, 404, "P2CORE_NO_CERT_AT_TIME").await;
    node.stop().await;
}

/// Such as on a box without a clock of its own, before it has asked somebody for the time.
#[actix_web::test]
async fn no_identity_is_made_before_the_clock_is_set() {
    let clock = ManualClock::at(Timestamp::from_secs(100));
    let data = TempDir::new().unwrap();
    let mut sources = Sources::default();
    let data_dir = data.path().join("data");
    sources.add_flag("test", "data_dir", data_dir.to_str().unwrap());
    sources.add_flag("test", "listen.address", "127.0.0.1:0");
    let config = Config::from_sources(&sources).unwrap();
    let start = || Node::start(&config, Arc::new(clock.clone()));
    let refused = start().await.err().unwrap().to_string();
    assert!(refused.contains("says 1970-01-01"), "{refused}");
    assert!(
        std::fs::read_dir(data_dir.join("keys"))
            .unwrap()
            .next()
            .is_none()
    );
    clock.set(Timestamp::from_secs(NOW));
    start().await.unwrap().stop().await;
    // From then on it is the log that knows better.
    clock.set(Timestamp::from_secs(100));
    start().await.unwrap().stop().await;
}

#[actix_web::test]
async fn a_clock_set_back_does_not_set_now_before_the_log() {
    let (node, clock) = TestNode::start_at(NOW).await;
    node.api.register("alice").await;
    clock.advance(50);
    let alice = node.api.trust("alice", "phone", &ClientKey::p256()).await;
    clock.set(Timestamp::from_secs(NOW - 1000));
    assert_eq!(
        node.api.user_certs("alice@a.example", None).await,
        [alice.id_cert.clone()]
    );
    let laptop = node.api.trust("alice", "laptop", &ClientKey::p256()).await;
    let both = [alice.id_cert, laptop.id_cert];
    assert_eq!(node.api.user_certs("alice@a.example", None).await, both);
    let server = node.api.server_cert(None).await;
    openssl::assert_verifies_at(&both[1], &server, NOW + 51);
    node.stop().await;
}
