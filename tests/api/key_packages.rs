//! Publishing, counting and claiming: each one-time package at most once, ever.

mod lifetimes;
mod limits;
mod repeats;

use std::collections::HashSet;

use antiphon_actors::clock::{Clock as _, ManualClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::key_package::{DAY, draft, system_now};
use crate::support::node::TestNode;
use crate::support::{ClientKey, Session, assert_refused, packages};
use antiphon_protocol::Timestamp;

const ALICE: &str = "alice@a.example";

/// A node, a clock, alice's phone with its key, and bob who asks.
struct Scene {
    node: TestNode,
    clock: ManualClock,
    phone: Session,
    key: ClientKey,
    bob: Session,
}

impl Scene {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        Self::at(system_now(), settings).await
    }

    async fn at(now: u64, settings: &[(&str, &str)]) -> Self {
        let clock = ManualClock::at(Timestamp::from_secs(now));
        let node = TestNode::with(settings, Arc::new(clock.clone())).await;
        node.api.register("alice").await;
        node.api.register("bob").await;
        let key = ClientKey::ed25519();
        let phone = node.api.trust("alice", "phone", &key).await;
        let bob = node.api.trust("bob", "laptop", &ClientKey::p256()).await;
        Self {
            node,
            clock,
            phone,
            key,
            bob,
        }
    }

    fn one_time(&self, suite: u16) -> Vec<u8> {
        draft(suite, &self.phone.id_cert, &self.key).sign(&self.key)
    }

    fn last_resort(&self, suite: u16) -> Vec<u8> {
        let draft = draft(suite, &self.phone.id_cert, &self.key);
        draft.last_resort().sign(&self.key)
    }

    async fn publish(&self, packages: &[Vec<u8>]) {
        let response = self.node.api.publish(&self.phone, packages).await;
        assert_eq!(
            response.status(),
            StatusCode::CREATED,
            "{:?}",
            response.text().await
        );
    }

    async fn claim(&self) -> Vec<Vec<u8>> {
        self.node.api.claim(&self.bob, ALICE).await
    }

    async fn available(&self) -> Value {
        self.node.api.stock(&self.phone).await["available"].clone()
    }
}

#[actix_web::test]
async fn packages_go_out_once_in_order_and_then_the_last_resort() {
    let mut scene = Scene::start().await;
    assert!(scene.claim().await.is_empty());
    let all: Vec<_> = [1, 3, 1].map(|suite| scene.one_time(suite)).into();
    scene.publish(&all[..2]).await;
    scene.publish(&all[2..]).await;
    let last = scene.last_resort(3);
    let put = scene.node.api.put_last_resort(&scene.phone, &last).await;
    assert_eq!(put.status(), StatusCode::NO_CONTENT);
    let stock = scene.node.api.stock(&scene.phone).await;
    assert_eq!(
        stock,
        json!({ "available": { "1": 2, "3": 1 }, "last_resort": ["3"] })
    );
    for package in &all {
        assert_eq!(scene.claim().await, [package.clone()]);
        scene.node = scene.node.restart().await;
    }
    for _ in 0..2 {
        assert_eq!(scene.claim().await, [last.clone()]);
    }
    assert_eq!(scene.available().await, json!({ "1": 0, "3": 0 }));
}

#[actix_web::test]
async fn what_a_suite_filter_leaves_out_is_not_consumed() {
    let scene = Scene::start().await;
    let (first, third) = (scene.one_time(1), scene.one_time(3));
    scene.publish(&[first.clone(), third.clone()]).await;
    let api = &scene.node.api;
    for tail in [
        "?cipher_suite=2",
        "?cipher_suite=0x0007",
        "?cipher_suite=65535",
    ] {
        assert!(
            api.claim(&scene.bob, &format!("{ALICE}{tail}"))
                .await
                .is_empty()
        );
    }
    let by_number = format!("{ALICE}?cipher_suite=0x0003");
    assert_eq!(api.claim(&scene.bob, &by_number).await, [third]);
    assert!(api.claim(&scene.bob, &by_number).await.is_empty());
    assert_eq!(
        api.claim(&scene.bob, &format!("{ALICE}?cipher_suite=1"))
            .await,
        [first]
    );
    for tail in [
        "?cipher_suite=",
        "?cipher_suite=x",
        "?cipher_suite=65536",
        "?suite=1",
    ] {
        let response = api
            .try_claim(&scene.bob, &format!("{ALICE}{tail}"), None)
            .await;
        assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    }
}

