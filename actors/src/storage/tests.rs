//! The store against damage of its files, and snapshots against a model.

mod compacted;
mod interrupted;
mod locks;
mod marks;
mod named;
mod stopped;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{Record, RecordError, Space, Storage, WriteSet, fill_durably};
use crate::tests::Random;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Text(String);

impl Record for Text {
    const VERSION: u8 = 1;
}

type Model = BTreeMap<Vec<u8>, Text>;

fn put(key: &[u8], text: &Text) -> WriteSet {
    let mut writes = WriteSet::new();
    writes.put(Space::Users, key, text).unwrap();
    writes
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// sled puts large ones where nobody makes them durable.
#[test]
fn a_record_has_a_limit() {
    let longest = Text("x".repeat(7 * 1024 - 9));
    assert_eq!(longest.to_bytes().unwrap().len(), 7 * 1024);
    let longer = Text("x".repeat(7 * 1024 - 8));
    assert_eq!(longer.to_bytes(), Err(RecordError::TooLong(7 * 1024 + 1)));
    let read = Text::from_bytes(&longest.to_bytes().unwrap());
    assert_eq!(read, Ok(longest));
}

/// Everything in the store, or why it cannot be read.
fn read(storage: &Storage) -> Result<Model, super::StorageError> {
    storage.scan::<Text>(Space::Users, &[]).collect()
}

/// A store of several segments of sled's log, with values replaced and removed, and what is in it.
/// Where it is not `closed_well`, its files are as a killed process leaves them.
async fn filled(directory: &Path, closed_well: bool) -> Model {
    let working = TempDir::new().unwrap();
    let mut model = Model::new();
    let mut random = Random(7);
    let storage = Storage::open(working.path(), 8).unwrap();
    for round in 0..60 {
        let mut last = WriteSet::new();
        for _ in 0..50 {
            let number = random.below(2000);
            if random.below(8) == 0 {
                last.remove(Space::Users, &key(number));
                model.remove(&key(number)[..]);
            } else {
                let text = Text(format!("{round} {number} ").repeat(60));
                last.put(Space::Users, &key(number), &text).unwrap();
                model.insert(key(number).to_vec(), text);
            }
        }
        storage.commit(last).await.unwrap();
    }
    if closed_well {
        storage.close().unwrap();
    }
    copy(working.path(), directory);
    model
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Damages `file` in `directory` in many ways: each is noticed, at the open or at the read, or
/// changes no answer.
async fn damage(closed_well: bool, file: &str, times: u64) {
    let original = TempDir::new().unwrap();
    let model = filled(original.path(), closed_well).await;
    let file = find(original.path(), file);
    let bytes = fs::read(&file).unwrap();
    let relative = file.strip_prefix(original.path()).unwrap().to_owned();
    let mut random = Random(11);
    let (mut refused, mut unreadable, mut harmless) = (0, 0, 0);
    for attempt in 0..times {
        let size = bytes.len() as u64;
        let at = usize::try_from(random.below(size)).unwrap();
        let mut damaged = bytes.clone();
        let what = if attempt % 4 == 3 {
            damaged.truncate(at);
            format!("{} cut at {at}", relative.display())
        } else {
            damaged[at] ^= 1 << random.below(8);
            format!("{} flipped at {at}", relative.display())
        };
        let place = TempDir::new().unwrap();
        copy(original.path(), place.path());
        fs::write(place.path().join(&relative), damaged).unwrap();
        match Storage::open(place.path(), 8) {
            Err(_) => refused += 1,
            Ok(storage) => match read(&storage) {
                Err(_) => unreadable += 1,
                Ok(found) => {
                    assert!(found == model, "a wrong answer with {what}");
                    harmless += 1;
                }
            },
        }
    }
    println!(
        "{}: {refused} refused, {unreadable} unreadable, {harmless} harmless",
        relative.display()
    );
}

fn find(directory: &Path, name: &str) -> std::path::PathBuf {
    if let Some(prefix) = name.strip_suffix('*') {
        let entries = fs::read_dir(directory.join("db")).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().path());
        let starts = |path: &std::path::PathBuf| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(prefix)
        };
        names.find(starts).unwrap()
    } else {
        directory.join(name)
    }
}

#[tokio::test]
async fn damage_of_the_log_after_a_crash_is_noticed() {
    damage(false, "db/db", 200).await;
}

