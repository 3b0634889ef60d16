//! What an interrupted start leaves of sled's files.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Model, Text, copy, filled, key, read};
use crate::storage::log_file::format::Header;
use crate::storage::mark::MarkFile;
use crate::storage::open::wait_until_closed;
use crate::storage::segment_size::OF_NEW as SEGMENT;
use crate::storage::{OpenError, Space, Storage, WriteSet, examine, journal};

/// It stays behind where a start is interrupted.
#[actix::test]
async fn a_snapshot_that_sled_had_not_finished_is_not_read() {
    for closed_well in [true, false] {
        let directory = TempDir::new().unwrap();
        let model = filled(directory.path(), closed_well).await;
        let unfinished = directory.path().join("db/snap.00000000FFFFFFFF.generating");
        fs::write(&unfinished, "half of it").unwrap();
        let storage = Storage::open(directory.path(), 8).unwrap();
        assert_eq!(read(&storage), Ok(model));
        assert!(!unfinished.exists());
    }
}

/// Each time sled opens its file, it writes zeros over all of it that is free. They may be on disk,
/// or a part of them, and not yet the name of the snapshot that it wrote before.
#[actix::test]
async fn zeros_are_damage_unless_a_start_was_interrupted() {
    let (directory, model, freed) = with_a_free_tail().await;
    let with_zeros = |of: &Path, from: usize, to: usize| {
        let with_zeros = TempDir::new().unwrap();
        copy(of, with_zeros.path());
        let log = with_zeros.path().join("db/db");
        let mut bytes = fs::read(&log).unwrap();
        bytes[from..to].fill(0);
        fs::write(&log, bytes).unwrap();
        with_zeros
    };
    let parts = |segment: &usize| {
        [(0, 4096), (0, SEGMENT / 2), (4096, 5120)]
            .map(|(from, to)| (segment * SEGMENT + from, segment * SEGMENT + to))
    };
    for (from, to) in freed.iter().flat_map(parts) {
        let damaged = with_zeros(directory.path(), from, to);
        let refused = Storage::open(damaged.path(), 8).unwrap_err();
        // What stands in a segment that was begun but now may also be what a power cut took.
        let is_refused = matches!(refused, OpenError::Damaged { .. } | OpenError::Foreign(_));
        assert!(is_refused, "{refused}");
    }

    make_ready(directory.path());
    let whole = |segment: &usize| [(segment * SEGMENT, (segment + 1) * SEGMENT)];
    let parts = freed.iter().flat_map(parts);
    for (from, to) in parts.chain(freed.iter().flat_map(whole)) {
        let interrupted = with_zeros(directory.path(), from, to);
        let storage = Storage::open(interrupted.path(), 8).unwrap();
        assert_eq!(read(&storage), Ok(model.clone()));
        assert!(!interrupted.path().join("opening").exists());
    }
}

/// A database that was not closed, what is in it, and its segments that sled will find free: one of
/// them is that up to which, so says the newest, everything is on disk. With that one sled begins.
async fn with_a_free_tail() -> (TempDir, Model, Vec<usize>) {
    // Where sled puts what is seldom written depends on its threads.
    for more in 0..100 {
        let directory = TempDir::new().unwrap();
        let model = rewritten(directory.path(), 400 + 5 * more).await;
        let freed = freed_by_an_open(directory.path());
        if stable_segment(directory.path()).is_some_and(|stable| freed.contains(&stable)) {
            return (directory, model, freed);
        }
    }
    panic!("there is always something in the second newest segment");
}

/// A database with few keys, all of them written again and again.
async fn rewritten(directory: &Path, rounds: u64) -> Model {
    let storage = Storage::open(directory, 8).unwrap();
    let mut model = Model::new();
    for round in 0..rounds {
        let mut writes = WriteSet::new();
        for number in 0..50 {
            let text = Text(format!("{round} {number} ").repeat(8));
            writes.put(Space::Users, &key(number), &text).unwrap();
            model.insert(key(number).to_vec(), text);
        }
        storage.commit(writes).await.unwrap();
        // Not several of them at once.
        storage.settle().await.unwrap();
    }
    drop(storage);
    wait_until_closed(&directory.join("db/db")).unwrap();
    model
}

/// The segments that opening a database frees.
fn freed_by_an_open(database: &Path) -> Vec<usize> {
    let opened = TempDir::new().unwrap();
    copy(database, opened.path());
    drop(Storage::open(opened.path(), 8).unwrap());
    let [before, after] = [database, opened.path()].map(|of| fs::read(of.join("db/db")).unwrap());
    let is_zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let segments = before.chunks(SEGMENT).zip(after.chunks(SEGMENT));
    let is_freed =
        |(_, (before, after)): &(usize, (&[u8], &[u8]))| is_zeros(after) && !is_zeros(before);
    let freed = segments.enumerate().filter(is_freed);
    freed.map(|(segment, _)| segment).collect()
}

/// The place of the segment in which the newest one's header says that the log was on disk.
fn stable_segment(database: &Path) -> Option<usize> {
    let log = fs::read(database.join("db/db")).unwrap();
    let headers = log
        .chunks(SEGMENT)
        .map(|segment| Header::read(segment).unwrap());
    let headers: Vec<_> = headers.collect();
    let newest = headers.iter().max_by_key(|header| header.lsn).unwrap();
    let stable = u64::try_from(newest.stable).unwrap() / SEGMENT as u64;
    let is_stable = |header: &Header| header.segment(SEGMENT as u64) == stable;
    headers.iter().position(is_stable)
}

/// Does everything that is done before sled opens a database that was not closed.
fn make_ready(directory: &Path) {
    let (_, mark) = MarkFile::open(&directory.join("mark")).unwrap().unwrap();
    let mark = mark.unwrap();
    let frames = journal::read(directory, &mark.database, mark.commits).unwrap();
    examine::before_open(directory, &mark, &frames).unwrap();
}
