//! Two real nodes: who is certified on one signs in on the other.

use antiphon_actors::clock::{Clock as _, ManualClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::node::TestNode;
use crate::support::{ClientKey, Session, assert_refused};

const NOW: u64 = 1_800_000_000;

/// `a.example`, which certifies, and `b.example`, which asks it.
struct Two {
    a: TestNode,
    b: TestNode,
    clock: ManualClock,
}

impl Two {
    async fn start() -> Self {
        let (a, clock) = TestNode::start_at(NOW).await;
        let b = TestNode::beside("b.example", &a.api, &clock).await;
        a.api.register("alice").await;
        Self { a, b, clock }
    }

    fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// Alice's session on both.
    async fn alice(&self, session_id: &str, key: &ClientKey) -> (Session, Session) {
        let at_home = self.a.api.trust("alice", session_id, key).await;
        let abroad = self
            .b
            .api
            .identify(&at_home.fid, &at_home.id_cert, key)
            .await;
        (at_home, abroad)
    }
}

const ALICE: &str = "alice@a.example";

#[actix_web::test]
async fn an_actor_of_another_node_signs_in_and_is_found() {
    for key in [ClientKey::p256(), ClientKey::ed25519()] {
        let two = Two::start().await;
        let at_home = two.a.api.trust("alice", "phone", &key).await;
        let path = format!("/key/user/{ALICE}");
        assert_refused(two.b.api.get(&path).await, 404, "P2CORE_USER_NOT_FOUND").await;
        two.clock.advance(10);
        let abroad = two.b.api.identify(ALICE, &at_home.id_cert, &key).await;
        for user in [ALICE, &abroad.user_id] {
            let found = two.b.api.user_certs(user, None).await;
            assert_eq!(found, [at_home.id_cert.clone()]);
            // As of when b verified it, not of when a issued it.
            let before = two.b.api.user_certs(user, Some(NOW + 9)).await;
            assert!(before.is_empty());
        }
        let again = two.b.api.identify(ALICE, &at_home.id_cert, &key).await;
        assert_eq!(again.user_id, abroad.user_id);
        assert_eq!(two.b.api.user_certs(ALICE, None).await.len(), 1);
        assert_eq!(two.b.api.end(&abroad).await, StatusCode::UNAUTHORIZED);
        assert_eq!(two.b.api.end(&again).await, StatusCode::NO_CONTENT);
    }
}

#[actix_web::test]
async fn a_rotated_certificate_is_taken_and_none_is_rolled_back() {
    let mut two = Two::start().await;
    let key = ClientKey::p256();
    let (at_home, abroad) = two.alice("phone", &key).await;
    let other_session = two.a.api.trust("alice", "tablet", &key).await;
    two.a.api.register("bob").await;
    let other_actor = two.a.api.trust("bob", "phone", &key).await;
    two.clock.advance(10);
    let second = two
        .a
        .api
        .renew(&at_home, "phone", &ClientKey::ed25519())
        .await;
    for _ in 0..2 {
        let presented = two.b.api.present(&abroad, &second).await;
        assert_eq!(presented.status(), StatusCode::CREATED);
        assert_eq!(presented.bytes().await.unwrap().len(), 0);
    }
    let refused = [
        (&at_home.id_cert, "older"),
        (&other_session.id_cert, "another session"),
        (&other_actor.id_cert, "another actor"),
    ];
    for (cert, check) in refused {
        let response = two.b.api.present(&abroad, cert).await;
        let message = assert_refused(response, 400, "P2CORE_INVALID_ID_CERT").await;
        assert!(message.contains(check), "{message}");
    }
    for _ in 0..2 {
        let api = &two.b.api;
        assert_eq!(api.user_certs(ALICE, None).await, [second.clone()]);
        let then = api.user_certs(ALICE, Some(NOW + 9)).await;
        assert_eq!(then, [at_home.id_cert.clone()]);
        two.b = two.b.restart().await;
    }
    // An old certificate signs nobody in: its home server does not name it any more.
    two.clock.advance(3600);
    let response = two.b.api.try_identify(&at_home.id_cert, &key).await;
    let message = assert_refused(response, 400, "P2CORE_INVALID_ID_CERT").await;
    assert!(message.contains("not in force"), "{message}");
}

#[actix_web::test]
async fn a_certificate_of_the_same_second_takes_the_place_of_the_one_before() {
    let two = Two::start().await;
    let key = ClientKey::p256();
    let (at_home, abroad) = two.alice("phone", &key).await;
    let second = two.a.api.renew(&at_home, "phone", &key).await;
    let presented = two.b.api.present(&abroad, &second).await;
    assert_eq!(presented.status(), StatusCode::CREATED);
    assert_eq!(two.b.api.user_certs(ALICE, None).await, [second]);
}

#[actix_web::test]
async fn old_certificates_stay_genuine_when_the_home_server_rotates() {
    let two = Two::start().await;
    two.a.grant_administrator("alice").await;
    let key = ClientKey::p256();
    let at_home = two.a.api.trust("alice", "phone", &key).await;
    two.clock.advance(10);
    two.a.api.rotate_server_key(&at_home).await;
    two.clock.advance(10);
    two.b.api.identify(ALICE, &at_home.id_cert, &key).await;
}

#[actix_web::test]
async fn a_challenge_is_good_once_in_time_and_here() {
    let mut two = Two::start().await;
    let key = ClientKey::p256();
    let (at_home, _) = two.alice("phone", &key).await;
    let cert = &at_home.id_cert;

    let used = two.b.api.challenge().await;
    let unused = two.b.api.challenge().await;
    let signed = |challenge: &str| key.sign_challenge_flat(challenge);
    let first = two.b.api.identify_with(cert, &used, &signed(&used)).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let replayed = two.b.api.identify_with(cert, &used, &signed(&used)).await;
    let message = assert_refused(replayed, 401, "P2CORE_CHALLENGE_FAILED").await;
    assert!(message.contains("used"), "{message}");
    let elsewhere = two
        .a
        .api
        .identify_with(cert, &unused, &signed(&unused))
        .await;
    assert_refused(elsewhere, 401, "P2CORE_CHALLENGE_FAILED").await;

    two.b = two.b.restart().await;
    let replayed = two.b.api.identify_with(cert, &used, &signed(&used)).await;
    assert_refused(replayed, 401, "P2CORE_CHALLENGE_FAILED").await;
    let other = ClientKey::p256().sign_challenge(&unused);
    for signature in [other, signed(&used), vec![], vec![0; 64]] {
        let response = two.b.api.identify_with(cert, &unused, &signature).await;
        assert_refused(response, 401, "P2CORE_CHALLENGE_FAILED").await;
    }
    let late = two.b.api.challenge().await;
    let kept = two
        .b
        .api
        .identify_with(cert, &unused, &signed(&unused))
        .await;
    assert_eq!(kept.status(), StatusCode::CREATED);

    two.clock.advance(300);
    let response = two.b.api.identify_with(cert, &late, &signed(&late)).await;
    let message = assert_refused(response, 401, "P2CORE_CHALLENGE_FAILED").await;
    assert!(message.contains("expired"), "{message}");
    // What was used is forgotten now, and does not come back when the clock does.
    two.b.api.identify(ALICE, cert, &key).await;
    two.clock.set(antiphon_protocol::Timestamp::from_secs(NOW));
    for challenge in [&used, &late] {
        let response = two
            .b
            .api
            .identify_with(cert, challenge, &signed(challenge))
            .await;
        assert_refused(response, 401, "P2CORE_CHALLENGE_FAILED").await;
    }
    two.b.api.identify(ALICE, cert, &key).await;
}

#[actix_web::test]
async fn a_challenge_is_good_as_long_as_it_says() {
    let two = Two::start().await;
    let key = ClientKey::p256();
    let at_home = two.a.api.trust("alice", "phone", &key).await;
    let answer = two.b.api.get("/challenge").await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["lifetime_unix"], (NOW + 300).to_string());
    two.clock.advance(299);
    let challenge = answer["challenge"].as_str().unwrap();
    let signature = key.sign_challenge(challenge);
    let api = &two.b.api;
    let signed_in = api.identify_with(&at_home.id_cert, challenge, &signature);
    assert_eq!(signed_in.await.status(), StatusCode::CREATED);
}

