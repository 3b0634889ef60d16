//! Killed at any instant, a node never gives a one-time KeyPackage out again.

use std::collections::HashSet;

use rand_core::{OsRng, RngCore as _};
use tokio::sync::mpsc;

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
        let (tell, mut answers) = mpsc::unbounded_channel();
        let claimers: Vec<_> = (0..16)
            .map(|_| claim_until_dead(program.api.clone(), bob.clone(), tell.clone()))
            .map(tokio::spawn)
            .collect();
        drop(tell);
        // After any of the first answers, while others are on their way.
        for _ in 0..OsRng.next_u64() % 256 {
            let Some(packages) = answers.recv().await else {
                break;
            };
            given.extend(packages);
        }
        program.kill();
        kills += 1;
        while let Some(packages) = answers.recv().await {
            given.extend(packages);
        }
        for claimer in claimers {
            claimer.await.unwrap();
        }
    }
    let distinct: HashSet<_> = given.iter().collect();
    println!("{kills} kills, {} of {PACKAGES} arrived", given.len());
    assert_eq!(distinct.len(), given.len(), "one was given out twice");
    // What is missing was on its way when the node was killed: at most one for each claimer.
    assert!(given.len() + 16 * kills >= PACKAGES);
}

/// Claims until the node is gone, or has none left, and tells of each answer.
async fn claim_until_dead(api: Api, bob: Session, tell: mpsc::UnboundedSender<Vec<Vec<u8>>>) {
    loop {
        let request = api.request(reqwest::Method::GET, "/keypackage/alice@a.example");
        let Ok(response) = request.bearer_auth(&bob.token).send().await else {
            return;
        };
        let Ok(packages) = response.json::<Vec<serde_json::Value>>().await else {
            return;
        };
        if packages.is_empty() {
            return;
        }
        tell.send(packages.iter().map(decode).collect()).unwrap();
    }
}
