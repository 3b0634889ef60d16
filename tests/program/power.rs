//! When the power is cut at any instant, nothing that was acknowledged is lost, and everything that
//! is there holds together.
//!
//! The real program runs once under load, with its disk watched. Then, for many instants, a node is
//! started on what a cut at that instant may have left. `POWER_CUTS` sets how many. The power is cut
//! also while a node starts, and after an fsync has failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_actors::storage::{DataDir, Storage};
use antiphon_actors::verify::{self, KeyAt};
use antiphon_protocol::Domain;
use futures_util::future::{join, join_all};
use tempfile::TempDir;

use super::disk::{Disk, Journal, instants, interposer};
use super::ledger::Ledger;
use super::program::{Place, Program, start_here};
use super::workload::{self, People};
use crate::support::key_package::draft;
use crate::support::node::DOMAIN;
use crate::support::random::Random;
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

/// How many cuts are followed by others, while a node starts on what they left.
const FIRST_CUTS: usize = 16;
/// By how many each.
const SECOND_CUTS: usize = 8;

/// Starts the program with its disk watched; also the function that tells how much there is of the
/// journal, and the journal itself.
fn start_watched(
    place: &Place,
    disk: &[(&str, &Path)],
) -> (Program, impl Fn() -> u64 + Clone + use<>, PathBuf) {
    let (journal, data) = (place.path("journal"), place.data());
    let mut variables = vec![
        ("LD_PRELOAD", interposer()),
        ("DISK_ROOT", &data),
        ("DISK_JOURNAL", &journal),
        // Only whole paths are recognised.
        ("ANTIPHON_DATA_DIR", &data),
    ];
    variables.extend(disk);
    let program = place.start_with(&variables);
    let size = {
        let journal = journal.clone();
        move || std::fs::metadata(&journal).unwrap().len()
    };
    (program, size, journal)
}

/// A run until so much was acknowledged, or until the node takes no more.
async fn watched_run(disk: &[(&str, &Path)], place: Place, enough: Option<usize>) -> Run {
    let (program, size, journal) = start_watched(&place, disk);
    let ledger = Ledger::with_position(Arc::new(size.clone()));
    let people = ledger.people(&place, &program.api).await;
    let prepared = size();
    let tasks = ledger.work(&program.api, &people, 0);
    let running = match enough {
        Some(enough) => {
            ledger.until_told(enough).await;
            program.kill();
            None
        }
        None => Some(program),
    };
    for task in tasks {
        task.await.unwrap();
    }
    drop(running);
    println!("{} acknowledged", ledger.now().summary());
    let journal = Journal::read(&journal);
    Run {
        prepared: journal.steps_at(prepared),
        place,
        journal,
        ledger,
        people,
    }
}

/// Where the power is cut.
struct Cuts<'a> {
    /// As it was before the first step of the journal.
    disk: Disk,
    journal: &'a Journal,
    instants: &'a [usize],
    /// Whether that call does anything.
    fdatasync: bool,
    place: &'a Place,
}

impl Run {
    /// Cuts the power at these instants of the run; returns what was wrong afterwards.
    async fn cut(&self, instants: &[usize], fdatasync: bool, random: &mut Random) -> Vec<String> {
        let cuts = Cuts {
            disk: Disk::default(),
            journal: &self.journal,
            instants,
            fdatasync,
            place: &self.place,
        };
        self.check_cuts(cuts, |instant| instant, random).await
    }

    /// Cuts the power at these instants, and again while a node starts on what that left.
    async fn cut_twice(&self, firsts: &[usize], random: &mut Random) -> Vec<String> {
        let (mut disk, mut played) = (Disk::default(), 0);
        let mut wrong = Vec::new();
        for first in firsts {
            disk.play(&self.journal, played, *first, true);
            played = *first;
            let place = workload::place();
            disk.cut(self.place.folder.path(), place.folder.path(), random);
            wrong.extend(self.cut_starts(&place, *first, SECOND_CUTS, random).await);
        }
        wrong
    }

