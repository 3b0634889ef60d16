//! `GET /p2core/key/user/:user_id`.

use crate::support::node::TestNode;
use crate::support::{ClientKey, assert_refused};

#[actix_web::test]
async fn a_user_is_found_by_either_id() {
    let node = TestNode::start().await;
    let id = node.api.register("alice%1").await;
    assert!(node.api.user_certs(&id, None).await.is_empty());
    let session = node.api.trust("alice%1", "phone", &ClientKey::p256()).await;
    assert_eq!(session.user_id, id);
    for user in [&*id, "alice%251@a.example", "ALICE%251%40A.Example"] {
        assert_eq!(
            node.api.user_certs(user, None).await,
            [session.id_cert.clone()],
            "{user}"
        );
    }
    node.stop().await;
}

#[actix_web::test]
async fn unknown_users_and_nonsense_are_told_apart() {
    let node = TestNode::start().await;
    let api = &node.api;
    for unknown in [
        "1",
        "18446744073709551615",
        "bob@a.example",
        "bob@elsewhere.example",
    ] {
        let response = api.get(&format!("/key/user/{unknown}")).await;
        assert_refused(response, 404, "P2CORE_USER_NOT_FOUND").await;
    }
    let long = format!("{}@a.example", "a".repeat(65));
    for nonsense in [
        "bob",
        "-1",
        "01",
        "18446744073709551616",
        "bob@",
        "@a",
        "b@a..b",
        "%ff",
        &long,
    ] {
        let response = api.get(&format!("/key/user/{nonsense}")).await;
        assert_refused(response, 400, "P2CORE_INVALID_USER_ID").await;
    }
    node.stop().await;
}

/// However long names are, and however much alike: also when they are remembered.
#[actix_web::test]
async fn names_that_begin_alike_are_told_apart() {
    let node = TestNode::start().await;
    let names = [13, 14, 15, 32, 63, 64].map(|length| "a".repeat(length));
    let mut sessions = Vec::new();
    for name in &names {
        node.api.register(name).await;
        sessions.push(node.api.trust(name, "phone", &ClientKey::p256()).await);
    }
    for _ in 0..2 {
        for session in &sessions {
            let certs = node.api.user_certs(&session.fid, None).await;
            assert_eq!(certs, [session.id_cert.clone()], "{}", session.fid);
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn sessions_come_in_the_order_in_which_they_were_first_seen() {
    let node = TestNode::start().await;
    let id = node.api.register("alice").await;
    let mut certs = Vec::new();
    for name in ["z", "m", "a", "0"] {
        certs.push(
            node.api
                .trust("alice", name, &ClientKey::ed25519())
                .await
                .id_cert,
        );
    }
    assert_eq!(node.api.user_certs(&id, None).await, certs);
    let node = node.restart().await;
    certs.push(
        node.api
            .trust("alice", "b", &ClientKey::ed25519())
            .await
            .id_cert,
    );
    assert_eq!(node.api.user_certs(&id, None).await, certs);
    assert!(node.api.user_certs(&id, Some(1)).await.is_empty());
    node.stop().await;
}