#[tokio::test]
async fn damage_of_the_log_after_a_stop_is_noticed() {
    damage(true, "db/db", 200).await;
}

#[tokio::test]
async fn damage_of_the_other_files_is_noticed() {
    damage(true, "snap.*", 200).await;
    damage(true, "db/conf", 200).await;
    damage(true, "mark", 200).await;
    damage(false, "mark", 200).await;
}

#[tokio::test]
async fn a_snapshot_is_of_one_instant() {
    for seed in 1..20 {
        let mut random = Random(seed);
        let place = TempDir::new().unwrap();
        let storage = Storage::open(place.path(), 8).unwrap();
        let mut model = Model::new();
        for round in 0..1500 {
            change(&storage, &mut model, &mut random, round);
        }
        let at_the_instant = model.clone();
        let mut snapshot = storage.snapshot().await.unwrap().unwrap();
        assert!(storage.snapshot().await.unwrap().is_none(), "two at once");
        let mut seen = Model::new();
        let mut round = 10_000;
        loop {
            for _ in 0..random.below(400) {
                change(&storage, &mut model, &mut random, round);
                round += 1;
            }
            let records = snapshot.next_records().unwrap();
            if records.is_empty() {
                break;
            }
            for (space, key, bytes) in records {
                assert_eq!(space, Space::Users);
                let before = seen.insert(key, Text::from_bytes(&bytes).unwrap());
                assert!(before.is_none(), "a record came twice");
            }
        }
        assert!(seen == at_the_instant, "seed {seed}");
        assert!(read(&storage).unwrap() == model, "seed {seed}");
        drop(snapshot);
        assert!(storage.snapshot().await.unwrap().is_some());
    }
}

/// Whether it is in the database by then, or on its way.
#[tokio::test]
async fn what_was_decided_is_seen_at_once() {
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    let mut model = Model::new();
    let mut random = Random(3);
    let mut seen_on_its_way = false;
    for round in 0..3000 {
        for _ in 0..random.below(5) {
            change(&storage, &mut model, &mut random, round);
        }
        seen_on_its_way |= storage.is_writing();
        assert!(read(&storage).unwrap() == model, "round {round}");
        let backwards = storage.scan::<Text>(Space::Users, &[]).rev();
        let backwards: Vec<_> = backwards.collect::<Result<_, _>>().unwrap();
        let expected = model.clone().into_iter().rev();
        let expected: Vec<_> = expected.collect();
        assert_eq!(backwards, expected, "round {round}");
        // From both ends towards a middle that is anywhere.
        let (from, to) = (key(random.below(600)), key(600 + random.below(600)));
        let mut range = storage.range::<Text>(Space::Users, &from, &to);
        let expected = model.range(from.to_vec()..=to.to_vec());
        let mut expected = expected.map(|(key, text)| (key.clone(), text.clone()));
        for _ in 0..40 {
            let (found, expected) = if random.below(2) == 0 {
                (range.next(), expected.next())
            } else {
                (range.next_back(), expected.next_back())
            };
            assert_eq!(found.transpose().unwrap(), expected, "round {round}");
        }
        let one = key(random.below(1200));
        let found = storage.get::<Text>(Space::Users, &one).unwrap();
        assert_eq!(found.as_ref(), model.get(&one[..]), "round {round}");
    }
    assert!(seen_on_its_way);
    storage.settle().await.unwrap();
    assert!(!storage.is_writing());
    storage.close().unwrap();
    assert!(read(&Storage::open(place.path(), 8).unwrap()).unwrap() == model);
}

fn change(storage: &Storage, model: &mut Model, random: &mut Random, round: u64) {
    let mut writes = WriteSet::new();
    for _ in 0..=random.below(3) {
        let key = key(random.below(1200));
        if random.below(3) == 0 {
            writes.remove(Space::Users, &key);
            model.remove(&key[..]);
        } else {
            let text = Text(round.to_string());
            writes.put(Space::Users, &key, &text).unwrap();
            model.insert(key.to_vec(), text);
        }
    }
    // Seen at once; that it becomes durable is not what this is about.
    drop(storage.commit(writes));
}

/// A full disk would stay full.
#[test]
fn a_file_that_could_not_be_filled_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.backup");
    let filled = fill_durably(&path, |file| {
        file.write_all(b"half")?;
        Err(io::Error::other("full"))
    });
    assert_eq!(filled.unwrap_err().to_string(), "full");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
