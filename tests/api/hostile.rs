//! A node whose users' home server lies, fails, stalls, or is somebody else.

mod clock;
mod policy;

use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_actors::clock::{Clock as _, ManualClock};
use antiphon_protocol::inspect::inspect;
use antiphon_protocol::{Domain, KeyAlgorithm, PrivateKey, Timestamp, base64};
use futures_util::future::{join, join_all};
use rand_core::OsRng;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::home::{Home, Mood, server_cert, stuffed};
use crate::support::node::TestNode;
use crate::support::{ClientKey, assert_refused};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const MALLORY: &str = "mallory@h.example";

/// The node, and the home server of the others.
struct Scene {
    node: TestNode,
    home: Home,
    clock: ManualClock,
    key: ClientKey,
}

impl Scene {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let clock = ManualClock::at(Timestamp::from_secs(NOW));
        let home = Home::start("h.example", NOW);
        let hosts = home.hosts();
        let settings: Vec<_> = [("federation.hosts", hosts.as_str())]
            .into_iter()
            .chain(settings.iter().copied())
            .collect();
        let node = TestNode::with(&settings, Arc::new(clock.clone())).await;
        Self {
            node,
            home,
            clock,
            key: ClientKey::p256(),
        }
    }

    fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// A certificate that is genuine and in force from this second on.
    fn certify(&self, session: &str) -> Vec<u8> {
        let (from, until) = (self.now(), self.now() + DAY);
        self.home
            .certify("mallory", session, &self.key, from, until)
    }

    async fn refused(&self, cert: &[u8], status: u16, error: &str) {
        let response = self.node.api.try_identify(cert, &self.key).await;
        assert_refused(response, status, error).await;
        let path = format!("/key/user/{MALLORY}");
        let unknown = self.node.api.get(&path).await;
        assert_refused(unknown, 404, "P2CORE_USER_NOT_FOUND").await;
    }

    async fn taken(&self, cert: &[u8]) {
        self.node.api.identify(MALLORY, cert, &self.key).await;
    }
}

const INVALID: (u16, &str) = (400, "P2CORE_INVALID_ID_CERT");
const UNREACHABLE: (u16, &str) = (502, "P2CORE_HOME_SERVER_UNREACHABLE");
const NOT_FEDERATED: (u16, &str) = (404, "P2CORE_NOT_FEDERATED");

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::P256, &mut OsRng)
}

#[actix_web::test]
async fn no_wrong_answer_lets_anybody_in() {
    let scene = Scene::start().await;
    let domain = scene.home.domain.clone();
    let other_domain = Domain::parse("a.example").unwrap();
    let shown = |key: &PrivateKey, domain: &Domain, from, until| {
        Mood::Shows(server_cert(key, domain, from, until).as_der().to_vec())
    };
    let honest = base64::encode(scene.home.cert.as_der());
    let refusal = |error: &str| json!({ "errcode": 404, "error": error, "message": "." });
    let accomplice = Home::start("h.example", NOW);
    let (from, until) = (NOW - DAY, NOW + 9 * DAY);
    let says = |status, body: &str| Mood::Says(status, body.to_owned());
    let cases = [
        (shown(&scene.home.key, &other_domain, from, until), INVALID),
        (shown(&key(), &domain, from, until), INVALID),
        (shown(&scene.home.key, &domain, from, NOW - 1), INVALID),
        (shown(&scene.home.key, &domain, NOW + DAY, until), INVALID),
        (Mood::Shows(b"not DER".to_vec()), UNREACHABLE),
        (
            Mood::Shows(stuffed(&scene.home.key, scene.home.cert.as_der())),
            UNREACHABLE,
        ),
        (Mood::Shows(scene.certify("itself")), UNREACHABLE),
        (Mood::Huge, UNREACHABLE),
        (Mood::Redirects(accomplice.base.clone()), UNREACHABLE),
        (says(200, ""), UNREACHABLE),
        (says(200, "{}"), UNREACHABLE),
        (says(200, "[]"), UNREACHABLE),
        (says(201, &format!("\"{honest}\"")), UNREACHABLE),
        (says(200, &format!("\"{honest}")), UNREACHABLE),
        (says(404, ""), UNREACHABLE),
        (
            says(404, &refusal("P2CORE_NOT_FOUND").to_string()),
            UNREACHABLE,
        ),
        (
            says(404, &refusal("P2CORE_NO_CERT_AT_TIME").to_string()),
            INVALID,
        ),
        (says(500, &format!("\"{honest}\"")), UNREACHABLE),
    ];
    for (mood, (status, error)) in cases {
        scene.clock.advance(10);
        let cert = scene.certify("phone");
        scene.home.is(mood.clone());
        println!("{mood:?}");
        scene.refused(&cert, status, error).await;
    }
    assert!(accomplice.asked().is_empty(), "a redirect was followed");
    scene.home.is(Mood::Honest);
    scene.clock.advance(10);
    scene.taken(&scene.certify("phone")).await;
}

