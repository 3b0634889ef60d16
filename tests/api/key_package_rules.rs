//! Every rule about what a KeyPackage must be, each broken alone.

use antiphon_protocol::{KeyAlgorithm, PrivateKey};
use rand_core::OsRng;

use crate::support::home::server_cert;
use crate::support::key_package::{DAY, Draft, LAST_RESORT, draft, kem_key, opaque, system_now};
use crate::support::node::TestNode;
use crate::support::{ClientKey, Session, assert_refused};
use serde_json::json;

/// Makes a draft break a rule.
type Break = Box<dyn Fn(&mut Draft)>;

struct Scene {
    node: TestNode,
    alice: Session,
    key: ClientKey,
}

impl Scene {
    async fn start(key: ClientKey) -> Self {
        Self::on(TestNode::start().await, key).await
    }

    async fn on(node: TestNode, key: ClientKey) -> Self {
        node.api.register("alice").await;
        let alice = node.api.trust("alice", "phone", &key).await;
        Self { node, alice, key }
    }

    async fn taken(&self, package: &Draft) {
        let package = package.sign(&self.key);
        let response = self.node.api.publish(&self.alice, &[package]).await;
        assert_eq!(response.status(), 201, "{:?}", response.text().await);
    }

    fn draft(&self, suite: u16) -> Draft {
        draft(suite, &self.alice.id_cert, &self.key)
    }

    async fn refused(&self, package: &[u8], check: &str) {
        // The second of two, so that the index shows, and that nothing stays of the first.
        let good = self.draft(2).sign(&self.key);
        let response = self
            .node
            .api
            .publish(&self.alice, &[good, package.to_vec()])
            .await;
        let message = assert_refused(response, 400, "P2CORE_INVALID_KEY_PACKAGE").await;
        assert!(message.contains("KeyPackage 1 "), "{message}");
        assert!(message.contains(check), "{message} instead of: {check}");
        let stock = self.node.api.stock(&self.alice).await;
        assert_eq!(stock, json!({ "available": {}, "last_resort": [] }));
    }
}

/// The same point (SEC 1 §2.3.3).
fn compressed(point: &[u8]) -> Vec<u8> {
    [&[2 + (point[64] & 1)], &point[1..33]].concat()
}

/// RFC 9420 §13.5: whoever does not know such a value treats it as any other.
#[actix_web::test]
async fn a_grease_extension_is_taken_where_it_is_listed() {
    const GREASE: u16 = 0x0a0a;
    let scene = Scene::start(ClientKey::p256()).await;
    let mut package = scene.draft(2);
    package.leaf_extensions.push((GREASE, vec![1, 2]));
    scene
        .refused(&package.sign(&scene.key), "list an extension")
        .await;
    package.extension_types.push(GREASE);
    scene.taken(&package).await;
}

/// RFC 9420 §7.2.
#[actix_web::test]
async fn an_extension_of_the_protocol_itself_is_taken_unlisted() {
    const APPLICATION_ID: u16 = 1;
    let scene = Scene::start(ClientKey::p256()).await;
    let mut package = scene.draft(2);
    package.leaf_extensions.push((APPLICATION_ID, opaque(b"x")));
    scene.taken(&package).await;
}

#[actix_web::test]
async fn a_lifetime_of_400_days_is_taken() {
    let scene = Scene::start(ClientKey::p256()).await;
    let mut package = scene.draft(2);
    package.lifetime.1 = package.lifetime.0 + 400 * DAY;
    scene.taken(&package).await;
}

/// openmls asks the system.
#[actix_web::test]
async fn a_lifetime_is_judged_by_the_clock_of_the_node() {
    let (node, _) = TestNode::start_at(system_now() + 2 * DAY).await;
    let scene = Scene::on(node, ClientKey::p256()).await;
    let mut package = scene.draft(2);
    package.lifetime.1 = system_now() + DAY;
    let package = package.sign(&scene.key);
    scene.refused(&package, "lifetime does not cover").await;
}

