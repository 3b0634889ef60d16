//! When the power is cut at any instant, nothing that was acknowledged is lost, and everything that
//! is there holds together.
//!
//! The real program runs once under load, with its disk watched. Then, for many instants, a node is
//! started on what a cut at that instant may have left. `POWER_CUTS` sets how many.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_actors::storage::{DataDir, Storage};
use antiphon_actors::verify;
use antiphon_protocol::Domain;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::disk::{Disk, Journal, interposer};
use super::ledger::Ledger;
use super::program::{Place, Program, start_here};
use super::random::Random;
use super::workload::{self, People};
use crate::support::key_package::draft;
use crate::support::node::DOMAIN;
use crate::support::{Api, ClientKey};

/// A run of the program that was watched.
struct Run {
    place: Place,
    journal: Journal,
    ledger: Ledger,
    people: People,
    /// How many steps there were before there was anybody.
    prepared: usize,
}

/// Starts the program with its disk watched, and so much slower; also the function that tells how much there is of the
/// journal, and the journal itself.
fn start_watched(
    place: &Place,
    microseconds: &str,
) -> (Program, impl Fn() -> u64 + Clone + use<>, PathBuf) {
    let journal = place.path("journal");
    let program = place.start_with(&[
        ("LD_PRELOAD", interposer()),
        ("DISK_ROOT", &place.data()),
        ("DISK_JOURNAL", &journal),
        ("DISK_SLOW", Path::new(microseconds)),
        // Only whole paths are recognised.
        ("ANTIPHON_DATA_DIR", &place.data()),
    ]);
    let size = {
        let journal = journal.clone();
        move || std::fs::metadata(&journal).unwrap().len()
    };
    (program, size, journal)
}

async fn watched_run() -> Run {
    let place = workload::place();
    let (program, size, journal) = start_watched(&place, "0");
    let ledger = Ledger::with_position(Arc::new(size.clone()));
    let people = ledger.people(&place, &program.api).await;
    let prepared = size();
    let tasks = ledger.work(&program.api, &people, 0);
    ledger.until_told(10000).await;
    program.kill();
    for task in tasks {
        task.await.unwrap();
    }
    println!("{} acknowledged", ledger.now().summary());
    let journal = Journal::read(&journal);
    let prepared = (1..journal.len()).find(|steps| journal.position(*steps) >= prepared);
    Run {
        prepared: prepared.unwrap(),
        place,
        journal,
        ledger,
        people,
    }
}

/// Cuts the power `cuts` times; returns what was wrong afterwards.
async fn cut(run: &Run, cuts: usize, fdatasync: bool, random: &mut Random) -> Vec<String> {
    let mut instants: Vec<_> = (0..cuts)
        .map(|_| 1 + usize::try_from(random.below(run.journal.len() as u64)).unwrap())
        .collect();
    instants.sort_unstable();
    let (mut disk, mut played) = (Disk::default(), 0);
    let mut wrong = Vec::new();
    for instant in instants {
        disk.play(&run.journal, played, instant, fdatasync);
        played = instant;
        let target = TempDir::new().unwrap();
        disk.cut(run.place.folder.path(), target.path(), random);
        if let Err(what) = start_after(run, instant, &target.path().join("data")).await {
            wrong.push(format!("after step {instant}: {what}"));
        }
    }
    wrong
}

async fn start_after(run: &Run, instant: usize, data: &Path) -> Result<(), String> {
    let domain = Domain::parse(DOMAIN).unwrap();
    if instant >= run.prepared {
        let data_dir = DataDir::open(data, &domain).map_err(|error| error.to_string())?;
        let storage = Storage::open(data, 8).map_err(|error| error.to_string())?;
        let report = verify::verify(&storage, &domain, Some(&data_dir.keys()));
        if let Some(finding) = report.findings.first() {
            return Err(format!("{finding}, and {} more", report.found - 1));
        }
    }
    let node = start_here(data).await.map_err(|error| error.to_string())?;
    let api = Api::new(format!("http://{}", node.address), DOMAIN);
    let acknowledged = run.ledger.at(run.journal.position(instant));
    let mut checked = acknowledged.check(&api, data, 10).await;
    if checked.is_ok() && instant >= run.prepared {
        checked = acknowledged
            .check_packages(&Ledger::new(), &api, &run.people)
            .await;
    }
    node.stop().await;
    checked
}

#[actix_web::test]
async fn nothing_acknowledged_is_lost_when_the_power_is_cut() {
    let run = watched_run().await;
    let cuts = std::env::var("POWER_CUTS").ok();
    let cuts = cuts.map_or(300, |cuts| cuts.parse().unwrap());
    let mut random = Random::new(7);
    let wrong = cut(&run, cuts, true, &mut random).await;
    println!("{cuts} cuts in {} steps", run.journal.len());
    // The node's own journal went round: its first file was full, then its second, which is first
    // written to with zeros, and then its first was written over.
    let [first, second] = ["journal/0", "journal/1"].map(|name| run.place.data().join(name));
    let [first, second] = [first, second].map(|path| run.journal.writes_to(&path));
    assert!(first.last() > second.get(1), "{first:?} {second:?}");
    assert!(second.len() > 100, "{}", second.len());
    assert!(wrong.is_empty(), "{wrong:#?}");

    // The same without our own fsync of the log: if nothing were wrong then, this test would see
    // nothing at all.
    let wrong = cut(&run, 40, false, &mut random).await;
    println!("without fdatasync {} of 40 cuts do harm", wrong.len());
    assert!(wrong.len() >= 20, "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_waits_for_one_fsync_and_many_share_theirs() {
    const WRITES: usize = 64;
    let place = workload::place();
    let (program, size, journal) = start_watched(&place, "10000");
    let key = ClientKey::ed25519();
    program.api.register("alice").await;
    let alice = program.api.trust("alice", "desk", &key).await;
    let package = || draft(1, &alice.id_cert, &key).sign(&key);

    let begun = size();
    for _ in 0..WRITES {
        let published = program.api.publish(&alice, &[package()]).await;
        assert_eq!(published.status(), 201);
    }
    let alone = size();
    let packages: Vec<_> = (0..WRITES).map(|_| [package()]).collect();
    let publish = |package| program.api.publish(&alice, package);
    for published in join_all(packages.iter().map(|package| publish(package))).await {
        assert_eq!(published.status(), 201);
    }
    let together = size();
    program.kill();

    let journal = Journal::read(&journal);
    assert_eq!(journal.syncs_between(begun, alone), WRITES);
    let shared = journal.syncs_between(alone, together);
    println!("{WRITES} at once shared {shared}");
    assert!((1..=WRITES / 2).contains(&shared), "{shared}");
}
