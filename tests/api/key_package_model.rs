//! The pool against a plain list, through random histories.

use std::sync::Arc;

use antiphon_actors::clock::{Clock as _, ManualClock};
use antiphon_protocol::Timestamp;
use reqwest::StatusCode;

use crate::support::ClientKey;
use crate::support::key_package::{DAY, draft, system_now};
use crate::support::node::TestNode;
use crate::support::random::Random;

/// What a pool is, said plainly.
#[derive(Default)]
struct Model {
    /// Suite, last second, bytes; oldest first.
    one_time: Vec<(u16, u64, Vec<u8>)>,
    last_resort: Option<(u16, u64, Vec<u8>)>,
    gone: Vec<Vec<u8>>,
}

impl Model {
    fn empty(&mut self) {
        let gone = self.one_time.drain(..).map(|(_, _, bytes)| bytes);
        self.gone.extend(gone);
        self.last_resort = None;
    }

    fn claim(&mut self, suite: Option<u16>, now: u64) -> Vec<Vec<u8>> {
        let fits = |(of, until, _): &(u16, u64, Vec<u8>)| {
            suite.is_none_or(|suite| suite == *of) && now <= *until
        };
        if let Some(at) = self.one_time.iter().position(fits) {
            let (_, _, bytes) = self.one_time.remove(at);
            self.gone.push(bytes.clone());
            return vec![bytes];
        }
        let last_resort = self.last_resort.iter().filter(|it| fits(it));
        last_resort.map(|(_, _, bytes)| bytes.clone()).collect()
    }
}

#[actix_web::test]
async fn a_pool_is_what_a_plain_list_says() {
    let mut random = Random::from_environment("MODEL_SEED");
    let mut below = |bound| random.below(bound);
    // A day ahead, so that what ends a second from now is taken by openmls, too, which asks the system.
    let clock = ManualClock::at(Timestamp::from_secs(system_now() + DAY));
    let settings = [
        ("key_packages.claims_per_minute", "0"),
        ("key_packages.per_client", "5"),
        ("key_packages.low_watermark", "1"),
    ];
    let mut node = TestNode::with(&settings, Arc::new(clock.clone())).await;
    node.api.register("alice").await;
    node.api.register("bob").await;
    let key = ClientKey::ed25519();
    let mut phone = node.api.trust("alice", "phone", &key).await;
    let bob = node.api.trust("bob", "laptop", &ClientKey::p256()).await;
    let mut model = Model::default();
    for _ in 0..300 {
        let now = clock.now().as_secs();
        let suite = [1, 3][usize::try_from(below(2)).unwrap()];
        let mut fresh = draft(suite, &phone.id_cert, &key);
        fresh.lifetime = (now - 2 * DAY, now + 1 + below(3000));
        let until = fresh.lifetime.1;
        match below(20) {
            0..=6 => {
                let bytes = fresh.sign(&key);
                let response = node.api.publish(&phone, &[bytes.clone()]).await;
                let taking_room = model.one_time.iter().filter(|(_, until, _)| now <= *until);
                if taking_room.count() < 5 {
                    assert_eq!(response.status(), StatusCode::CREATED);
                    model.one_time.push((suite, until, bytes));
                } else {
                    assert_eq!(response.status(), StatusCode::CONFLICT);
                }
            }
            7..=13 => {
                let wanted = (below(2) == 0).then_some(suite);
                let query = wanted.map(|suite| format!("?cipher_suite={suite}"));
                let tail = format!("alice@a.example{}", query.unwrap_or_default());
                let claimed = node.api.claim(&bob, &tail).await;
                assert_eq!(claimed, model.claim(wanted, now));
            }
            14 => {
                // One suite at a time, so that "the last resort" is one package.
                if model
                    .last_resort
                    .as_ref()
                    .is_none_or(|(of, ..)| *of == suite)
                {
                    let bytes = fresh.last_resort().sign(&key);
                    let response = node.api.put_last_resort(&phone, &bytes).await;
                    assert_eq!(response.status(), StatusCode::NO_CONTENT);
                    model.last_resort = Some((suite, until, bytes));
                }
            }
            15 | 16 => clock.advance(1 + below(600)),
            17 => {
                let Some(bytes) = model.gone.last().cloned() else {
                    continue;
                };
                let response = node.api.publish(&phone, &[bytes]).await;
                assert!(response.status().is_client_error());
            }
            18 if below(2) == 0 => {
                phone.id_cert = node.api.renew(&phone, "phone", &key).await;
                model.empty();
            }
            18 => {
                node.api.end(&phone).await;
                phone = node.api.trust("alice", "phone", &key).await;
                model.empty();
            }
            _ => node = node.restart().await,
        }
        let now = clock.now().as_secs();
        let stock = node.api.stock(&phone).await;
        for suite in [1, 3] {
            let valid = model.one_time.iter();
            let valid = valid
                .filter(|(of, until, _)| *of == suite && now <= *until)
                .count();
            let available = &stock["available"][suite.to_string()];
            assert_eq!(available.as_u64().unwrap_or(0), valid as u64);
        }
    }
}