/// Everybody who claims would get it, and it would be kept for ever.
#[actix_web::test]
async fn a_package_is_no_longer_than_it_need_be() {
    const PRIVATE: u16 = 0xf123;
    let scene = Scene::start(ClientKey::p256()).await;
    let with = |padding: usize| {
        let mut package = scene.draft(2);
        package.extension_types.push(PRIVATE);
        package.leaf_extensions.push((PRIVATE, vec![7; padding]));
        package.sign(&scene.key)
    };
    let padding = 6 * 1024 - with(4096).len() + 4096 - 8;
    let (longest, longer) = (with(padding), with(padding + 24));
    assert!(longest.len() <= 6 * 1024 && longer.len() > 6 * 1024);
    scene.refused(&longer, "more than 6144 bytes").await;
    let taken = scene.node.api.publish(&scene.alice, &[longest]).await;
    assert_eq!(taken.status(), 201);
}

#[actix_web::test]
async fn a_package_that_breaks_one_rule_is_refused() {
    let scene = Scene::start(ClientKey::p256()).await;
    let now = system_now();
    let other = scene.node.api.trust("alice", "tablet", &scene.key).await;
    let server = scene.node.api.server_cert(None).await;
    let alone = PrivateKey::generate(KeyAlgorithm::P256, &mut OsRng);
    let domain = antiphon_protocol::Domain::parse("a.example").unwrap();
    let impostor = server_cert(&alone, &domain, now - DAY, now + 900 * DAY);
    let cert = scene.alice.id_cert.clone();
    let chain = |certs: &[&[u8]]| {
        certs
            .iter()
            .flat_map(|cert| opaque(cert))
            .collect::<Vec<_>>()
    };
    let off_curve = [&[4][..], &[7; 64]].concat();
    let breaks: Vec<(&str, Break)> = vec![
        ("protocol version", Box::new(|it| it.version = 2)),
        ("cipher suite is not", Box::new(|it| it.suite = 7)),
        ("source", Box::new(|it| it.source = 2)),
        ("source", Box::new(|it| it.source = 3)),
        (
            "lifetime does not cover",
            Box::new(move |it| it.lifetime = (now - DAY, now - 1)),
        ),
        (
            "lifetime does not cover",
            Box::new(move |it| it.lifetime = (now + DAY, now + 2 * DAY)),
        ),
        (
            "400 days",
            Box::new(move |it| it.lifetime = (now - DAY, now - DAY + 400 * DAY + 1)),
        ),
        ("400 days", Box::new(move |it| it.lifetime = (0, u64::MAX))),
        (
            "list an extension",
            Box::new(|it| it.leaf_extensions.push((0xff01, vec![]))),
        ),
        (
            "list an extension",
            Box::new(|it| it.extensions.push((0xff01, vec![]))),
        ),
        (
            "list the protocol version",
            Box::new(|it| it.versions = vec![]),
        ),
        (
            "list the cipher suite",
            Box::new(|it| it.suites = vec![1, 3]),
        ),
        (
            "list credentials of type x509",
            Box::new(|it| it.credential_types = vec![1]),
        ),
        (
            "carries the last_resort",
            Box::new(|it| {
                it.extension_types.push(LAST_RESORT);
                it.extensions.push((LAST_RESORT, vec![]));
            }),
        ),
        ("init_key is not", Box::new(|it| it.init_key = vec![])),
        ("init_key is not", Box::new(|it| it.init_key = kem_key(1))),
        (
            "init_key is not",
            Box::new({
                let off_curve = off_curve.clone();
                move |it| it.init_key = off_curve.clone()
            }),
        ),
        (
            "init_key is not",
            Box::new(|it| it.init_key = compressed(&it.init_key)),
        ),
        (
            "encryption key is not",
            Box::new(move |it| it.encryption_key = off_curve.clone()),
        ),
        (
            "encryption key is not",
            Box::new(|it| it.encryption_key = compressed(&it.encryption_key)),
        ),
        (
            "encryption key is not",
            Box::new(|it| {
                it.encryption_key.pop();
            }),
        ),
        (
            "encryption key",
            Box::new(|it| it.encryption_key = it.init_key.clone()),
        ),
        ("not of type x509", Box::new(|it| it.credential_type = 1)),
        ("certificate chain", Box::new(|it| it.credential = vec![])),
        (
            "certificate chain",
            Box::new(|it| it.credential.truncate(100)),
        ),
        (
            "certificate chain",
            Box::new({
                let all = chain(&[&cert, &server, &server]);
                move |it| it.credential = all.clone()
            }),
        ),
        (
            "first certificate",
            Box::new({
                let all = chain(&[&other.id_cert]);
                move |it| it.credential = all.clone()
            }),
        ),
        (
            "first certificate",
            Box::new({
                let all = chain(&[&server, &cert]);
                move |it| it.credential = all.clone()
            }),
        ),
        (
            "second certificate",
            Box::new({
                let all = chain(&[&cert, &cert]);
                move |it| it.credential = all.clone()
            }),
        ),
        (
            "second certificate",
            Box::new({
                let all = chain(&[&cert, impostor.as_der()]);
                move |it| it.credential = all.clone()
            }),
        ),
    ];
    for (check, change) in breaks {
        let mut draft = scene.draft(2);
        change(&mut draft);
        scene.refused(&draft.sign(&scene.key), check).await;
    }

    let stranger = ClientKey::p256();
    let mut of_stranger = scene.draft(2);
    of_stranger.signature_key = stranger.public_key_bytes();
    scene
        .refused(&of_stranger.sign(&stranger), "signature key of the leaf")
        .await;
    let good = scene.draft(2);
    let wrong_leaf = good.sign_with(&stranger, &scene.key);
    scene.refused(&wrong_leaf, "leaf node signature").await;
    let wrong_package = good.sign_with(&scene.key, &stranger);
    scene.refused(&wrong_package, "key package signature").await;
    let good = good.sign(&scene.key);
    scene
        .refused(&[&good[..], &[0]].concat(), "not a KeyPackage")
        .await;
    scene
        .refused(&good[..good.len() - 1], "not a KeyPackage")
        .await;
    scene
        .refused(&[&[0, 1, 0, 4], &good[..]].concat(), "not a KeyPackage")
        .await;
    scene.refused(b"", "not a KeyPackage").await;

    let with_server = Draft {
        credential: chain(&[&cert, &server]),
        ..scene.draft(2)
    };
    let wrapped = [&[0, 1, 0, 5], &good[..]].concat();
    let published = [wrapped, with_server.sign(&scene.key)];
    let response = scene.node.api.publish(&scene.alice, &published).await;
    assert_eq!(response.status(), 201);
    let stock = scene.node.api.stock(&scene.alice).await;
    assert_eq!(stock["available"], json!({ "2": 2 }));
    // Stored and served bare.
    let tail = "alice@a.example";
    assert_eq!(scene.node.api.claim(&other, tail).await[0], good);
}

