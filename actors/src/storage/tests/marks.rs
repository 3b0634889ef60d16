//! The mark against a database that is not the one it speaks of.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Text, copy, key, put, read};
use crate::storage::{OpenError, Storage};

/// Commits so many records more into the store in `directory`, and leaves it as a killed process
/// does if it is not `closed_well`.
async fn commit(directory: &Path, records: usize, closed_well: bool) {
    let working = TempDir::new().unwrap();
    copy(directory, working.path());
    let storage = Storage::open(working.path(), 8).unwrap();
    let there = read(&storage).unwrap().len();
    for number in there..there + records {
        let writes = put(&key(number as u64), &Text("text".into()));
        storage.commit(writes).await.unwrap();
    }
    storage.settle().await.unwrap();
    if closed_well {
        storage.close().unwrap();
    }
    if directory.join("db").exists() {
        fs::remove_dir_all(directory.join("db")).unwrap();
    }
    copy(working.path(), directory);
}

/// Puts the database of `from` in the place of that of `to`.
fn swap(from: &Path, to: &Path) {
    fs::remove_dir_all(to.join("db")).unwrap();
    copy(&from.join("db"), &to.join("db"));
}

#[tokio::test]
async fn an_older_state_of_the_database_is_refused() {
    for closed_well in [false, true] {
        let (place, old) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        commit(place.path(), 1, closed_well).await;
        copy(place.path(), old.path());
        commit(place.path(), 100, closed_well).await;
        if !closed_well {
            // Else that has everything.
            fs::remove_dir_all(place.path().join("journal")).unwrap();
        }
        swap(old.path(), place.path());
        let refused = Storage::open(place.path(), 8).unwrap_err();
        assert!(
            matches!(refused, OpenError::Damaged { .. } | OpenError::Lost { .. }),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn another_database_is_refused() {
    let (place, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    commit(place.path(), 2, false).await;
    commit(other.path(), 9, false).await;
    swap(other.path(), place.path());
    let refused = Storage::open(place.path(), 8).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign(_)), "{refused}");
}

#[tokio::test]
async fn a_missing_database_is_refused_and_none_made_in_its_place() {
    let place = TempDir::new().unwrap();
    commit(place.path(), 2, true).await;
    fs::remove_dir_all(place.path().join("db")).unwrap();
    let refused = Storage::open(place.path(), 8).unwrap_err();
    assert!(matches!(refused, OpenError::Missing(_)), "{refused}");
    assert!(!place.path().join("db").exists());
}

#[tokio::test]
async fn a_lost_or_spoilt_mark_is_replaced_only_where_somebody_says_so() {
    let place = TempDir::new().unwrap();
    commit(place.path(), 2, true).await;
    let mark = place.path().join("mark");
    for bytes in [Some(&b"not a mark"[..]), None] {
        match bytes {
            Some(bytes) => fs::write(&mark, bytes).unwrap(),
            None => fs::remove_file(&mark).unwrap(),
        }
        let refused = Storage::open(place.path(), 8).unwrap_err();
        assert!(matches!(refused, OpenError::NoMark(_)), "{refused}");
    }
    let storage = Storage::open_without_mark(place.path(), 8).unwrap();
    assert_eq!(read(&storage).unwrap().len(), 2);
    storage.close().unwrap();
    commit(place.path(), 1, true).await;
    let storage = Storage::open(place.path(), 8).unwrap();
    assert_eq!(read(&storage).unwrap().len(), 3);
}

/// A torn write of the mark leaves the one before; the database may be ahead of it.
#[tokio::test]
async fn a_mark_that_is_behind_is_no_damage() {
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    for number in 0..5 {
        storage
            .commit(put(&key(number), &Text("x".into())))
            .await
            .unwrap();
    }
    let mark = fs::read(place.path().join("mark")).unwrap();
    for torn in [0, 4096] {
        let killed = TempDir::new().unwrap();
        copy(place.path(), killed.path());
        let mut mark = mark.clone();
        mark[torn..torn + 20].fill(0);
        fs::write(killed.path().join("mark"), mark).unwrap();
        let storage = Storage::open(killed.path(), 8).unwrap();
        assert_eq!(read(&storage).unwrap().len(), 5);
    }
}
