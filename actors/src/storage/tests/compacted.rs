//! What compacting gives back.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Model, Text, filled, key, put, read};
use crate::storage::{Compacted, Storage};

fn compact(directory: &Path) -> Compacted {
    let storage = Storage::open(directory, 8).unwrap();
    storage.compact().unwrap()
}

fn holds(directory: &Path, model: &Model) -> bool {
    read(&Storage::open(directory, 8).unwrap()).unwrap() == *model
}

#[tokio::test]
async fn what_was_replaced_and_removed_gives_its_space_back() {
    let place = TempDir::new().unwrap();
    let model = filled(place.path(), true).await;
    let compacted = compact(place.path());
    assert!(compacted.after < compacted.before, "{compacted:?}");
    assert!(holds(place.path(), &model));
}

/// A copy may take more than what was written once, record by record.
#[tokio::test]
async fn a_copy_that_is_no_smaller_is_thrown_away() {
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    for number in 0..20_000 {
        // In an order that leaves pages fuller than the keys' own.
        let number = number * 7919 % 20_000;
        let writes = put(&key(number), &Text("text".repeat(20)));
        let committed = storage.commit(writes);
        if number % 1000 == 0 {
            committed.await.unwrap();
        }
    }
    storage.settle().await.unwrap();
    let model = read(&storage).unwrap();
    storage.close().unwrap();
    let log = place.path().join("db/db");
    let before = fs::read(&log).unwrap();
    let compacted = compact(place.path());
    println!("{compacted:?}");
    assert_eq!(compacted.after, compacted.before);
    assert!(fs::read(&log).unwrap() == before);
    assert!(holds(place.path(), &model));
}
