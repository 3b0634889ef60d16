//! The applier: one thread that puts what is in the journal into the database, many commits at once.
//!
//! sled seals, writes and syncs at some cost; since the journal has what was acknowledged, that is done
//! once for all of some milliseconds. Meanwhile whoever reads finds it in
//! [`Pending`].

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sled::IVec;

use super::StorageError;
use super::committer::{Done, note_failure};
use super::pending::{Changes, Pending};
use super::shield::{Trouble, shielded};
use super::snapshot::Past;
use super::watchdog::Watchdog;

/// How long commits are gathered.
const PERIOD: Duration = Duration::from_millis(20);

/// How many bytes of changes are enough to put them into the database.
pub(super) const ENOUGH: usize = 256 * 1024;

/// How much log sled may write between two fsyncs, by what changes are reckoned to make it write
/// ([`weight`]): this many parts of [`PARTS`] of a segment. sled takes for durable what is only on its way to the
/// disk, and writes over a segment of its log once what lived there is elsewhere and two more segments are
/// full. With this it has written 1.4 segments of 512 KiB at most, and 0.7 of 2 MiB, also among the longest
/// values there can be.
const UNSYNCED: usize = 3;
const PARTS: usize = 4;

/// How much log it makes sled write that a value comes or goes, in bytes. A page is rewritten whole by some of
/// its changes, and for each that is, sled moves another out of a segment that it wants to use again:
/// 5 KiB were measured for each of many values of 900 bytes that went, up to 11 for each that came, and
/// what else is in their pages is mostly as long.
fn weight(value: Option<&IVec>) -> usize {
    4096 + 8 * value.map_or(0, |value| value.len())
}

/// Where the counter stands in its tree.
pub(super) const COMMITS: &[u8] = b"commits";

/// Commits that are on disk in the journal.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) changes: Changes,
    /// About how many bytes these have.
    pub(super) size: usize,
    /// The newest of its orders.
    pub(super) newest: u64,
    /// How many commits the database has with it; none if there is nothing to commit.
    pub(super) commits: Option<u64>,
    /// Who waits until it is settled, with all that was before.
    pub(super) waiters: Vec<Done>,
}

impl Batch {
    /// Adds what comes after it.
    fn join(&mut self, next: Self) {
        self.changes.extend(next.changes);
        self.size += next.size;
        self.newest = next.newest;
        self.commits = next.commits.or(self.commits);
        self.waiters.extend(next.waiters);
    }

    /// Whether it need not wait for more.
    fn is_enough(&self) -> bool {
        self.size >= ENOUGH || !self.waiters.is_empty()
    }
}

/// How many commits are settled: on disk in the database itself.
#[derive(Debug)]
pub(super) struct Settled {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    count: u64,
    /// Whether there will be no more.
    has_ended: bool,
}

