//! Certificates and answers are good by the node's clock, whatever that does.

use super::*;

#[actix_web::test]
async fn a_certificate_is_good_in_its_last_second() {
    let scene = Scene::start().await;
    let cert = scene
        .home
        .certify("mallory", "phone", &scene.key, NOW - DAY, NOW);
    scene.taken(&cert).await;
    scene.clock.advance(1);
    let response = scene.node.api.try_identify(&cert, &scene.key).await;
    assert_refused(response, INVALID.0, INVALID.1).await;
}

#[actix_web::test]
async fn an_answer_from_a_time_that_is_still_to_come_is_not_kept() {
    let scene = Scene::start().await;
    let cert = scene
        .home
        .certify("mallory", "phone", &scene.key, NOW - DAY, NOW + DAY);
    for asked in [2, 0] {
        scene.taken(&cert).await;
        assert_eq!(scene.home.asked().len(), asked);
    }
    scene.clock.set(Timestamp::from_secs(NOW - 1));
    scene.taken(&cert).await;
    assert_eq!(scene.home.asked().len(), 2);
}
