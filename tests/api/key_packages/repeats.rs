//! Claims with an `Idempotency-Key`.

use super::*;

#[actix_web::test]
async fn a_repeat_gets_the_same_and_consumes_nothing() {
    let mut scene = Scene::start().await;
    let all: Vec<_> = (0..4).map(|_| scene.one_time(1)).collect();
    scene.publish(&all).await;
    for _ in 0..2 {
        let response = scene.node.api.try_claim(&scene.bob, ALICE, Some("k")).await;
        assert_eq!(packages(response).await, all[..1]);
        scene.node = scene.node.restart().await;
    }
    // As much as the clock, which counts whole seconds, may show within ten minutes.
    scene.clock.advance(600);
    let api = &scene.node.api;
    let again = api.try_claim(&scene.bob, ALICE, Some("k")).await;
    assert_eq!(packages(again).await, all[..1]);
    let longer = api.try_claim(&scene.bob, ALICE, Some("kk")).await;
    assert_eq!(packages(longer).await, all[1..2]);
    scene.clock.advance(1);
    let later = api.try_claim(&scene.bob, ALICE, Some("k")).await;
    assert_eq!(packages(later).await, all[2..3]);
    for key in ["", "a b", "\u{e9}", &"x".repeat(65)] {
        let response = api.try_claim(&scene.bob, ALICE, Some(key)).await;
        assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    }
    let longest = api
        .try_claim(&scene.bob, ALICE, Some(&"~".repeat(64)))
        .await;
    assert_eq!(packages(longest).await, all[3..]);
}

/// What a clock that was ahead has remembered is not kept until it is there again.
#[actix_web::test]
async fn a_claim_is_not_a_repeat_of_one_that_is_long_ahead() {
    let scene = Scene::start().await;
    let all: Vec<_> = (0..2).map(|_| scene.one_time(1)).collect();
    scene.publish(&all).await;
    let api = &scene.node.api;
    let now = scene.clock.now();
    for (back, package) in [(0, 0), (600, 0), (601, 1)] {
        scene.clock.set(now.minus_secs(back));
        let claimed = api.try_claim(&scene.bob, ALICE, Some("k")).await;
        let expected = &all[package..=package];
        assert_eq!(packages(claimed).await, expected, "{back} s back");
    }
}

#[actix_web::test]
async fn a_repeat_is_by_the_same_session_for_the_same_user() {
    let scene = Scene::start().await;
    let all: Vec<_> = (0..2).map(|_| scene.one_time(1)).collect();
    scene.publish(&all).await;
    let api = &scene.node.api;
    api.register("carol").await;
    let key = ClientKey::p256();
    let carol = api.trust("carol", "phone", &key).await;
    let of_carol = draft(2, &carol.id_cert, &key).sign(&key);
    let published = api.publish(&carol, &[of_carol.clone()]).await;
    assert_eq!(published.status(), StatusCode::CREATED);
    let tablet = api.trust("bob", "tablet", &ClientKey::p256()).await;
    for (asker, user, package) in [
        (&scene.bob, ALICE, &all[0]),
        (&scene.bob, "carol@a.example", &of_carol),
        (&tablet, ALICE, &all[1]),
    ] {
        let claimed = api.try_claim(asker, user, Some("k")).await;
        assert_eq!(packages(claimed).await, [package.clone()], "{user}");
    }
}