#[actix_web::test]
async fn an_init_key_is_taken_once_whatever_becomes_of_it() {
    let scene = Scene::start().await;
    let api = &scene.node.api;
    let package = scene.one_time(1);
    scene.publish(&[package.clone(), package.clone()]).await;
    scene.publish(&[package.clone()]).await;
    assert_eq!(scene.available().await, json!({ "1": 1 }));
    let mut twin = draft(1, &scene.phone.id_cert, &scene.key);
    let first = twin.sign(&scene.key);
    scene.publish(&[first.clone()]).await;
    twin.lifetime.1 += 1;
    let twin = twin.sign(&scene.key);
    let phone = &scene.phone;
    let reused = |packages: Vec<Vec<u8>>| async move {
        let response = api.publish(phone, &packages).await;
        assert_refused(response, 409, "P2CORE_KEY_PACKAGE_REUSED").await;
    };
    reused(vec![scene.one_time(1), twin.clone()]).await;
    let mut other = draft(1, &scene.phone.id_cert, &scene.key);
    let one = other.sign(&scene.key);
    other.lifetime.1 += 1;
    reused(vec![one, other.sign(&scene.key)]).await;
    assert_eq!(scene.available().await, json!({ "1": 2 }));
    assert_eq!(scene.claim().await, [package.clone()]);
    reused(vec![package]).await;
    assert_eq!(scene.claim().await, [first]);
    assert!(scene.claim().await.is_empty());
}

#[actix_web::test]
async fn one_package_for_each_client_but_the_one_that_asks() {
    let scene = Scene::start().await;
    let api = &scene.node.api;
    let key = ClientKey::p256();
    let tablet = api.trust("alice", "tablet", &key).await;
    let of_tablet = draft(2, &tablet.id_cert, &key).sign(&key);
    let response = api.publish(&tablet, &[of_tablet.clone()]).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let of_phone = [scene.one_time(1), scene.one_time(1)];
    scene.publish(&of_phone).await;
    assert_eq!(api.claim(&scene.phone, ALICE).await, [of_tablet]);
    assert_eq!(api.claim(&tablet, ALICE).await, of_phone[..1]);
    assert_eq!(scene.claim().await, of_phone[1..]);
    // Another session's certificate in the package.
    let stolen = scene.one_time(1);
    let response = api.publish(&tablet, &[stolen]).await;
    assert_refused(response, 400, "P2CORE_INVALID_KEY_PACKAGE").await;
}

#[actix_web::test]
async fn packages_die_with_their_certificate() {
    let mut scene = Scene::start().await;
    let last = scene.last_resort(1);
    scene.publish(&[scene.one_time(1), scene.one_time(3)]).await;
    scene.node.api.put_last_resort(&scene.phone, &last).await;
    let old = scene.one_time(1);
    scene.clock.advance(1);
    scene.phone.id_cert = scene
        .node
        .api
        .renew(&scene.phone, "phone", &scene.key)
        .await;
    assert!(scene.claim().await.is_empty());
    let stock = scene.node.api.stock(&scene.phone).await;
    assert_eq!(
        stock,
        json!({ "available": { "1": 0, "3": 0 }, "last_resort": [] })
    );
    let response = scene.node.api.publish(&scene.phone, &[old]).await;
    assert_refused(response, 400, "P2CORE_INVALID_KEY_PACKAGE").await;
    scene.publish(&[scene.one_time(1)]).await;

    scene.node.api.end(&scene.phone).await;
    assert!(scene.claim().await.is_empty());
    scene.clock.advance(1);
    scene.phone = scene.node.api.trust("alice", "phone", &scene.key).await;
    assert!(scene.claim().await.is_empty());
    let stock = scene.node.api.stock(&scene.phone).await;
    assert_eq!(stock, json!({ "available": {}, "last_resort": [] }));
}

#[actix_web::test]
async fn expired_packages_are_never_given_out() {
    let scene = Scene::start().await;
    let now = scene.clock.now().as_secs();
    let mut short = draft(1, &scene.phone.id_cert, &scene.key);
    short.lifetime = (now - DAY, now + DAY);
    let short = short.sign(&scene.key);
    let long = scene.one_time(1);
    scene.publish(&[short.clone(), long.clone()]).await;
    scene.clock.advance(DAY + 1);
    assert_eq!(scene.available().await, json!({ "1": 1 }));
    assert_eq!(scene.claim().await, [long]);
    assert!(scene.claim().await.is_empty());
    // The certificate ends, too: after that there is no client to give anything for.
    scene.publish(&[scene.one_time(1)]).await;
    scene.clock.advance(60 * DAY);
    let bob = scene.node.api.trust("bob", "tablet", &scene.key).await;
    assert!(scene.node.api.claim(&bob, ALICE).await.is_empty());
}

