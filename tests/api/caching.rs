//! What caches between a client and the node are told that they may keep.

use std::collections::HashMap;
use std::sync::Arc;

use antiphon_actors::clock::{Clock as _, ManualClock};
use antiphon_protocol::Timestamp;
use reqwest::{Method, Response};
use serde_json::json;

use crate::support::key_package::{draft, system_now};
use crate::support::node::TestNode;
use crate::support::random::Random;
use crate::support::{ClientKey, packages};

const NOW: u64 = 1_800_000_000;

const LOOKUPS: [&str; 2] = ["/key/server", "/key/user/alice@a.example"];

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const NEVER: &str = "no-store";

fn cache_control(response: &Response) -> &str {
    response.headers()["cache-control"].to_str().unwrap()
}

#[actix_web::test]
async fn what_was_in_force_before_the_newest_entry_is_kept_for_ever() {
    let (node, clock) = TestNode::start_at(NOW).await;
    let api = &node.api;
    api.register("alice").await;
    api.trust("alice", "phone", &ClientKey::p256()).await;
    clock.advance(10);
    api.trust("alice", "laptop", &ClientKey::p256()).await;
    clock.advance(10);
    for (second, expected) in [
        (NOW, FOR_EVER),
        (NOW + 9, FOR_EVER),
        // More may be logged in these: nobody can set time before the newest entry, but the clock can
        // be set back to it.
        (NOW + 10, NEVER),
        (NOW + 11, NEVER),
        (NOW + 20, NEVER),
        (NOW + 80, NEVER),
    ] {
        for path in LOOKUPS {
            let path = format!("{path}?timestamp={second}");
            let response = api.get(&path).await;
            assert_eq!(cache_control(&response), expected, "{path}");
        }
    }
    node.stop().await;
}

/// Whatever happens later, also to the clock.
#[actix_web::test]
async fn an_answer_that_may_be_kept_for_ever_never_changes() {
    let mut random = Random::from_environment("CACHING_SEED");
    let (mut node, clock) = TestNode::start_at(NOW).await;
    node.api.register("alice").await;
    node.grant_administrator("alice").await;
    let key = ClientKey::ed25519();
    let desk = node.api.trust("alice", "desk", &key).await;
    let mut kept = HashMap::new();
    for round in 0..120 {
        match random.below(10) {
            0 | 1 => clock.advance(1 + random.below(5)),
            2 => {
                let back = clock.now().as_secs() - random.below(10);
                clock.set(Timestamp::from_secs(back));
            }
            3 | 4 => {
                node.api.renew(&desk, "desk", &key).await;
            }
            5 | 6 => {
                let other = format!("s{round}");
                let other = node.api.trust("alice", &other, &ClientKey::ed25519()).await;
                if random.below(2) == 0 {
                    node.api.end(&other).await;
                }
            }
            7 => {
                // It waits for a second in which the key has signed nothing.
                let time_passes = async {
                    loop {
                        clock.advance(1);
                        node.api.challenge().await;
                    }
                };
                tokio::select! {
                    _ = node.api.rotate_server_key(&desk) => {}
                    () = time_passes => {}
                }
            }
            8 => node = node.restart().await,
            _ => {}
        }
        for path in LOOKUPS {
            let second = clock.now().as_secs() - random.below(12);
            let path = format!("{path}?timestamp={second}");
            let response = node.api.get(&path).await;
            if response.status() == 200 && cache_control(&response) == FOR_EVER {
                kept.insert(path, response.text().await.unwrap());
            }
        }
    }
    assert!(kept.len() > 10, "{}", kept.len());
    for (path, body) in kept {
        let now = node.api.get(&path).await;
        assert_eq!(cache_control(&now), FOR_EVER);
        assert_eq!(now.text().await.unwrap(), body, "{path}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn nothing_else_is_kept() {
    let clock = ManualClock::at(Timestamp::from_secs(system_now()));
    let node = TestNode::with(&[], Arc::new(clock.clone())).await;
    let api = &node.api;
    api.register("alice").await;
    let key = ClientKey::ed25519();
    let begun = api.try_trust("alice", "phone", &key).await;
    assert_eq!(
        (begun.status().as_u16(), cache_control(&begun)),
        (201, NEVER)
    );
    api.register("bob").await;
    let bob = api.trust("bob", "laptop", &ClientKey::p256()).await;
    let phone = api.trust("alice", "laptop", &key).await;
    let package = draft(3, &phone.id_cert, &key).sign(&key);
    let published = api.publish(&phone, &[package.clone()]).await;
    assert_eq!(cache_control(&published), NEVER);
    let claimed = api.try_claim(&bob, "alice@a.example", None).await;
    assert_eq!(cache_control(&claimed), NEVER);
    assert_eq!(packages(claimed).await, [package]);
    for (path, status) in [
        // What is in force now can be revoked.
        ("/key/server", 200),
        ("/key/user/alice@a.example", 200),
        ("/challenge", 200),
        ("/keypackage/@me", 401),
        ("/key/user/nobody@a.example", 404),
        ("/key/user/-", 400),
        ("/key/server?timestamp=1", 404),
        ("/nothing", 404),
        ("/identity", 405),
        ("/../readyz", 200),
    ] {
        let response = api.get(path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(cache_control(&response), NEVER, "{path}");
    }
    // A cache would give this to all who ask about now.
    clock.advance(10);
    api.trust("alice", "desk", &key).await;
    let second = clock.now().as_secs() - 5;
    for path in LOOKUPS {
        let request = api.request(Method::GET, path);
        let request = request.json(&json!({ "timestamp": second }));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(cache_control(&response), NEVER);
    }
    node.stop().await;
}
