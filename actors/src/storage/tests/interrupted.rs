//! What an interrupted start leaves of sled's files.

use std::fs;

use tempfile::TempDir;

use super::{copy, filled, filled_with, read};
use crate::storage::{OpenError, Storage};

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

/// Each time sled opens its file, it writes zeros over all of it that is free.
#[actix::test]
async fn zeros_are_damage_unless_a_start_was_interrupted() {
    const SEGMENT: usize = 512 * 1024;
    let directory = TempDir::new().unwrap();
    // All of its pages are written again and again.
    let model = filled_with(directory.path(), 100, 1500, false).await;
    let killed = fs::read(directory.path().join("db/db")).unwrap();
    let opened = TempDir::new().unwrap();
    copy(directory.path(), opened.path());
    drop(Storage::open(opened.path(), 8).unwrap());
    let opened = fs::read(opened.path().join("db/db")).unwrap();
    let is_zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let segments = killed.chunks(SEGMENT).zip(opened.chunks(SEGMENT));
    let is_freed = |(before, after): (&[u8], &[u8])| is_zeros(after) && !is_zeros(before);
    let freed = (0..).zip(segments.map(is_freed));
    let freed: Vec<usize> = freed
        .filter_map(|(at, is_freed)| is_freed.then_some(at))
        .collect();
    assert!(!freed.is_empty());
    for (segment, from, to) in freed.iter().flat_map(|at| {
        [(at, 0, 4096), (at, 0, SEGMENT / 2), (at, 4096, 5120)]
            .map(|(at, from, to)| (*at, from, to))
    }) {
        let mut half = killed.clone();
        half[segment * SEGMENT + from..segment * SEGMENT + to].fill(0);
        fs::write(directory.path().join("db/db"), half).unwrap();
        let refused = Storage::open(directory.path(), 8).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        let again = TempDir::new().unwrap();
        copy(directory.path(), again.path());
        fs::write(again.path().join("opening"), "").unwrap();
        let storage = Storage::open(again.path(), 8).unwrap();
        assert_eq!(read(&storage), Ok(model.clone()));
        assert!(!again.path().join("opening").exists());
    }
}
