//! Locks that somebody else has.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::storage::files::lock_within;
use crate::storage::open::wait_until_closed;

/// Processes that one test begins would have the locks of the others open for a moment.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn one_at_a_time() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

const LONG: Duration = Duration::from_mins(1);

fn open(path: &Path) -> File {
    File::open(path).unwrap()
}

#[test]
fn a_lock_that_is_let_go_of_is_taken_at_once_and_goes_with_its_file() {
    let _guard = one_at_a_time();
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
    let _guard = one_at_a_time();
    let file = NamedTempFile::new().unwrap();
    let holder = open(file.path());
    holder.try_lock().unwrap();
    assert!(!lock_within(&open(file.path()), Duration::from_millis(10)).unwrap());
    drop(holder);
    assert!(lock_within(&open(file.path()), LONG).unwrap());
}

/// Until a new process runs its program, it has all that was open in the one that began it.
#[test]
fn processes_that_begin_meanwhile_hold_nothing_up() {
    let _guard = one_at_a_time();
    let file = NamedTempFile::new().unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
        let free = (0..5000).all(|_| {
            let is_closed = wait_until_closed(file.path()).is_ok();
            is_closed && open(file.path()).try_lock().is_ok()
        });
        is_done.store(true, Ordering::Relaxed);
        assert!(free);
    });
}
