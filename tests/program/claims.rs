//! Killed at any instant, a node never gives a one-time KeyPackage out again.

use std::collections::HashSet;
use std::time::Duration;

use rand_core::{OsRng, RngCore as _};

use super::program::Place;
use crate::support::key_package::draft;
use crate::support::{Api, ClientKey, Session, decode};

const PACKAGES: usize = 3000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_package_is_given_out_twice_however_often_the_node_is_killed() {
    let place = Place::new();
    let limits = "[key_packages]\nper_client = 10000\nclaims_per_minute = 0\n";
    std::fs::write(place.path("config.toml"), limits).unwrap();
    let program = place.start();
    let api = &program.api;
    api.register("alice").await;
    api.register("bob").await;
    let key = ClientKey::ed25519();
    let alice = api.trust("alice", "phone", &key).await;
    let bob = api.trust("bob", "laptop", &ClientKey::ed25519()).await;
    for _ in 0..PACKAGES / 100 {
        let batch: Vec<_> = (0..100)
            .map(|_| draft(1, &alice.id_cert, &key).sign(&key))
            .collect();
        assert_eq!(api.publish(&alice, &batch).await.status(), 201);
    }
    program.kill();

    let mut given = Vec::new();
    let mut kills = 0;
    let is_empty =
        |api: Api, alice: Session| async move { api.stock(&alice).await["available"]["1"] == 0 };
    loop {
        let program = place.start();
        if is_empty(program.api.clone(), alice.clone()).await {
            break;
        }
        let claimers: Vec<_> = (0..16)
            .map(|_| tokio::spawn(claim_until_dead(program.api.clone(), bob.clone())))
            .collect();
        // A kill at any instant, not at one that the node chooses.
        tokio::time::sleep(Duration::from_millis(OsRng.next_u64() % 128)).await;
        program.kill();
        kills += 1;
        for claimer in claimers {
            given.extend(claimer.await.unwrap());
        }
    }
    let distinct: HashSet<_> = given.iter().collect();
    println!("{kills} kills, {} of {PACKAGES} arrived", given.len());
    assert_eq!(distinct.len(), given.len(), "one was given out twice");
    // What is missing was on its way when the node was killed: at most one for each claimer.
    assert!(given.len() + 16 * kills >= PACKAGES);
}

async fn claim_until_dead(api: Api, bob: Session) -> Vec<Vec<u8>> {
    let mut given = Vec::new();
    loop {
        let request = api.request(reqwest::Method::GET, "/keypackage/alice@a.example");
        let Ok(response) = request.bearer_auth(&bob.token).send().await else {
            return given;
        };
        let Ok(packages) = response.json::<Vec<serde_json::Value>>().await else {
            return given;
        };
        if packages.is_empty() {
            return given;
        }
        given.extend(packages.iter().map(decode));
    }
}
