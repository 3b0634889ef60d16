//! How many packages a client may have there, and how many somebody may take in a minute.

use super::*;

const LIMIT_OF_TWO: [(&str, &str); 2] = [
    ("key_packages.per_client", "2"),
    ("key_packages.low_watermark", "1"),
];

impl Scene {
    async fn is_full(&self) {
        let one = [self.one_time(1)];
        let response = self.node.api.publish(&self.phone, &one).await;
        assert_refused(response, 409, "P2CORE_KEY_PACKAGE_LIMIT").await;
    }
}

#[actix_web::test]
async fn a_pool_has_a_limit() {
    let scene = Scene::with(&[
        ("key_packages.per_client", "3"),
        ("key_packages.low_watermark", "1"),
    ])
    .await;
    let two: Vec<_> = (0..2).map(|_| scene.one_time(1)).collect();
    scene.publish(&two).await;
    let more = [scene.one_time(1), scene.one_time(3)];
    let response = scene.node.api.publish(&scene.phone, &more).await;
    assert_refused(response, 409, "P2CORE_KEY_PACKAGE_LIMIT").await;
    assert_eq!(scene.available().await, json!({ "1": 2 }));
    scene.publish(&more[..1]).await;
    scene.publish(&two).await;
    scene.claim().await;
    scene.publish(&more[1..]).await;
}

/// What the new packages replace is no longer in their way.
#[actix_web::test]
async fn a_full_pool_makes_room_for_the_next_certificate() {
    let mut scene = Scene::with(&LIMIT_OF_TWO).await;
    let two = [scene.one_time(1), scene.one_time(1)];
    scene.publish(&two).await;
    scene.clock.advance(1);
    let renewed = scene.node.api.renew(&scene.phone, "phone", &scene.key);
    scene.phone.id_cert = renewed.await;
    let two = [scene.one_time(1), scene.one_time(1)];
    scene.publish(&two).await;
    assert_eq!(scene.available().await, json!({ "1": 2 }));
    scene.is_full().await;
    assert_eq!(scene.claim().await, two[..1]);
    scene.publish(&[scene.one_time(1)]).await;
    scene.is_full().await;
}

/// What has expired takes no room, however soon it was counted.
#[actix_web::test]
async fn a_full_pool_makes_room_when_its_packages_expire() {
    let scene = Scene::with(&LIMIT_OF_TWO).await;
    let mut short = draft(1, &scene.phone.id_cert, &scene.key);
    short.lifetime.1 = system_now() + 2 * DAY;
    scene
        .publish(&[short.sign(&scene.key), scene.one_time(1)])
        .await;
    scene.is_full().await;
    scene.clock.advance(3 * DAY);
    scene.publish(&[scene.one_time(1)]).await;
    scene.is_full().await;
}

#[actix_web::test]
async fn nobody_drains_a_pool() {
    let scene = Scene::with(&[("key_packages.claims_per_minute", "2")]).await;
    let all: Vec<_> = (0..5).map(|_| scene.one_time(1)).collect();
    scene.publish(&all).await;
    for package in &all[..2] {
        assert_eq!(scene.claim().await, [package.clone()]);
    }
    scene.clock.advance(20);
    let api = &scene.node.api;
    let limited = api.try_claim(&scene.bob, ALICE, None).await;
    assert_eq!(limited.headers()["retry-after"], "40");
    assert_refused(limited, 429, "P2CORE_RATE_LIMITED").await;
    let last = scene.last_resort(1);
    api.put_last_resort(&scene.phone, &last).await;
    assert_eq!(scene.claim().await, [last]);
    // The budget is one asking session's own.
    let other = api.trust("bob", "phone", &ClientKey::p256()).await;
    assert_eq!(api.claim(&other, ALICE).await, all[2..3]);
    scene.clock.advance(40);
    assert_eq!(scene.claim().await, all[3..4]);
}

/// A claim that goes over the limit half way gets last resorts from there on, or nothing.
#[actix_web::test]
async fn the_limit_counts_packages_and_not_claims() {
    let scene = Scene::with(&[("key_packages.claims_per_minute", "3")]).await;
    let of_phone: Vec<_> = (0..3).map(|_| scene.one_time(1)).collect();
    scene.publish(&of_phone).await;
    let key = ClientKey::ed25519();
    let tablet = scene.node.api.trust("alice", "tablet", &key).await;
    let one_time = |_| draft(1, &tablet.id_cert, &key).sign(&key);
    let of_tablet: Vec<_> = (0..3).map(one_time).collect();
    assert_eq!(
        scene.node.api.publish(&tablet, &of_tablet).await.status(),
        201
    );
    let both = [of_phone[0].clone(), of_tablet[0].clone()];
    assert_eq!(scene.claim().await, both);
    assert_eq!(scene.claim().await, of_phone[1..2]);
    let limited = scene.node.api.try_claim(&scene.bob, ALICE, None).await;
    assert_refused(limited, 429, "P2CORE_RATE_LIMITED").await;

    scene.clock.advance(60);
    let last = draft(1, &tablet.id_cert, &key).last_resort().sign(&key);
    let put = scene.node.api.put_last_resort(&tablet, &last).await;
    assert_eq!(put.status(), 204);
    let both = [of_phone[2].clone(), of_tablet[1].clone()];
    assert_eq!(scene.claim().await, both);
    assert_eq!(scene.claim().await, of_tablet[2..3]);
    assert_eq!(scene.claim().await, [last]);
}
