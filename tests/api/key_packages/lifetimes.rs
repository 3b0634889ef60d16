//! A package is given out within its lifetime, by the node's clock, whatever that does.

use super::*;

/// With the clock a day ahead, openmls, which asks the system, leaves the end of a lifetime to the node.
async fn a_day_ahead() -> Scene {
    Scene::at(system_now() + DAY, &[]).await
}

#[actix_web::test]
async fn a_last_resort_is_given_out_until_its_last_second() {
    let scene = a_day_ahead().await;
    let mut last = draft(1, &scene.phone.id_cert, &scene.key).last_resort();
    last.lifetime.1 = scene.clock.now().as_secs() + 30;
    let last = last.sign(&scene.key);
    let put = scene.node.api.put_last_resort(&scene.phone, &last).await;
    assert_eq!(put.status(), StatusCode::NO_CONTENT);
    // Sooner than any sweep.
    scene.clock.advance(30);
    assert_eq!(scene.claim().await, [last]);
    scene.clock.advance(1);
    assert!(scene.claim().await.is_empty());
    let stock = scene.node.api.stock(&scene.phone).await;
    assert_eq!(stock["last_resort"], json!([]));
}

/// Those behind it go first, and it is still the oldest.
#[actix_web::test]
async fn a_package_that_is_not_valid_yet_keeps_its_place() {
    let scene = Scene::start().await;
    let now = scene.clock.now();
    let mut young = draft(1, &scene.phone.id_cert, &scene.key);
    young.lifetime.0 = now.as_secs() - 100;
    let young = young.sign(&scene.key);
    let others = [scene.one_time(1), scene.one_time(1)];
    scene
        .publish(&[&[young.clone()], &others[..]].concat())
        .await;
    scene.clock.set(now.minus_secs(101));
    assert_eq!(scene.available().await, json!({ "1": 2 }));
    assert_eq!(scene.claim().await, others[..1]);
    scene.clock.set(now.minus_secs(100));
    assert_eq!(scene.available().await, json!({ "1": 2 }));
    assert_eq!(scene.claim().await, [young]);
    assert_eq!(scene.claim().await, others[1..]);
}
