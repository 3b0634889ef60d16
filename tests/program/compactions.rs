//! `antiphon compact` when the power is cut, and when the disk fails: what is there afterwards is
//! everything that was there before.

use std::path::Path;
use std::process::Output;

use antiphon_actors::storage::{Space, Storage, WriteSet};
use tempfile::TempDir;

use super::disk::{Disk, Journal, instants, interposer};
use super::program::Place;
use crate::support::node::DOMAIN;
use crate::support::random::Random;

/// A place whose database was closed well, and has more dead than living records.
async fn filled(records: u64, rounds: u64) -> Place {
    let place = Place::new();
    let mut program = place.start();
    program.send("-TERM");
    assert_eq!(program.wait(), Some(0));
    let storage = Storage::open(&place.data(), 8).unwrap();
    for round in 0..rounds {
        for some in (0..records).step_by(500) {
            let mut writes = WriteSet::new();
            for number in some..some + 500 {
                let mut random = Random::new(1 + round * records + number);
                let value = (0..60).flat_map(|_| random.below(u64::MAX).to_be_bytes());
                writes.put_bytes(Space::InitKeys, &number.to_be_bytes(), value.collect());
            }
            storage.commit(writes).await.unwrap();
        }
    }
    storage.close().unwrap();
    place
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// What is in the store of a place: the log, and what was put beside it.
fn contents(data: &Path) -> Result<Records, String> {
    let storage = Storage::open(data, 8).map_err(|error| error.to_string())?;
    let [log, beside] =
        [Space::LogEntries, Space::InitKeys].map(|space| storage.scan_bytes(space, &[]));
    let records: Result<_, _> = log.chain(beside).collect();
    records.map_err(|error| error.to_string())
}

/// Compacts a place with its disk watched, which may fail; returns the disk as it was before, and the
/// journal.
fn compact(place: &Place, fault: &[(&str, &Path)]) -> (Disk, Journal, Output) {
    let (data, journal) = (place.data(), place.path("journal"));
    let disk = Disk::with_files_of(&data);
    let mut command = place.command(&["--domain", DOMAIN, "compact"]);
    command
        .env("LD_PRELOAD", interposer())
        .env("DISK_ROOT", &data)
        .env("DISK_JOURNAL", &journal)
        // Only whole paths are recognised.
        .env("ANTIPHON_DATA_DIR", &data);
    for (name, value) in fault {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    (disk, Journal::read(&journal), output)
}

/// Whether everything is there after a cut.
fn check(disk: &Disk, place: &Place, records: &Records, random: &mut Random) -> Result<(), String> {
    let target = TempDir::new().unwrap();
    disk.cut(place.folder.path(), target.path(), random);
    if contents(&target.path().join("data"))? == *records {
        Ok(())
    } else {
        Err("something is missing".to_owned())
    }
}

#[tokio::test]
async fn a_power_cut_during_a_compaction_costs_nothing() {
    let place = filled(6000, 3).await;
    let records = contents(&place.data()).unwrap();
    let (mut disk, journal, output) = compact(&place, &[]);
    assert!(output.status.success(), "{output:?}");
    let data = place.data();
    assert!(!journal.writes_to(&data.join("db.new/db")).is_empty());

    let (mut played, mut wrong, mut random) = (0, Vec::new(), Random::new(5));
    let during = instants(60, 0, journal.len(), &mut random);
    // Whoever was told that it is done may cut the power.
    let after = [journal.len(); 20];
    for instant in during.into_iter().chain(after) {
        disk.play(&journal, played, instant, true);
        played = instant;
        if let Err(what) = check(&disk, &place, &records, &mut random) {
            wrong.push(format!("after step {instant}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The system goes on showing what it could not write, so a copy can look right and be lost. So many
/// records take longer than what sled once did by itself, twice a second.
#[tokio::test]
async fn a_disk_that_fails_during_a_compaction_costs_nothing() {
    let mut failures = 0;
    for number in [2, 3] {
        let place = filled(80_000, 2).await;
        let records = contents(&place.data()).unwrap();
        let (fault, file) = (format!("{number}:5:1"), place.data().join("db.new/db"));
        let fault: [(&str, &Path); 2] =
            [("DISK_FAULT", fault.as_ref()), ("DISK_FAULT_SYNC", &file)];
        let (mut disk, journal, output) = compact(&place, &fault);
        failures += u32::from(!output.status.success());
        disk.play(&journal, 0, journal.len(), true);
        let mut random = Random::new(number);
        for _ in 0..3 {
            let checked = check(&disk, &place, &records, &mut random);
            checked.unwrap_or_else(|what| panic!("fsync {number}: {what}, {output:?}"));
        }
    }
    assert!(failures > 0);
}
