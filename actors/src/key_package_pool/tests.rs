//! What is forgotten.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Arbiter};
use antiphon_protocol::{Snowflake, Timestamp};
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::cert_registry::CertRegistry;
use crate::clock::ManualClock;
use crate::storage::Space;

#[actix::test]
async fn all_claims_that_are_not_repeated_any_more_are_forgotten() {
    let directory = TempDir::new().unwrap();
    let storage = Storage::open(directory.path(), 8).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(1_800_000_000));
    let shared: SharedClock = Arc::new(clock.clone());
    let certs = CertRegistry::open(storage.clone(), Arc::clone(&shared));
    let settings = Settings {
        per_client: 100,
        claims_per_minute: 0,
    };
    let reader = certs.unwrap().reader();
    let pool = KeyPackagePool::new(settings, shared, storage.clone(), reader);
    let arbiter = Arbiter::new();
    let pool = KeyPackagePool::start_in_arbiter(&arbiter.handle(), move |_| pool);
    let claims = (0..1000).map(|number| {
        pool.send(Claim {
            asker: SessionRef::from_numbers(1, 2),
            user: Snowflake::from_u64(3),
            cipher_suite: None,
            idempotency_key: Some(format!("{number}")),
        })
    });
    for claimed in join_all(claims).await {
        assert_eq!(claimed.unwrap(), Ok(Vec::new()));
    }
    let remembered = || storage.scan_bytes(Space::Claims, &[]).count();
    assert_eq!(remembered(), 1000);
    clock.advance(601);
    let forgotten = async {
        while remembered() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), forgotten).await.unwrap();
    arbiter.stop();
    arbiter.join().unwrap();
}