impl Settled {
    pub(super) fn new(count: u64) -> Self {
        let has_ended = false;
        Self {
            state: Mutex::new(State { count, has_ended }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.state().count
    }

    /// Waits until so many are; fails if that will not be.
    pub(super) fn wait_for(&self, count: u64) -> io::Result<()> {
        let waited = self.changed.wait_while(self.state(), |state| {
            state.count < count && !state.has_ended
        });
        if waited.unwrap_or_else(PoisonError::into_inner).count < count {
            return Err(io::Error::other("the database takes no more"));
        }
        Ok(())
    }

    fn reach(&self, count: u64) {
        self.state().count = count;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.state().has_ended = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// However the thread ends, nobody goes on waiting for it.
struct Ended(Arc<Settled>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The database, as whoever writes to it has it.
#[derive(Debug)]
pub(super) struct Database {
    // Dropped before the handles.
    pub(super) _watchdog: Watchdog,
    pub(super) db: sled::Db,
    /// The tree beside the records that counts the commits.
    pub(super) counter: sled::Tree,
    /// The file that holds every tree of `db`.
    pub(super) log_file: File,
    /// How long a segment of that is, in bytes.
    pub(super) segment_size: usize,
}

impl Database {
    /// Puts changes into the database, and then the count of commits. Where that ends in between, the
    /// journal has them all, and they are put there again.
    pub(super) fn apply(&self, changes: &Changes, commits: u64) -> Result<(), Trouble> {
        self.put(changes)?;
        self.count(commits)
    }

    /// Puts changes into the database, in the order of keys: in another, as in a batch of sled's, a page
    /// comes to lie in several pieces. All but the last of them are on disk when this returns.
    pub(super) fn put(&self, changes: &Changes) -> Result<(), Trouble> {
        let mut rest = changes.iter().peekable();
        loop {
            shielded(|| self.put_some(&mut rest))?;
            if rest.peek().is_none() {
                return Ok(());
            }
            self.sync().map_err(Trouble::Io)?;
        }
    }

    /// Puts in as many as there may be between two fsyncs.
    fn put_some<'a>(
        &self,
        changes: &mut impl Iterator<Item = (&'a Vec<u8>, &'a Option<IVec>)>,
    ) -> Result<(), sled::Error> {
        let (mut keys, mut written) = (Vec::new(), 0);
        while written < self.segment_size / PARTS * UNSYNCED
            && let Some((key, value)) = changes.next()
        {
            let before = match value {
                Some(value) => self.db.insert(key.as_slice(), value)?,
                None => self.db.remove(key.as_slice())?,
            };
            written += weight(value.as_ref()).max(weight(before.as_ref()));
            keys.push(key);
        }
        // A page that has grown or shrunk too much is split or merged by whoever comes to it
        // next. Were that a reader after a write has failed, sled would refuse it, too.
        for key in keys {
            self.db.contains_key(key)?;
        }
        Ok(())
    }

    /// Says in the database how many commits it has.
    pub(super) fn count(&self, commits: u64) -> Result<(), Trouble> {
        shielded(|| self.counter.insert(COMMITS, &commits.to_be_bytes())).map(drop)
    }

    /// Makes everything that was applied durable: written and fsync'ed.
    pub(super) fn sync(&self) -> io::Result<()> {
        shielded(|| self.db.flush())?;
        // `flush` ends in `sync_file_range`, which leaves the data in the disk's cache.
        self.log_file.sync_data()
    }
}

/// What the thread works on.
#[derive(Debug)]
pub(super) struct Applier {
    pub(super) database: Database,
    pub(super) pending: Arc<Pending>,
    /// For the snapshot in progress, if there is one.
    pub(super) past: Arc<Mutex<Option<Past>>>,
    pub(super) settled: Arc<Settled>,
    pub(super) has_failed: Arc<AtomicBool>,
}

impl Applier {
    /// Takes batches until there are no more; returns the database to be let go of.
    pub(super) fn run(self, batches: &mpsc::Receiver<Batch>) -> Database {
        let _ended = Ended(Arc::clone(&self.settled));
        while let Ok(mut batch) = batches.recv() {
            let until = Instant::now() + PERIOD;
            while !batch.is_enough()
                && let Ok(next) =
                    batches.recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                batch.join(next);
            }
            let outcome = self.settle(&batch);
            for done in batch.waiters {
                done(outcome.clone());
            }
        }
        self.database
    }

    fn settle(&self, batch: &Batch) -> Result<(), StorageError> {
        let applied = if self.has_failed.load(Ordering::Acquire) {
            Err("it failed before".to_owned())
        } else {
            batch
                .commits
                .map_or(Ok(()), |commits| self.apply(batch, commits))
        };
        applied.map_err(|reason| {
            note_failure(&self.has_failed, &reason);
            self.settled.end();
            StorageError::WritesRefused
        })
    }

    fn apply(&self, batch: &Batch, commits: u64) -> Result<(), String> {
        let said = |trouble: Trouble| trouble.to_string();
        {
            // Held until all of it is in the database, fsyncs included: a snapshot that is to begin waits.
            let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(past) = past.as_mut() {
                past.remember(&self.database.db, &batch.changes)
                    .map_err(said)?;
            }
            self.database.apply(&batch.changes, commits).map_err(said)?;
        }
        // Not where that failed: what was acknowledged goes on being seen.
        self.pending.forget(&batch.changes, batch.newest);
        self.database.sync().map_err(|error| error.to_string())?;
        self.settled.reach(commits);
        Ok(())
    }
}