#[actix_web::test]
async fn only_this_servers_own_people_have_pools_and_only_sessions_claim() {
    let scene = Scene::start().await;
    let api = &scene.node.api;
    let (home, clock) = (&scene.node, &scene.clock);
    let abroad = TestNode::beside("b.example", &home.api, clock).await;
    let foreign = abroad
        .api
        .identify(ALICE, &scene.phone.id_cert, &scene.key)
        .await;
    let package = scene.one_time(1);
    let response = abroad.api.publish(&foreign, &[package.clone()]).await;
    assert_refused(response, 403, "P2CORE_NOT_LOCAL").await;
    let response = abroad.api.put_last_resort(&foreign, &package).await;
    assert_refused(response, 403, "P2CORE_NOT_LOCAL").await;
    let response = abroad.api.try_claim(&foreign, ALICE, None).await;
    assert_refused(response, 404, "P2CORE_USER_NOT_FOUND").await;
    let response = abroad.api.try_claim(&foreign, "@me", None).await;
    assert_refused(response, 403, "P2CORE_NOT_LOCAL").await;
    abroad.api.register("carol").await;
    assert!(
        abroad
            .api
            .claim(&foreign, "carol@b.example")
            .await
            .is_empty()
    );
    for (user, status, error) in [
        ("nobody@a.example", 404, "P2CORE_USER_NOT_FOUND"),
        ("12345", 404, "P2CORE_USER_NOT_FOUND"),
        ("alice", 400, "P2CORE_INVALID_USER_ID"),
    ] {
        let response = api.try_claim(&scene.bob, user, None).await;
        assert_refused(response, status, error).await;
    }
    scene.publish(&[package.clone()]).await;
    let encoded = api.try_claim(&scene.phone, "%40me", None).await;
    let stock: Value = encoded.json().await.unwrap();
    assert_eq!(stock["available"], json!({ "1": 1 }));
    assert_eq!(api.claim(&scene.bob, &scene.phone.user_id).await, [package]);
    for (method, path) in [
        (Method::GET, "/keypackage/@me"),
        (Method::POST, "/keypackage/@me"),
        (Method::PUT, "/keypackage_lr"),
        (Method::GET, "/keypackage/alice@a.example"),
    ] {
        let response = api.request(method, path).send().await.unwrap();
        assert_refused(response, 401, "P2CORE_UNAUTHORIZED").await;
    }
    for body in [
        json!([]),
        json!({}),
        json!("x"),
        json!([1]),
        json!(vec!["AA=="; 101]),
    ] {
        let request = api.request(Method::POST, "/keypackage/@me").json(&body);
        let response = request
            .bearer_auth(&scene.phone.token)
            .send()
            .await
            .unwrap();
        assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    }
}

#[actix_web::test]
async fn sixty_four_who_claim_at_once_share_ten_thousand() {
    const PACKAGES: usize = 10_000;
    let scene = Scene::with(&[
        ("key_packages.per_client", "10000"),
        ("key_packages.claims_per_minute", "0"),
    ])
    .await;
    let (node, bob) = (&scene.node, &scene.bob);
    for _ in 0..PACKAGES / 100 {
        let batch: Vec<_> = (0..100).map(|_| scene.one_time(1)).collect();
        scene.publish(&batch).await;
    }
    let last = scene.last_resort(1);
    node.api.put_last_resort(&scene.phone, &last).await;
    let claimers = (0..64).map(|_| {
        let last = &last;
        async move {
            let mut got = Vec::new();
            loop {
                let claimed = node.api.claim(bob, ALICE).await.remove(0);
                if claimed == *last {
                    return got;
                }
                got.push(claimed);
            }
        }
    });
    let got = futures_util::future::join_all(claimers).await.concat();
    let distinct: HashSet<_> = got.iter().collect();
    assert_eq!((got.len(), distinct.len()), (PACKAGES, PACKAGES));
    assert_eq!(scene.claim().await, [last]);
}
