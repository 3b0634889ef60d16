//! When the disk refuses a write or an fsync, the node takes no more writes, says so, and goes on
//! answering; after a restart nothing that it acknowledged is lost.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use super::disk::interposer;
use super::ledger::Ledger;
use super::program::{Place, Program};
use super::workload::{self, People};
use crate::support::{PASSWORD, assert_refused};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Faults at these changes of files, counted from the start of the program: during the start, and
/// under load.
const PLACES: [u32; 20] = [
    1, 2, 3, 4, 5, 7, 9, 11, 13, 15, 20, 40, 70, 110, 160, 220, 300, 400, 600, 900,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_costs_nothing_that_was_acknowledged() {
    let mut outcomes = Vec::new();
    for (errno, count) in [(EIO, 1), (ENOSPC, u32::MAX)] {
        let place = workload::place();
        let ledger = Ledger::new();
        let program = place.start();
        let people = ledger.people(&place, &program.api).await;
        program.kill();
        for (round, at) in (0..).zip(PLACES) {
            let fault = format!("{at}:{errno}:{count}");
            let outcome = match start(&place, &fault) {
                Err(log) => {
                    let says_why = |line: &str| line.starts_with("antiphon: ");
                    assert!(log.lines().any(says_why), "{log}");
                    "did not start"
                }
                Ok(program) => {
                    fail_under_load(&place, program, &ledger, &people, round, &fault).await
                }
            };
            outcomes.push(outcome);
            let program = place.start();
            let acknowledged = ledger.now();
            let data = place.data();
            let checked = acknowledged.check(&program.api, &data, 10).await;
            checked.unwrap_or_else(|what| panic!("after {fault} ({outcome}): {what}"));
            let checked = acknowledged.check_packages(&ledger, &program.api, &people);
            let checked = checked.await;
            checked.unwrap_or_else(|what| panic!("after {fault} ({outcome}): {what}"));
            program.kill();
            place.ok(&["--domain", "a.example", "verify"]);
        }
    }
    println!("{outcomes:?}");
    let times = |outcome| outcomes.iter().filter(|one| **one == outcome).count();
    for outcome in ["did not start", "refused writes"] {
        assert!(times(outcome) > 5, "{outcome}: {outcomes:?}");
    }
    // Where sled was splitting a page in that very instant, it cannot read that page any more.
    assert!(times("refused writes and a read") < 5, "{outcomes:?}");
}

/// Faults at these changes, counted from the start: while an idle node registers somebody, while it
/// stops, and after it has stopped.
const FIRST_OF_STOP: u32 = 24;
const LAST_OF_STOP: u32 = 86;

/// A stop puts into the database what only the journal has, and has sled write down what its log adds
/// up to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_while_a_node_stops_costs_nothing_either() {
    let mut outcomes = Vec::new();
    for (errno, count, first) in [
        (EIO, 1, FIRST_OF_STOP + 1),
        (ENOSPC, u32::MAX, FIRST_OF_STOP),
    ] {
        let place = workload::place();
        place.start().kill();
        let mut users = Vec::new();
        for at in (first..LAST_OF_STOP).step_by(2) {
            let fault = format!("{at}:{errno}:{count}");
            outcomes.push(match start(&place, &fault) {
                Err(log) => {
                    assert!(!log.contains("backup"), "{fault}: {log}");
                    "did not start"
                }
                Ok(program) => {
                    let user = format!("user{at}");
                    if register(&program, &user).await {
                        users.push(user);
                    }
                    stop(&place, program)
                }
            });
            let program = place.start();
            for user in &users {
                let certs = program.api.user_certs(&program.api.fid(user), None).await;
                assert!(certs.is_empty(), "{fault}");
            }
            assert_eq!(stop(&place, program), "closed well", "after {fault}");
        }
        place.ok(&["--domain", "a.example", "verify"]);
    }
    println!("{outcomes:?}");
    let times = |outcome| outcomes.iter().filter(|one| **one == outcome).count();
    assert!(times("closed badly") > 15, "{outcomes:?}");
    assert!(times("closed well") > 2, "{outcomes:?}");
}

/// Whether that was acknowledged.
async fn register(program: &Program, user: &str) -> bool {
    let body = json!({ "username": user, "password": PASSWORD });
    program.api.post("/identity", &body).await.status() == 201
}

/// Stops a node; returns what it says of how that went.
fn stop(place: &Place, mut program: Program) -> &'static str {
    program.send("-TERM");
    let code = program.wait();
    let log = place.log();
    assert_eq!(code, Some(0), "{log}");
    let is_ours = |line: &str| line.contains("panicked") && !line.contains("/sled-");
    assert!(!log.lines().any(is_ours), "{log}");
    // A disk that refuses something has lost nothing yet.
    assert!(!log.contains("backup"), "{log}");
    if log.contains("did not close well") || log.contains("was not closed well") {
        "closed badly"
    } else if log.contains("the disk failed") {
        "refused a write"
    } else {
        "closed well"
    }
}

fn start(place: &Place, fault: &str) -> Result<Program, String> {
    place.try_start_with(&[
        ("LD_PRELOAD", interposer()),
        ("DISK_ROOT", &place.data()),
        ("DISK_FAULT", Path::new(fault)),
        ("ANTIPHON_DATA_DIR", &place.data()),
    ])
}

async fn fail_under_load(
    place: &Place,
    mut program: Program,
    ledger: &Ledger,
    people: &People,
    round: u64,
    fault: &str,
) -> &'static str {
    let api = program.api.clone();
    let mut tasks = pin!(join_all(ledger.work(&api, people, round)));
    let mut looks = 0..600;
    let has_refused_a_rotation = loop {
        if timeout(Duration::from_millis(100), &mut tasks)
            .await
            .is_ok()
        {
            break false;
        }
        let log = place.log();
        let look = looks.next();
        if log.contains("keys/") {
            // A rotation could not write its key: only that was refused.
            break true;
        }
        assert!(look.is_some(), "{fault}: {log}");
    };
    if has_refused_a_rotation {
        program.kill();
        return "refused a rotation";
    }
    let ready = reqwest::get(format!("{}/readyz", api.base)).await.unwrap();
    assert_refused(ready, 503, "P2CORE_STORAGE_FAILED").await;
    let body = json!({ "username": format!("late{round}"), "password": PASSWORD });
    assert_refused(
        api.post("/identity", &body).await,
        503,
        "P2CORE_STORAGE_FAILED",
    )
    .await;
    // It is not known either.
    let late = api.fid(&format!("late{round}"));
    let looked_up = api.get(&format!("/key/user/{late}")).await;
    assert_ne!(looked_up.status(), 200, "{fault}");
    let rotation = api.request(Method::PUT, "/key/server");
    let rotation = rotation.bearer_auth(&people.admin.token).send().await;
    assert_refused(rotation.unwrap(), 503, "P2CORE_STORAGE_FAILED").await;
    let log = place.log();
    let read = api.get("/key/server").await;
    let reads_go_on = read.status() == 200;
    if reads_go_on {
        let seen = ledger.now().check_seen(&api).await;
        seen.unwrap_or_else(|what| panic!("after {fault}: {what}"));
    } else {
        assert_eq!(read.status(), 503, "{fault}: {}", place.log());
    }
    assert!(log.contains("then restart the node"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    program.send("-TERM");
    assert_eq!(program.wait(), Some(0));
    if reads_go_on {
        "refused writes"
    } else {
        "refused writes and a read"
    }
}