    /// Cuts the power while a node starts in a place that has what was there at an instant of the run.
    async fn cut_starts(
        &self,
        place: &Place,
        instant: usize,
        cuts: usize,
        random: &mut Random,
    ) -> Vec<String> {
        let disk = Disk::with_files_of(&place.data());
        let (program, _, journal) = start_watched(place, &[]);
        // Its journal goes on from the beginning.
        for name in ["late", "later", "latest"] {
            program.api.register(name).await;
        }
        program.kill();
        let journal = Journal::read(&journal);
        let cuts = Cuts {
            disk,
            journal: &journal,
            instants: &instants(cuts, 0, journal.len(), random),
            fdatasync: true,
            place,
        };
        self.check_cuts(cuts, |_| instant, random).await
    }

    /// Starts a node after each cut; `known` says up to which instant of the run it must know what was
    /// acknowledged.
    async fn check_cuts(
        &self,
        cuts: Cuts<'_>,
        known: impl Fn(usize) -> usize,
        random: &mut Random,
    ) -> Vec<String> {
        let (mut disk, mut played) = (cuts.disk, 0);
        let mut wrong = Vec::new();
        for instant in cuts.instants {
            disk.play(cuts.journal, played, *instant, cuts.fdatasync);
            played = *instant;
            let target = TempDir::new().unwrap();
            disk.cut(cuts.place.folder.path(), target.path(), random);
            let (known, data) = (known(*instant), target.path().join("data"));
            if let Err(what) = self.start_after(known, &data).await {
                wrong.push(format!("after step {instant}, {known} of the run: {what}"));
            }
        }
        wrong
    }

    /// Starts a node on what is left after a cut at an instant.
    async fn start_after(&self, instant: usize, data: &Path) -> Result<(), String> {
        let domain = Domain::parse(DOMAIN).unwrap();
        if instant >= self.prepared {
            let data_dir = DataDir::open(data, &domain).map_err(|error| error.to_string())?;
            let storage = Storage::open(data, 8).map_err(|error| error.to_string())?;
            let report = verify::verify(&storage, &domain, KeyAt::Files(&data_dir.keys()));
            if let Some(finding) = report.findings.first() {
                return Err(format!("{finding}, and {} more", report.found - 1));
            }
        }
        let node = start_here(data).await.map_err(|error| error.to_string())?;
        let api = Api::new(format!("http://{}", node.address), DOMAIN);
        let acknowledged = self.ledger.at(self.journal.position(instant));
        let mut checked = acknowledged.check(&api, data, 10).await;
        if checked.is_ok() && instant >= self.prepared {
            checked = acknowledged
                .check_packages(&Ledger::new(), &api, &self.people)
                .await;
        }
        node.stop().await;
        checked
    }
}

#[actix_web::test]
async fn nothing_acknowledged_is_lost_when_the_power_is_cut() {
    let run = watched_run(&[], workload::place(), Some(10_000)).await;
    let cuts = std::env::var("POWER_CUTS").ok();
    let cuts = cuts.map_or(300, |cuts| cuts.parse().unwrap());
    let mut random = Random::new(7);
    let steps = run.journal.len();
    let once = instants(cuts, 0, steps, &mut random);
    let wrong = run.cut(&once, true, &mut random).await;
    println!("{cuts} cuts in {steps} steps");
    let database = run.place.data().join("db/db");
    let most = run.journal.most_between_syncs(&database);
    println!("at most {most} bytes of sled's between two fsyncs");
    assert!(most < 1024 * 1024, "{most}");
    // The node's own journal went round: its first file was full, then its second, which is first
    // written to with zeros, and then its first was written over.
    let [first, second] = ["journal/0", "journal/1"].map(|name| run.place.data().join(name));
    let [first, second] = [first, second].map(|path| run.journal.writes_to(&path));
    assert!(first.last() > second.get(1), "{first:?} {second:?}");
    assert!(second.len() > 100, "{}", second.len());
    assert!(wrong.is_empty(), "{wrong:#?}");

    let firsts = instants(FIRST_CUTS, run.prepared, steps, &mut random);
    let wrong = run.cut_twice(&firsts, &mut random).await;
    assert!(wrong.is_empty(), "{wrong:#?}");

    // The same without our own fsync of the log: if nothing were wrong then, this test would see
    // nothing at all.
    let once = instants(40, 0, steps, &mut random);
    let wrong = run.cut(&once, false, &mut random).await;
    println!("without fdatasync {} of 40 cuts do harm", wrong.len());
    assert!(wrong.len() >= 20, "{wrong:#?}");
}

