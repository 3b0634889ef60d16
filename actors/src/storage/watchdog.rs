//! The watchdog: wakes whoever sleeps for ever in sled.
//!
//! When one of sled's threads fails to write, it notes the error and may not tell those who wait for
//! that write; the next write of anybody does.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::shield::{is_somebody_stuck, let_go, shielded};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(500);

/// What it writes, beside the counter of commits.
const KEY: &[u8] = b"watchdog";

/// Watches an open database. It has a handle of it, and must be dropped before the others.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Both are there until it is dropped.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(super) fn start(counter: sled::Tree) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("watchdog".to_owned());
        let thread = thread.spawn(move || {
            watch(&counter, &ended);
            let_go(counter);
        })?;
        Ok(Self {
            alive: Some(alive),
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watchdog ended in a panic");
        }
    }
}

/// Watches until `ended` says so.
fn watch(counter: &sled::Tree, ended: &Receiver<()>) {
    while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        if is_somebody_stuck()
            && let Err(trouble) = shielded(|| counter.insert(KEY, &[]))
        {
            tracing::debug!(%trouble, "those who slept in the database were woken");
        }
    }
}
