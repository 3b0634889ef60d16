//! Locks that somebody else has.

use std::fs::File;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::storage::files::lock_within;

const LONG: Duration = Duration::from_mins(1);

fn open(path: &Path) -> File {
    File::open(path).unwrap()
}

#[test]
fn a_lock_that_is_let_go_of_is_taken_at_once_and_goes_with_its_file() {
    let file = NamedTempFile::new().unwrap();
    for _ in 0..500 {
        let holder = open(file.path());
        holder.try_lock().unwrap();
        let together = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mine = open(file.path());
                together.wait();
                assert!(lock_within(&mine, LONG).unwrap());
            });
            together.wait();
            drop(holder);
        });
        open(file.path()).try_lock().unwrap();
    }
}

#[test]
fn a_lock_that_is_not_let_go_of_in_time_is_not_taken_later() {
    let file = NamedTempFile::new().unwrap();
    let holder = open(file.path());
    holder.try_lock().unwrap();
    assert!(!lock_within(&open(file.path()), Duration::from_millis(10)).unwrap());
    drop(holder);
    assert!(lock_within(&open(file.path()), LONG).unwrap());
}