#[actix_web::test]
async fn a_power_cut_during_a_start_after_a_clean_stop_does_no_harm() {
    let run = watched_run(&[], workload::place(), Some(1000)).await;
    let mut program = run.place.start();
    program.send("-TERM");
    assert_eq!(program.wait(), Some(0));
    std::fs::remove_file(run.place.path("journal")).unwrap();
    let (end, mut random) = (run.journal.len(), Random::new(13));
    let wrong = run.cut_starts(&run.place, end, 60, &mut random).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The system goes on showing what it could not write, also to the next process, and will not write
/// it again by itself.
#[actix_web::test]
async fn nothing_is_lost_by_a_power_cut_after_an_fsync_has_failed() {
    let mut random = Random::new(11);
    for (file, number) in [
        ("db/db", 20),
        ("db/db", 40),
        ("db/db", 80),
        ("journal/0", 100),
        ("journal/0", 300),
    ] {
        let place = workload::place();
        let (fault, file) = (format!("{number}:5:1"), place.data().join(file));
        let disk: [(&str, &Path); 2] = [("DISK_FAULT", fault.as_ref()), ("DISK_FAULT_SYNC", &file)];
        let mut run = watched_run(&disk, place, None).await;
        let failed = run.journal.len();
        // Without a reboot.
        let (program, size, journal) = start_watched(&run.place, &[]);
        let started = size();
        // Claims that were refused may have been made.
        let acknowledged = run.ledger.now();
        let checked = acknowledged.check_packages(&run.ledger, &program.api, &run.people);
        checked.await.unwrap();
        let begun = size();
        let again = run.ledger.work(&program.api, &run.people, 1);
        run.ledger.until_told(200).await;
        program.kill();
        for task in again {
            task.await.unwrap();
        }
        run.journal = Journal::read(&journal);
        let [started, begun] = [started, begun].map(|size| run.journal.steps_at(size));
        let mut cuts = instants(20, failed, started, &mut random);
        cuts.extend(instants(20, begun, run.journal.len(), &mut random));
        let wrong = run.cut(&cuts, true, &mut random).await;
        assert!(wrong.is_empty(), "fsync {number} of {file:?}: {wrong:#?}");
    }
}

/// Nobody is told of what the power could still take back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_found_once_it_is_on_disk() {
    let place = workload::place();
    let (program, size, journal) = start_watched(&place, &[("DISK_SLOW", Path::new("500000"))]);
    let api = &program.api;
    let key = ClientKey::ed25519();
    api.register("alice").await;
    let begun = size();
    let looking = async {
        while api.user_certs(&api.fid("alice"), None).await.is_empty() {}
        size()
    };
    let (_, found) = join(api.trust("alice", "desk", &key), looking).await;
    program.kill();
    assert!(Journal::read(&journal).syncs_between(begun, found) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_waits_for_one_fsync_and_many_share_theirs() {
    const WRITES: usize = 64;
    let place = workload::place();
    let (program, size, journal) = start_watched(&place, &[("DISK_SLOW", Path::new("10000"))]);
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