#[actix_web::test]
async fn points_of_small_order_are_no_keys() {
    let scene = Scene::start(ClientKey::ed25519()).await;
    let mut one = [0; 32];
    one[0] = 1;
    for suite in [1, 3] {
        for bad in [[0; 32], one] {
            for of_leaf in [false, true] {
                let mut draft = scene.draft(suite);
                if of_leaf {
                    draft.encryption_key = bad.to_vec();
                } else {
                    draft.init_key = bad.to_vec();
                }
                let package = draft.sign(&scene.key);
                let response = scene.node.api.publish(&scene.alice, &[package]).await;
                assert_refused(response, 400, "P2CORE_INVALID_KEY_PACKAGE").await;
            }
        }
        let package = scene.draft(suite).sign(&scene.key);
        let response = scene.node.api.publish(&scene.alice, &[package]).await;
        assert_eq!(response.status(), 201);
    }
}

#[actix_web::test]
async fn a_last_resort_must_say_that_it_is_one() {
    let scene = Scene::start(ClientKey::p256()).await;
    let api = &scene.node.api;
    let one_time = scene.draft(2).sign(&scene.key);
    let response = api.put_last_resort(&scene.alice, &one_time).await;
    let message = assert_refused(response, 400, "P2CORE_INVALID_KEY_PACKAGE").await;
    assert!(message.contains("does not carry"), "{message}");
    let last_resort = scene.draft(2).last_resort().sign(&scene.key);
    for _ in 0..2 {
        let response = api.put_last_resort(&scene.alice, &last_resort).await;
        assert_eq!(response.status(), 204);
    }
    let next = scene.draft(2).last_resort().sign(&scene.key);
    assert_eq!(api.put_last_resort(&scene.alice, &next).await.status(), 204);
    let again = api.put_last_resort(&scene.alice, &last_resort).await;
    assert_refused(again, 409, "P2CORE_KEY_PACKAGE_REUSED").await;
    let stock = api.stock(&scene.alice).await;
    assert_eq!(
        stock,
        json!({ "available": { "2": 0 }, "last_resort": ["2"] })
    );
}
