//! What a stop leaves of sled's files.

use std::fs;

use tempfile::TempDir;

use super::filled;
use crate::storage::log_file::format::{self, Header};
use crate::storage::segment_size::OF_NEW as SEGMENT;

/// What stands behind it is read again by the next start, up to where it is damaged.
#[actix::test]
async fn sled_has_written_down_all_of_its_log() {
    let directory = TempDir::new().unwrap();
    filled(directory.path(), true).await;
    let database = directory.path().join("db");
    let names = fs::read_dir(&database).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let snapshots: Vec<_> = names.filter(|name| name.starts_with("snap.")).collect();
    let [snapshot] = &snapshots[..] else {
        panic!("{snapshots:?}");
    };
    let end = u64::from_str_radix(&snapshot["snap.".len()..], 16).unwrap();
    let end = usize::try_from(end).unwrap();

    let log = fs::read(database.join("db")).unwrap();
    let mut segments = log.chunks(SEGMENT);
    let number =
        |segment: &[u8]| Header::read(segment).map(|header| header.segment(SEGMENT as u64));
    let last = segments.find(|segment| number(segment) == Some((end / SEGMENT) as u64));
    let last = last.unwrap();
    let behind = end % SEGMENT..last.len();
    assert!(!behind.is_empty());
    for at in behind {
        assert!(format::message(last, at).is_none(), "a message at {at}");
    }
}
