//! `/p2core/session/…`.

use std::path::Path;

use antiphon_actors::storage::{Space, Storage, WriteSet};
use antiphon_protocol::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::node::TestNode;
use crate::support::{Api, ClientKey, PASSWORD, Session, assert_refused, decode, openssl};

const NOW: u64 = 1_800_000_000;

async fn end(api: &Api, session: &Session, encoded: &str) -> reqwest::Response {
    api.request(Method::DELETE, &format!("/session/{encoded}"))
        .bearer_auth(&session.token)
        .send()
        .await
        .unwrap()
}

async fn renew(api: &Api, session: &Session, csr: &[u8]) -> reqwest::Response {
    api.request(Method::POST, "/session/idcert")
        .bearer_auth(&session.token)
        .json(&json!({ "csr": STANDARD.encode(csr) }))
        .send()
        .await
        .unwrap()
}

#[actix_web::test]
async fn wrong_users_and_passwords_get_the_same_answer() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let csr = STANDARD.encode(ClientKey::p256().csr("alice@a.example", "phone"));
    let mut messages = Vec::new();
    for (name, password) in [
        ("alice", json!("wrong password")),
        ("nobody", json!(PASSWORD)),
        ("not a name", json!(PASSWORD)),
        ("alice", Value::Null),
        ("alice", json!("")),
    ] {
        let body = json!({ "username": name, "password": password, "csr": csr });
        let response = node.api.post("/session/trust", &body).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        messages.push(assert_refused(response, 401, "P2CORE_INVALID_CREDENTIALS").await);
    }
    messages.dedup();
    assert_eq!(messages.len(), 1);
    let body = json!({ "username": "ALICE", "password": PASSWORD, "csr": csr });
    assert_eq!(node.api.post("/session/trust", &body).await.status(), 201);
    node.stop().await;
}

#[actix_web::test]
async fn a_bad_csr_is_spoken_of_only_to_who_knows_the_password() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let wish = |password| json!({ "username": "alice", "password": password, "csr": "nonsense" });
    for (password, status, error) in [
        ("wrong password", 401, "P2CORE_INVALID_CREDENTIALS"),
        (PASSWORD, 400, "P2CORE_INVALID_CSR"),
    ] {
        let response = node.api.post("/session/trust", &wish(password)).await;
        assert_refused(response, status, error).await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_refused_csr_says_why() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let key = ClientKey::p256();
    let good = key.csr("alice@a.example", "phone");
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let trailing = [good.clone(), vec![0]].concat();
    let wrapped = STANDARD.encode(&good);
    let (head, tail) = wrapped.split_at(64);
    // A SET of 33 times nothing.
    let large_set = [[0x31, 66].as_slice(), &[5, 0].repeat(33)].concat();
    let cases = [
        (URL_SAFE_NO_PAD.encode(&good), "Base64"),
        (format!("{head}\n{tail}"), "Base64"),
        (STANDARD.encode("nonsense"), "PKCS#10"),
        (STANDARD.encode(&trailing), "PKCS#10"),
        (STANDARD.encode(&forged), "signature"),
        (STANDARD.encode([0x30; 4096]), "PKCS#10"),
        (STANDARD.encode([0x30; 4097]), "longer than 4096 bytes"),
        (STANDARD.encode(large_set), "more than 32 members"),
        (
            STANDARD.encode(key.csr("bob@a.example", "phone")),
            "federation ID",
        ),
        (
            STANDARD.encode(key.csr("alice@b.example", "phone")),
            "federation ID",
        ),
        (
            STANDARD.encode(key.csr("alice@a.example", &"x".repeat(33))),
            "session ID",
        ),
    ];
    for (csr, check) in cases {
        let body = json!({ "username": "alice", "password": PASSWORD, "csr": csr });
        let response = node.api.post("/session/trust", &body).await;
        let message = assert_refused(response, 400, "P2CORE_INVALID_CSR").await;
        assert!(message.contains(check), "{message}");
    }
    assert!(
        node.api
            .user_certs("alice@a.example", None)
            .await
            .is_empty()
    );
    node.stop().await;
}

