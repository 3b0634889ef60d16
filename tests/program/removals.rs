//! When the power is cut while much is removed at once, as when the packages of many sessions go,
//! what nobody has touched is there. sled moves it, in order to use its log again.
//!
//! A process of its own works on a store, with its disk watched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use antiphon_actors::storage::{Space, Storage, WriteSet};
use tempfile::TempDir;

use super::disk::{Disk, Journal, instants, interposer};
use super::formats::place_of;
use super::program::Place;
use crate::support::random::Random;

const THIS: &str = "removals::what_nobody_has_touched_survives_a_power_cut_while_much_is_removed";

/// The exit code of the process when it has done everything.
const KILLED: i32 = 7;

const SESSIONS: u64 = 100;
const USERS_BESIDE: u64 = 20;
const PACKAGES: u64 = 100;

/// What cannot be compressed or taken for something else.
fn bytes(number: u64, length: u64) -> Vec<u8> {
    let mut random = Random::new(number + 1);
    (0..length)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect()
}

fn users() -> Vec<(Vec<u8>, Vec<u8>)> {
    let number = 0..SESSIONS * USERS_BESIDE;
    number
        .map(|user| (user.to_be_bytes().to_vec(), bytes(user, 300)))
        .collect()
}

fn packages(session: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..PACKAGES).map(move |package| [session.to_be_bytes(), package.to_be_bytes()].concat())
}

/// What the process does that is watched.
async fn fill_and_remove(data: &Path) {
    let variable = |name| PathBuf::from(std::env::var_os(name).unwrap());
    let storage = Storage::open(data, 64).unwrap();
    let users = users();
    for (session, users) in (0..).zip(users.chunks(usize::try_from(USERS_BESIDE).unwrap())) {
        let mut writes = WriteSet::new();
        for (key, value) in users {
            writes.put_bytes(Space::Users, key, value.clone());
        }
        for key in packages(session) {
            // Some have the longest there can be.
            let length = if session % 10 == 0 { 6000 } else { 900 };
            writes.put_bytes(Space::OneTimePackages, &key, bytes(session, length));
        }
        storage.commit(writes).await.unwrap();
    }
    // Everything before a snapshot is in the database.
    drop(storage.snapshot().await.unwrap());
    let filled = std::fs::metadata(variable("DISK_JOURNAL")).unwrap().len();
    std::fs::write(variable("FILLED"), filled.to_string()).unwrap();

    let mut removals = WriteSet::new();
    for key in (0..SESSIONS).flat_map(packages) {
        removals.remove(Space::OneTimePackages, &key);
    }
    storage.commit(removals).await.unwrap();
    drop(storage.snapshot().await.unwrap());
    // As when it is killed; anything else would say that nothing was done.
    std::process::exit(KILLED);
}

#[tokio::test]
async fn what_nobody_has_touched_survives_a_power_cut_while_much_is_removed() {
    // The process that is watched is this test once more.
    if let Some(data) = std::env::var_os("STORE") {
        return fill_and_remove(Path::new(&data)).await;
    }
    survives(&Place::new(), 2 * 1024 * 1024);
    // A database of before format 6.
    survives(&place_of("format-5.tar.gz"), 512 * 1024);
}

/// Cuts the power in a place whose database has such segments.
fn survives(place: &Place, segment_size: usize) {
    let (data, journal, filled) = (place.data(), place.path("journal"), place.path("filled"));
    std::fs::create_dir_all(&data).unwrap();
    let mut disk = Disk::with_files_of(&data);
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS])
        .env("STORE", &data)
        .env("FILLED", &filled)
        .env("LD_PRELOAD", interposer())
        .env("DISK_ROOT", &data)
        .env("DISK_JOURNAL", &journal)
        .status();
    assert_eq!(status.unwrap().code(), Some(KILLED));

    let journal = Journal::read(&journal);
    // sled writes over a segment once two more are full.
    let most = journal.most_between_syncs(&data.join("db/db"));
    println!("at most {most} bytes between two fsyncs");
    assert!(most < 2 * segment_size, "{most}");
    let filled = std::fs::read_to_string(filled).unwrap().parse().unwrap();
    let cuts = std::env::var("POWER_CUTS").ok();
    let cuts = cuts.map_or(20, |cuts| cuts.parse().unwrap());
    let (users, mut random) = (users(), Random::new(3));
    let (mut played, mut wrong) = (0, Vec::new());
    for instant in instants(cuts, journal.steps_at(filled), journal.len(), &mut random) {
        disk.play(&journal, played, instant, true);
        played = instant;
        let target = TempDir::new().unwrap();
        disk.cut(&data, target.path(), &mut random);
        if let Err(what) = check(target.path(), &users) {
            wrong.push(format!("after step {instant}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn check(data: &Path, users: &[(Vec<u8>, Vec<u8>)]) -> Result<(), String> {
    let storage = Storage::open(data, 8).map_err(|error| error.to_string())?;
    let found: Result<BTreeMap<_, _>, _> = storage.scan_bytes(Space::Users, &[]).collect();
    let found = found.map_err(|error| error.to_string())?;
    let is_there = |(key, value): &(Vec<u8>, Vec<u8>)| found.get(key) == Some(value);
    if users.iter().all(is_there) {
        Ok(())
    } else {
        Err("a user is missing, or another".to_owned())
    }
}