#[actix_web::test]
async fn of_many_who_use_one_challenge_one_succeeds() {
    let two = Two::start().await;
    let key = ClientKey::ed25519();
    let (at_home, _) = two.alice("phone", &key).await;
    let challenge = two.b.api.challenge().await;
    let signature = key.sign_challenge(&challenge);
    let tries = (0..64).map(|_| {
        two.b
            .api
            .identify_with(&at_home.id_cert, &challenge, &signature)
    });
    let answers = futures_util::future::join_all(tries).await;
    let count = |status| {
        answers
            .iter()
            .filter(|answer| answer.status() == status)
            .count()
    };
    assert_eq!(count(StatusCode::CREATED), 1);
    assert_eq!(count(StatusCode::UNAUTHORIZED), 63);
}

#[actix_web::test]
async fn of_many_tokens_for_one_session_one_is_good() {
    let two = Two::start().await;
    let key = ClientKey::ed25519();
    let at_home = two.a.api.trust("alice", "phone", &key).await;
    let tries = (0..32).map(|_| two.b.api.identify(ALICE, &at_home.id_cert, &key));
    let sessions = futures_util::future::join_all(tries).await;
    let mut good = 0;
    for session in &sessions {
        assert_eq!(session.user_id, sessions[0].user_id);
        let presented = two.b.api.present(session, &at_home.id_cert).await;
        good += usize::from(presented.status() == StatusCode::CREATED);
    }
    assert_eq!(good, 1);
    assert_eq!(two.b.api.user_certs(ALICE, None).await, [at_home.id_cert]);
}

