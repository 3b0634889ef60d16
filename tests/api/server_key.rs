//! `/p2core/key/server`.

use crate::support::node::TestNode;
use crate::support::{ClientKey, openssl};

#[actix_web::test]
async fn a_rotation_leaves_old_certificates_verifiable() {
    let node = TestNode::start().await;
    let api = &node.api;
    api.register("alice").await;
    node.grant_administrator("alice").await;
    let alice = api.trust("alice", "phone", &ClientKey::p256()).await;
    let before = api.server_cert(None).await;
    api.rotate_server_key(&alice).await;
    let after = api.server_cert(None).await;
    assert_ne!(before, after);
    openssl::assert_verifies(&alice.id_cert, &before);
    let node = node.restart().await;
    assert_eq!(node.api.server_cert(None).await, after);
    node.stop().await;
}