#[actix_web::test]
async fn no_wrong_certificate_lets_anybody_in() {
    let scene = Scene::start().await;
    let home = &scene.home;
    let (from, until) = (NOW - DAY, NOW + DAY);
    let forge = |issuer: &PrivateKey, from, until| {
        home.forge(issuer, "mallory", "phone", &scene.key, from, until)
    };
    let stuffed = stuffed(&home.key, &scene.certify("phone"));
    home.list(stuffed.clone());
    let cases = [
        ("by somebody else", forge(&key(), from, until)),
        ("expired", forge(&home.key, from, NOW - 1)),
        ("not yet valid", forge(&home.key, NOW + 1, until)),
        ("never listed", forge(&home.key, from, until)),
        (
            "longer than its issuer",
            forge(&home.key, from, NOW + 1000 * DAY),
        ),
        ("a server's own", home.cert.as_der().to_vec()),
        ("stuffed", stuffed.clone()),
        ("longer than 4 KiB", vec![0x30; 4097]),
        (
            "with a large set",
            [[0x31, 66].as_slice(), &[5, 0].repeat(33)].concat(),
        ),
    ];
    for (what, cert) in cases {
        println!("{what}");
        scene.refused(&cert, INVALID.0, INVALID.1).await;
    }
    // Nor is it called sound by hand.
    let found = inspect(&stuffed).unwrap().findings;
    assert_eq!(found, ["it has bytes that X.509 has no place for"]);

    let revoked = scene.certify("phone");
    home.revoke_all();
    scene.refused(&revoked, INVALID.0, INVALID.1).await;
}

#[actix_web::test]
async fn a_server_that_stalls_or_drips_is_given_up() {
    let scenes = [Mood::Silent, Mood::Drips].map(|mood| async move {
        let scene = Scene::start().await;
        let cert = scene.certify("phone");
        scene.home.is(mood);
        scene.refused(&cert, UNREACHABLE.0, UNREACHABLE.1).await;
    });
    let began = Instant::now();
    join_all(scenes).await;
    // 10 s each, at the same time; without a limit they would never end.
    assert!(began.elapsed() < Duration::from_secs(40));
}

#[actix_web::test]
async fn a_crowd_makes_one_question() {
    let scene = Scene::start().await;
    let cert = scene.certify("phone");
    let crowd = (0..200).map(|_| scene.taken(&cert));
    join_all(crowd).await;
    let asked = scene.home.asked();
    let expected = [
        format!("/p2core/key/server?timestamp={NOW}"),
        format!("/p2core/key/user/{MALLORY}"),
    ];
    assert_eq!(asked, expected);
}

#[actix_web::test]
async fn an_answer_is_kept_for_its_time_and_no_longer() {
    let scene = Scene::with(&[("federation.cache_seconds", "100")]).await;
    let first = scene.certify("phone");
    scene.taken(&first).await;
    assert_eq!(scene.home.asked().len(), 2);
    scene.clock.advance(99);
    scene.taken(&first).await;
    assert!(scene.home.asked().is_empty());
    // What is kept does not know this one: asked again, and found.
    let second = scene
        .home
        .certify("mallory", "tablet", &scene.key, NOW, NOW + DAY);
    scene.taken(&second).await;
    assert_eq!(scene.home.asked(), [format!("/p2core/key/user/{MALLORY}")]);
    // One that the home server does not know either costs one question, not more.
    let unlisted = scene
        .home
        .forge(&scene.home.key, "mallory", "x", &scene.key, NOW, NOW + DAY);
    let response = scene.node.api.try_identify(&unlisted, &scene.key).await;
    assert_refused(response, INVALID.0, INVALID.1).await;
    assert_eq!(scene.home.asked().len(), 1);
    // A bad answer to that question has not spoilt the good one.
    scene.home.is(Mood::Says(500, String::new()));
    let response = scene.node.api.try_identify(&unlisted, &scene.key).await;
    assert_refused(response, UNREACHABLE.0, UNREACHABLE.1).await;
    scene.taken(&second).await;
    // A kept answer ends with its time, and the revocation shows.
    scene.home.is(Mood::Honest);
    scene.home.revoke_all();
    scene.taken(&second).await;
    scene.clock.advance(100);
    let response = scene.node.api.try_identify(&second, &scene.key).await;
    assert_refused(response, INVALID.0, INVALID.1).await;
}

#[actix_web::test]
async fn a_refusal_never_rests_on_what_is_kept() {
    let other_domain = Domain::parse("a.example").unwrap();
    for domain in [None, Some(&other_domain)] {
        let scene = Scene::start().await;
        let cert = scene.certify("phone");
        let domain = domain.unwrap_or(&scene.home.domain);
        let another = server_cert(&key(), domain, NOW - DAY, NOW + 9 * DAY);
        scene.home.is(Mood::Shows(another.as_der().to_vec()));
        scene.refused(&cert, INVALID.0, INVALID.1).await;
        assert_eq!(scene.home.asked().len(), 1);
        scene.refused(&cert, INVALID.0, INVALID.1).await;
        assert_eq!(scene.home.asked().len(), 1);
        scene.home.is(Mood::Honest);
        scene.taken(&cert).await;
    }
}