/// With what it can put into one: three attributes, one of them the wish for extensions.
#[actix_web::test]
async fn a_request_made_with_openssl_is_taken() {
    let config = "
        [req]
        prompt = no
        string_mask = utf8only
        distinguished_name = name
        attributes = attributes
        req_extensions = extensions
        [name]
        0.DC = example
        1.DC = a
        UID = alice@a.example
        CN = alice
        uniqueIdentifier = phone
        [attributes]
        challengePassword = correct horse
        unstructuredName = phone of Alice
        [extensions]
        basicConstraints = critical, CA:FALSE
        keyUsage = critical, digitalSignature
        subjectAltName = DNS:a.example, DNS:b.example, email:alice@a.example";
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let csr = STANDARD.encode(openssl::request(config));
    let body = json!({ "username": "alice", "password": PASSWORD, "csr": csr });
    let response = node.api.post("/session/trust", &body).await;
    assert_eq!(response.status(), 201);
    node.stop().await;
}

#[actix_web::test]
async fn a_session_id_is_taken_until_its_session_ends() {
    let (node, clock) = TestNode::start_at(NOW).await;
    let api = &node.api;
    api.register("alice").await;
    let phone = api.trust("alice", "phone", &ClientKey::p256()).await;
    let laptop = api.trust("alice", "laptop", &ClientKey::ed25519()).await;
    let again = api.try_trust("alice", "phone", &ClientKey::p256()).await;
    assert_refused(again, 409, "P2CORE_SESSION_ID_TAKEN").await;
    clock.advance(10);
    assert_eq!(end(api, &laptop, "phone").await.status(), 204);
    assert_refused(end(api, &phone, "@me").await, 401, "P2CORE_UNAUTHORIZED").await;
    clock.advance(10);
    let second = api.trust("alice", "phone", &ClientKey::p256()).await;
    let now = api.user_certs("alice@a.example", None).await;
    assert_eq!(now, [laptop.id_cert.clone(), second.id_cert]);
    let then = api.user_certs("alice@a.example", Some(NOW + 9)).await;
    assert_eq!(then, [phone.id_cert, laptop.id_cert.clone()]);
    let between = api.user_certs("alice@a.example", Some(NOW + 10)).await;
    assert_eq!(between, [laptop.id_cert]);
    node.stop().await;
}