#[actix_web::test]
async fn a_token_from_elsewhere_dies_at_its_last_second_too() {
    let two = Two::start().await;
    let (at_home, abroad) = two.alice("phone", &ClientKey::p256()).await;
    two.clock.advance(30 * 86_400 - 1);
    let presented = two.b.api.present(&abroad, &at_home.id_cert).await;
    assert_eq!(presented.status(), StatusCode::CREATED);
    two.clock.advance(1);
    assert_eq!(two.b.api.end(&abroad).await, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_session_from_elsewhere_ends_and_begins_again() {
    let two = Two::start().await;
    let key = ClientKey::p256();
    let (at_home, abroad) = two.alice("identify", &key).await;
    two.clock.advance(5);
    let request = two.b.api.request(Method::DELETE, "/session/identify");
    let ended = request.bearer_auth(&abroad.token).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert!(two.b.api.user_certs(ALICE, None).await.is_empty());
    let then = two.b.api.user_certs(ALICE, Some(NOW + 4)).await;
    assert_eq!(then, [at_home.id_cert.clone()]);
    assert_eq!(
        two.b.api.present(&abroad, &at_home.id_cert).await.status(),
        401
    );
    two.clock.advance(5);
    two.b.api.identify(ALICE, &at_home.id_cert, &key).await;
    assert_eq!(two.b.api.user_certs(ALICE, None).await.len(), 1);
    assert!(
        two.b
            .api
            .user_certs(ALICE, Some(two.now() - 1))
            .await
            .is_empty()
    );
}

#[actix_web::test]
async fn an_actor_from_elsewhere_has_no_business_with_local_routes() {
    let two = Two::start().await;
    let key = ClientKey::p256();
    let (_, abroad) = two.alice("phone", &key).await;
    let request = two.b.api.request(Method::POST, "/session/idcert");
    let request = request
        .bearer_auth(&abroad.token)
        .json(&json!({ "csr": "" }));
    assert_refused(request.send().await.unwrap(), 403, "P2CORE_NOT_LOCAL").await;
    let request = two.b.api.request(Method::PUT, "/key/server");
    let request = request.bearer_auth(&abroad.token);
    let response = request.send().await.unwrap();
    assert_refused(response, 403, "P2CORE_NOT_ADMINISTRATOR").await;
}

#[actix_web::test]
async fn of_its_own_users_a_node_takes_only_what_it_issued_last() {
    let two = Two::start().await;
    let api = &two.a.api;
    let key = ClientKey::p256();
    let first = api.trust("alice", "phone", &key).await;
    assert_eq!(api.present(&first, &first.id_cert).await.status(), 201);
    let second = api.renew(&first, "phone", &key).await;
    assert_eq!(api.present(&first, &second).await.status(), 201);
    let old = api.present(&first, &first.id_cert).await;
    assert_refused(old, 400, "P2CORE_INVALID_ID_CERT").await;
    // Who has lost the token gets another with the key.
    let again = api.identify(ALICE, &second, &key).await;
    assert_eq!(again.user_id, first.user_id);
    assert_eq!(api.end(&first).await, StatusCode::UNAUTHORIZED);
    let old = api.try_identify(&first.id_cert, &key).await;
    assert_refused(old, 400, "P2CORE_INVALID_ID_CERT").await;
    assert_eq!(api.end(&again).await, StatusCode::NO_CONTENT);
    let ended = api.try_identify(&second, &key).await;
    assert_refused(ended, 400, "P2CORE_INVALID_ID_CERT").await;
    assert!(api.user_certs(ALICE, None).await.is_empty());
}

#[actix_web::test]
async fn of_its_own_users_a_node_takes_nothing_that_has_expired() {
    let two = Two::start().await;
    let key = ClientKey::p256();
    let phone = two.a.api.trust("alice", "phone", &key).await;
    two.clock.advance(60 * 86_400);
    two.a.api.identify(ALICE, &phone.id_cert, &key).await;
    two.clock.advance(1);
    let expired = two.a.api.try_identify(&phone.id_cert, &key).await;
    assert_refused(expired, 400, "P2CORE_INVALID_ID_CERT").await;
}

#[actix_web::test]
async fn misshapen_requests_are_refused_and_change_nothing() {
    let two = Two::start().await;
    let key = ClientKey::p256();
    let (at_home, abroad) = two.alice("phone", &key).await;
    let challenge = two.b.api.challenge().await;
    let completed = json!({ "challenge": challenge, "signature": "AA==" });
    let bodies = [
        json!({}),
        json!({ "completed_challenge": completed, "id_cert": 1 }),
        json!({ "completed_challenge": completed, "id_cert": "", "idcert": "" }),
        json!({ "completed_challenge": { "challenge": challenge }, "id_cert": "" }),
        json!({ "completed_challenge": completed, "id_cert": "", "auth_payload": { "x": 1 } }),
    ];
    for body in bodies {
        let response = two.b.api.post("/session/identify", &body).await;
        assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    }
    let body = json!({ "completed_challenge": completed, "id_cert": "AAAA" });
    let response = two.b.api.post("/session/identify", &body).await;
    assert_refused(response, 400, "P2CORE_INVALID_ID_CERT").await;
    for (body, error) in [
        (json!({}), "P2CORE_BAD_REQUEST"),
        (json!("AAAA"), "P2CORE_INVALID_ID_CERT"),
        (json!("-_-_"), "P2CORE_INVALID_ID_CERT"),
    ] {
        let request = two.b.api.request(Method::POST, "/session/idcert/extern");
        let request = request.bearer_auth(&abroad.token).json(&body);
        assert_refused(request.send().await.unwrap(), 400, error).await;
    }
    let anonymous = two
        .b
        .api
        .post("/session/idcert/extern", &json!("AAAA"))
        .await;
    assert_refused(anonymous, 401, "P2CORE_UNAUTHORIZED").await;
    assert_eq!(two.b.api.user_certs(ALICE, None).await, [at_home.id_cert]);
}