#[actix_web::test]
async fn a_refusal_never_rests_on_an_answer_to_somebody_before() {
    let scene = Scene::start().await;
    let (first, told) = (scene.certify("phone"), Arc::new(Notify::new()));
    scene.home.is(Mood::Late(Arc::clone(&told)));
    let meanwhile = async {
        let is_about_user = |asked: &String| asked.contains("/key/user/");
        while !scene.home.asked().iter().any(is_about_user) {
            scene.node.api.get("/readyz").await;
        }
        // Issued when the home server has looked, asked about before it answers.
        scene.clock.advance(1);
        let second = scene.certify("tablet");
        let answered = async {
            let of_second = format!("/p2core/key/server?timestamp={}", scene.now());
            while !scene.home.asked().contains(&of_second) {
                scene.node.api.get("/readyz").await;
            }
            // All that is left to do for it is to verify a signature.
            for _ in 0..50 {
                scene.node.api.get("/readyz").await;
            }
            scene.home.is(Mood::Honest);
            told.notify_waiters();
        };
        join(scene.taken(&second), answered).await;
    };
    join(scene.taken(&first), meanwhile).await;
}

#[actix_web::test]
async fn a_failure_is_repeated_briefly_and_then_asked_again() {
    let scene = Scene::start().await;
    let cert = scene.certify("phone");
    scene.home.is(Mood::Says(503, String::new()));
    scene.refused(&cert, UNREACHABLE.0, UNREACHABLE.1).await;
    scene.home.is(Mood::Honest);
    scene.refused(&cert, UNREACHABLE.0, UNREACHABLE.1).await;
    assert_eq!(scene.home.asked().len(), 1);
    scene.clock.advance(3);
    scene.taken(&cert).await;
}

#[actix_web::test]
async fn a_server_that_goes_down_half_way_lets_nobody_in() {
    let scene = Scene::start().await;
    let cert = scene.certify("phone");
    let abroad = scene.node.api.identify(MALLORY, &cert, &scene.key).await;
    scene.clock.advance(10);
    let next = scene.certify("phone");
    scene.home.stop().await;
    let presented = scene.node.api.present(&abroad, &next).await;
    assert_refused(presented, UNREACHABLE.0, UNREACHABLE.1).await;
    let found = scene.node.api.user_certs(MALLORY, None).await;
    assert_eq!(found, [cert]);
    let response = scene.node.api.try_identify(&next, &scene.key).await;
    assert_refused(response, UNREACHABLE.0, UNREACHABLE.1).await;
}

#[actix_web::test]
async fn forged_and_expired_certificates_are_not_presented_either() {
    let scene = Scene::start().await;
    let cert = scene.certify("phone");
    let abroad = scene.node.api.identify(MALLORY, &cert, &scene.key).await;
    scene.clock.advance(10);
    let until = scene.now() + DAY;
    let forge = |issuer: &PrivateKey, from, until| {
        scene
            .home
            .forge(issuer, "mallory", "phone", &scene.key, from, until)
    };
    let wrong = [
        stuffed(&scene.home.key, &forge(&scene.home.key, scene.now(), until)),
        forge(&key(), scene.now(), until),
        forge(&scene.home.key, scene.now() + 1, until),
        forge(&scene.home.key, NOW - 2, NOW - 1),
        forge(&scene.home.key, NOW - 1, until),
    ];
    for cert in wrong {
        let response = scene.node.api.present(&abroad, &cert).await;
        assert_refused(response, INVALID.0, INVALID.1).await;
    }
    assert_eq!(scene.node.api.user_certs(MALLORY, None).await, [cert]);
}

#[actix_web::test]
async fn the_twin_of_a_certificate_is_the_same_certificate() {
    let scene = Scene::start().await;
    let cert = scene.certify("phone");
    let twin = twin_of(&cert);
    assert_ne!(twin, cert);
    let abroad = scene.node.api.identify(MALLORY, &twin, &scene.key).await;
    scene.clock.advance(10);
    let presented = scene.node.api.present(&abroad, &cert).await;
    assert_eq!(presented.status(), 201);
    let found = scene.node.api.user_certs(MALLORY, None).await;
    assert_eq!(found, [twin], "it was logged a second time");
}

/// The certificate with the other ECDSA signature that verifies: (r, −s).
fn twin_of(cert: &[u8]) -> Vec<u8> {
    use der::{Decode as _, Encode as _};
    let mut cert = x509_cert::Certificate::from_der(cert).unwrap();
    let bytes = cert.signature.as_bytes().unwrap();
    let signature = p256::ecdsa::Signature::from_der(bytes).unwrap();
    let twin = p256::ecdsa::Signature::from_scalars(signature.r(), -*signature.s()).unwrap();
    cert.signature = der::asn1::BitString::from_bytes(twin.to_der().as_bytes()).unwrap();
    cert.to_der().unwrap()
}
