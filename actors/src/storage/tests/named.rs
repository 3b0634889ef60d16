//! What clients name, in the files.

use std::fs;

use tempfile::TempDir;

use super::{Model, Text, put, read};
use crate::storage::segment_size::OF_NEW as SEGMENT;
use crate::storage::{Storage, WriteSet};

const NEEDLE: &[u8] = b"NEEDLENEEDLE";
const NAME: &[u8] = b"\0\x02user0000commits\x08\0\0\0\0\0\0\0\x01";

/// Where something stands in the log.
fn find(log: &[u8], what: &[u8]) -> Vec<usize> {
    let windows = log.windows(what.len()).enumerate();
    let found = windows.filter(|(_, window)| *window == what);
    found.map(|(at, _)| at).collect()
}

/// A store whose newest commits, of the needle and of the name, are all between two fsyncs, after `before`
/// records that are settled; also what is in it.
async fn named(before: u64) -> (TempDir, Model) {
    let filler = |number: u64| {
        let key = [&b"\0\x01z"[..], &number.to_be_bytes()].concat();
        put(&key, &Text("f".repeat(1000)))
    };
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    for number in 0..before {
        drop(storage.commit(filler(number)));
    }
    storage.settle().await.unwrap();
    let mut writes = put(b"\0\x01needle", &Text("NEEDLENEEDLE".repeat(20)));
    for number in before..before + 40 {
        writes.append(filler(number));
    }
    let commits: [WriteSet; 2] = [writes, put(NAME, &Text("y".into()))];
    for commit in commits.map(|writes| storage.commit(writes)) {
        commit.await.unwrap();
    }
    let model = read(&storage).unwrap();
    (place, model)
}

/// A key may end in what looks like the count of commits (a session ID may be anything in ASCII):
/// else a torn place before it, which the journal has, would pass for damage.
#[tokio::test]
async fn a_name_is_not_taken_for_a_count_of_commits() {
    // Until the needle comes to lie at the end of a segment, and the name in the next.
    for before in (200..600).step_by(10) {
        let (place, model) = named(before).await;
        let path = place.path().join("db/db");
        let mut log = fs::read(&path).unwrap();
        let names = find(&log, NAME);
        let is_before = |at: &usize| names.iter().all(|name| name / SEGMENT > at / SEGMENT);
        let torn: Vec<_> = find(&log, NEEDLE).into_iter().filter(is_before).collect();
        if torn.is_empty() || names.is_empty() {
            continue;
        }
        for at in torn {
            log[at] ^= 0x55;
        }
        fs::write(&path, log).unwrap();
        let storage = Storage::open(place.path(), 8).unwrap();
        assert!(read(&storage).unwrap() == model);
        return;
    }
    panic!("the needle was never before the name");
}
