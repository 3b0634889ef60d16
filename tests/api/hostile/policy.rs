//! Whom the node deals with, and what becomes of those with whom it does not any more.

use super::*;

#[actix_web::test]
async fn domains_that_are_not_dealt_with_are_not_asked() {
    let settings: [&[(&str, &str)]; 4] = [
        &[("federation.enabled", "false")],
        &[("federation.block", "[\"h.example\"]")],
        &[("federation.allow", "[\"x.example\"]")],
        &[
            ("federation.allow", "[\"h.example\"]"),
            ("federation.block", "[\"h.example\"]"),
        ],
    ];
    for settings in settings {
        let scene = Scene::with(settings).await;
        let cert = scene.certify("phone");
        scene.refused(&cert, NOT_FEDERATED.0, NOT_FEDERATED.1).await;
        assert!(scene.home.asked().is_empty());
    }
    let scene = Scene::with(&[("federation.allow", "[\"h.example\"]")]).await;
    scene.taken(&scene.certify("phone")).await;
}

#[actix_web::test]
async fn a_name_that_leads_nowhere_is_no_server() {
    let scene = Scene::start().await;
    let nowhere = Home::start("nowhere.invalid", NOW);
    let cert = nowhere.certify("mallory", "phone", &scene.key, NOW, NOW + DAY);
    scene.refused(&cert, NOT_FEDERATED.0, NOT_FEDERATED.1).await;
    assert!(nowhere.asked().is_empty());
}

#[actix_web::test]
async fn a_session_from_a_server_that_is_not_asked_any_more_has_nothing_new() {
    let mut scene = Scene::start().await;
    let cert = scene.certify("phone");
    let abroad = scene.node.api.identify(MALLORY, &cert, &scene.key).await;
    scene.clock.advance(10);
    let next = scene.certify("phone");
    for off in [
        ("federation.block", "[\"h.example\"]"),
        ("federation.enabled", "false"),
    ] {
        scene.node = scene.node.restart_with(&[off]).await;
        let presented = scene.node.api.present(&abroad, &next).await;
        assert_refused(presented, UNREACHABLE.0, UNREACHABLE.1).await;
    }
    let found = scene.node.api.user_certs(MALLORY, None).await;
    assert_eq!(found, [cert]);
}
