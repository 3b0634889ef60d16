//! What clients name, in the files.

use std::fs;

use tempfile::TempDir;

use super::{Text, key, put, read};
use crate::storage::{Storage, WriteSet};

/// A key may end in what looks like the count of commits (a session ID may be anything in ASCII):
/// else a torn place before it, which the journal has, would pass for damage.
#[tokio::test]
async fn a_name_is_not_taken_for_a_count_of_commits() {
    const NEEDLE: &[u8] = b"NEEDLENEEDLE";
    const SEGMENT: usize = 512 * 1024;
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    for number in 0..20 {
        let settled = storage.commit(put(&key(number), &Text("x".into())));
        settled.await.unwrap();
    }
    storage.settle().await.unwrap();
    let mut writes = put(b"\0\x01needle", &Text("NEEDLENEEDLE".repeat(20)));
    for number in 0..400_u64 {
        let filler = [&b"\0\x01z"[..], &number.to_be_bytes()].concat();
        writes.append(put(&filler, &Text("f".repeat(1000))));
    }
    let name = b"\0\x02user0000commits\x08\0\0\0\0\0\0\0\x01";
    let commits: [WriteSet; 2] = [writes, put(name, &Text("y".into()))];
    let commits = commits.map(|writes| storage.commit(writes));
    for commit in commits {
        commit.await.unwrap();
    }
    let model = read(&storage).unwrap();
    drop(storage);

    let path = place.path().join("db/db");
    let mut bytes = fs::read(&path).unwrap();
    let find = |what: &[u8]| {
        let windows = bytes.windows(what.len()).enumerate();
        let found: Vec<_> = windows.filter(|(_, window)| *window == what).collect();
        found.into_iter().map(|(at, _)| at).collect::<Vec<_>>()
    };
    let needles = find(NEEDLE);
    assert!(find(name).iter().any(|at| *at > SEGMENT), "not far enough");
    let torn: Vec<_> = needles.iter().filter(|at| **at + 100 < SEGMENT).collect();
    assert!(!torn.is_empty());
    for at in torn {
        bytes[*at] ^= 0x55;
    }
    fs::write(&path, bytes).unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    assert!(read(&storage).unwrap() == model);
}