#[actix_web::test]
async fn sessions_of_any_name_can_be_ended() {
    let node = TestNode::start().await;
    let api = &node.api;
    api.register("alice").await;
    api.register("bob").await;
    let desk = api.trust("alice", "desk", &ClientKey::p256()).await;
    api.trust("bob", "bobs", &ClientKey::p256()).await;
    let long = "x".repeat(32);
    let names = [
        ("trust", "trust"),
        ("idcert", "idcert"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("@me", "%40me"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("\n", "%0A"),
        (long.as_str(), long.as_str()),
    ];
    for (name, encoded) in names {
        let session = api.trust("alice", name, &ClientKey::ed25519()).await;
        assert_eq!(end(api, &desk, encoded).await.status(), 204, "{name:?}");
        assert_refused(end(api, &session, "@me").await, 401, "P2CORE_UNAUTHORIZED").await;
        if name != "@me" {
            assert_refused(end(api, &desk, encoded).await, 404, "P2CORE_NOT_FOUND").await;
        }
    }
    for unknown in ["bobs", "never", "%ff", &"x".repeat(33)] {
        assert_refused(end(api, &desk, unknown).await, 404, "P2CORE_NOT_FOUND").await;
    }
    assert_eq!(
        api.user_certs("alice@a.example", None).await,
        [desk.id_cert.clone()]
    );
    assert_eq!(end(api, &desk, "@me").await.status(), 204);
    assert!(api.user_certs("alice@a.example", None).await.is_empty());
    node.stop().await;
}

#[actix_web::test]
async fn a_renewal_replaces_the_certificate_from_now_on() {
    let (node, clock) = TestNode::start_at(NOW).await;
    let api = &node.api;
    api.register("alice").await;
    let phone = api.trust("alice", "phone", &ClientKey::p256()).await;
    clock.advance(5);
    let key = ClientKey::ed25519();
    for (csr, check) in [
        (key.csr("alice@a.example", "other"), "session ID"),
        (key.csr("bob@a.example", "phone"), "federation ID"),
    ] {
        let response = renew(api, &phone, &csr).await;
        let message = assert_refused(response, 400, "P2CORE_INVALID_CSR").await;
        assert!(message.contains(check), "{message}");
    }
    let response = renew(api, &phone, &key.csr("alice@a.example", "phone")).await;
    assert_eq!(response.status(), 201);
    let body: Value = response.json().await.unwrap();
    let renewed = decode(&body["id_cert"]);
    assert_eq!(
        api.user_certs("alice@a.example", None).await,
        [renewed.clone()]
    );
    let then = api.user_certs("alice@a.example", Some(NOW + 4)).await;
    assert_eq!(then, [phone.id_cert.clone()]);
    let server = api.server_cert(None).await;
    openssl::assert_verifies_at(&renewed, &server, NOW + 6);
    // At its notAfter it is in force for the last time.
    let last = NOW + 5 + 60 * 86_400;
    clock.set(antiphon_protocol::Timestamp::from_secs(last + 1));
    assert_eq!(
        api.user_certs("alice@a.example", Some(last)).await,
        [renewed]
    );
    assert!(api.user_certs("alice@a.example", None).await.is_empty());
    node.stop().await;
}

/// The two race; whichever comes second finds the session gone, and with it the token.
#[actix_web::test]
async fn a_renewal_that_comes_after_the_end_has_no_valid_token() {
    let node = TestNode::start().await;
    let api = &node.api;
    api.register("alice").await;
    for round in 0..30 {
        let (id, key) = (format!("s{round}"), ClientKey::p256());
        let alice = api.trust("alice", &id, &key).await;
        let csr = key.csr("alice@a.example", &id);
        let (ended, renewed) = tokio::join!(end(api, &alice, "@me"), renew(api, &alice, &csr));
        assert_eq!(ended.status(), 204);
        if renewed.status() != 201 {
            assert_refused(renewed, 401, "P2CORE_UNAUTHORIZED").await;
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_token_dies_at_its_last_second_and_not_before() {
    let (node, clock) = TestNode::start_at(NOW).await;
    node.api.register("alice").await;
    let alice = node.api.trust("alice", "phone", &ClientKey::p256()).await;
    clock.advance(30 * 86_400 - 1);
    assert_refused(end(&node.api, &alice, "x").await, 404, "P2CORE_NOT_FOUND").await;
    clock.advance(1);
    assert_refused(
        end(&node.api, &alice, "x").await,
        401,
        "P2CORE_UNAUTHORIZED",
    )
    .await;
    node.stop().await;
}

#[actix_web::test]
async fn sessions_stay_apart_however_often_the_node_starts_while_time_stands_still() {
    for back in [0, 1800] {
        let (node, clock) = TestNode::start_at(NOW).await;
        node.api.register("alice").await;
        let mut sessions = Vec::new();
        sessions.push(node.api.trust("alice", "one", &ClientKey::p256()).await);
        clock.set(Timestamp::from_secs(NOW - back));
        let node = node.restart().await;
        sessions.push(node.api.trust("alice", "two", &ClientKey::p256()).await);
        let node = node.restart().await;
        sessions.push(node.api.trust("alice", "three", &ClientKey::p256()).await);
        let certs = node.api.user_certs(&node.api.fid("alice"), None).await;
        assert_eq!(certs.len(), 3, "with the clock set back by {back} s");
        for session in &sessions {
            assert_eq!(node.api.end(session).await, 204);
        }
        node.stop().await;
    }
}

/// So many live sessions with IDs of digits, as the store has them.
fn add_sessions(data: &Path, user: u64, count: u64) {
    let storage = Storage::open(data, 8).unwrap();
    let mut writes = WriteSet::new();
    for session in 0..count {
        let id = session.to_string();
        let by_id = [&user.to_be_bytes(), id.as_bytes()].concat();
        let number = [&[1][..], &session.to_le_bytes()].concat();
        writes.put_bytes(Space::LiveSessions, &by_id, number);
    }
    drop(storage.commit(writes));
    storage.close().unwrap();
}

#[actix_web::test]
async fn a_user_has_a_thousand_live_sessions_at_most() {
    let (node, _) = TestNode::start_at(NOW).await;
    let user = node.api.register("alice").await.parse().unwrap();
    let key = ClientKey::p256();
    let phone = node.api.trust("alice", "phone", &key).await;
    let node = node
        .restart_after(|data| add_sessions(data, user, 999))
        .await;
    let refused = node.api.try_trust("alice", "tablet", &key).await;
    assert_refused(refused, 409, "P2CORE_SESSION_LIMIT").await;
    // One that is there is none more.
    let again = node.api.try_identify(&phone.id_cert, &key).await;
    assert_eq!(again.status(), 201);
    let refused = node.api.try_trust("alice", "phone", &key).await;
    assert_refused(refused, 409, "P2CORE_SESSION_ID_TAKEN").await;

    let token: Value = again.json().await.unwrap();
    let token = token["token"].as_str().unwrap().to_owned();
    assert_eq!(node.api.end(&Session { token, ..phone }).await, 204);
    node.api.trust("alice", "tablet", &key).await;
    node.stop().await;
}
