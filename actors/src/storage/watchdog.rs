//! The watchdog: wakes whoever sleeps for ever in sled.
//!
//! When one of sled's threads fails to write, it notes the error and may not tell those who wait for
//! that write; the next write of anybody does.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::shield::{is_somebody_stuck, shielded};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(500);

/// What it writes, beside the counter of commits.
const KEY: &[u8] = b"watchdog";

/// Watches until `ended` says so.
pub(super) fn watch(counter: &sled::Tree, ended: &Receiver<()>) {
    while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        if is_somebody_stuck()
            && let Err(trouble) = shielded(|| counter.insert(KEY, &[]))
        {
            tracing::debug!(%trouble, "those who slept in the database were woken");
        }
    }
}
