//! The committer: one thread that writes what was decided and makes it durable, for everybody who
//! waits, at once.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sled::Transactional as _;
use sled::transaction::TransactionError;
use tokio::sync::oneshot;

use super::mark::{Mark, MarkFile};
use super::pending::{Changes, Pending};
use super::shield::{Trouble, is_somebody_stuck, let_go, shielded};
use super::snapshot::Past;
use super::{StorageError, WriteSet};

/// A commit on its way.
struct Order {
    number: u64,
    changes: Changes,
    done: oneshot::Sender<Result<(), StorageError>>,
}

/// How those who commit send their orders: in the order of their numbers.
#[derive(Debug)]
struct Queue {
    orders: mpsc::Sender<Order>,
    newest: u64,
}

/// How often the watchdog looks.
const PERIOD: Duration = Duration::from_millis(500);

/// A handle to the threads; dropping it ends them and closes the database.
#[derive(Debug)]
pub(super) struct Committer {
    queue: Mutex<Option<Queue>>,
    pending: Arc<Pending>,
    has_failed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Where commits go.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) db: sled::Db,
    pub(super) pending: Arc<Pending>,
    /// For the snapshot in progress, if there is one.
    pub(super) past: Arc<Mutex<Option<Past>>>,
    /// The tree beside the records that counts the commits.
    pub(super) counter: sled::Tree,
    /// The file that holds every tree of `db`.
    pub(super) log_file: File,
    pub(super) mark_file: MarkFile,
    pub(super) mark: Mark,
}

/// What the watchdog writes, beside the counter.
const WATCHDOG: &[u8] = b"watchdog";

/// Where the counter stands in its tree.
pub(super) const COMMITS: &[u8] = b"commits";

impl Disk {
    /// Puts changes into the database with the count of this commit, all of it or nothing.
    ///
    /// One transaction over both trees, so that sled seals, and then writes, once: a batch and a
    /// counter by themselves were two writes, each of which the disk waited for.
    fn apply(&mut self, changes: &Changes) -> Result<(), Trouble> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(past) = past.as_mut() {
            past.remember(&self.db, changes)?;
        }
        self.mark.commits += 1;
        let commits = self.mark.commits.to_be_bytes();
        shielded(|| {
            let trees = (&*self.db, &self.counter);
            let applied = trees.transaction(|(records, counter)| {
                for (key, value) in changes {
                    match value {
                        Some(value) => records.insert(key.as_slice(), value)?,
                        None => records.remove(key.as_slice())?,
                    };
                }
                counter.insert(COMMITS, &commits)?;
                Ok(())
            });
            applied.map_err(|error: TransactionError<Infallible>| match error {
                TransactionError::Storage(error) => error,
                TransactionError::Abort(never) => match never {},
            })?;
            // A page that has grown or shrunk too much is split or merged by whoever comes to it
            // next. Were that a reader after a write has failed, sled would refuse it, too.
            for key in changes.keys() {
                self.db.contains_key(key)?;
            }
            Ok(())
        })
    }

    /// Makes everything that was applied durable: written, fsync'ed and marked.
    fn sync(&mut self) -> io::Result<()> {
        let flushed = shielded(|| self.db.flush());
        flushed.map_err(|trouble| io::Error::other(trouble.to_string()))?;
        // `flush` ends in `sync_file_range`, which leaves the data in the disk's cache.
        self.log_file.sync_data()?;
        self.mark_file.write(&self.mark)
    }
}

impl Committer {
    /// Starts the threads.
    pub(super) fn start(mut disk: Disk) -> io::Result<Self> {
        let (orders, waiting) = mpsc::channel();
        let pending = Arc::clone(&disk.pending);
        let has_failed = Arc::new(AtomicBool::new(false));
        let counter = disk.counter.clone();
        let (alive, ended) = mpsc::channel::<()>();
        let committer = {
            let failed = Arc::clone(&has_failed);
            move || {
                run(&mut disk, &waiting, &failed);
                drop(alive);
                let_go(disk);
            }
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = vec![
            thread("committer").spawn(committer)?,
            thread("watchdog").spawn(move || {
                watch(&counter, &ended);
                let_go(counter);
            })?,
        ];
        Ok(Self {
            queue: Mutex::new(Some(Queue { orders, newest: 0 })),
            pending,
            has_failed,
            threads,
        })
    }

    /// Whether a write or an fsync has failed since the start.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Refuses all writes from now on.
    pub(super) fn fail(&self, reason: &str) {
        note_failure(&self.has_failed, reason);
    }

    /// What a failed read means: a disk that refuses to be read is not written to any more, either.
    pub(super) fn unreadable(&self, trouble: &Trouble) -> StorageError {
        if trouble.is_io {
            self.fail(&trouble.to_string());
            StorageError::WritesRefused
        } else {
            StorageError::Unreadable(trouble.to_string())
        }
    }

    /// Takes in a commit: reads see it at once. What is returned completes when it is on disk.
    pub(super) fn commit(
        &self,
        writes: WriteSet,
    ) -> Result<oneshot::Receiver<Result<(), StorageError>>, StorageError> {
        if self.has_failed() {
            return Err(StorageError::WritesRefused);
        }
        let changes: Changes = writes
            .0
            .into_iter()
            .map(|(key, value)| (key, value.map(sled::IVec::from)))
            .collect();
        let (done, durable) = oneshot::channel();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_mut().ok_or(StorageError::WritesRefused)?;
        queue.newest += 1;
        let number = queue.newest;
        self.pending.add(number, &changes);
        let order = Order {
            number,
            changes,
            done,
        };
        let sent = queue.orders.send(order);
        sent.map_err(|_| StorageError::WritesRefused)?;
        Ok(durable)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let queue = self.queue.get_mut();
        drop(queue.unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the committer ended in a panic");
            }
        }
    }
}

fn run(disk: &mut Disk, waiting: &mpsc::Receiver<Order>, has_failed: &AtomicBool) {
    // One alone waits for one fsync, not for a timer; all who come meanwhile share the next write
    // and the next fsync.
    while let Ok(first) = waiting.recv() {
        let mut changes = Changes::new();
        let mut waiters = Vec::new();
        let mut newest = 0;
        for order in iter::once(first).chain(waiting.try_iter()) {
            // Not `append`, which builds the whole map anew for each.
            changes.extend(order.changes);
            newest = order.number;
            waiters.push(order.done);
        }
        let outcome = make_durable(disk, &changes, newest, has_failed);
        for waiter in waiters {
            // Whoever has stopped waiting does not need to know.
            let _ = waiter.send(outcome.clone());
        }
    }
}

/// Wakes whoever sleeps for ever in sled. When one of its threads fails to write, it notes the error
/// and may not tell those who wait for that write; the next write of anybody does.
fn watch(counter: &sled::Tree, ended: &mpsc::Receiver<()>) {
    while ended.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
        if is_somebody_stuck()
            && let Err(trouble) = shielded(|| counter.insert(WATCHDOG, &[]))
        {
            tracing::debug!(%trouble, "those who slept in the database were woken");
        }
    }
}

fn make_durable(
    disk: &mut Disk,
    changes: &Changes,
    newest: u64,
    has_failed: &AtomicBool,
) -> Result<(), StorageError> {
    // After a failed fsync the kernel may drop what it could not write, so trying again would
    // report success for lost data.
    let applied = if has_failed.load(Ordering::Acquire) {
        Err("it failed before".to_owned())
    } else {
        disk.apply(changes).map_err(|trouble| trouble.to_string())
    };
    disk.pending.forget(changes, newest);
    applied
        .and_then(|()| disk.sync().map_err(|error| error.to_string()))
        .map_err(|reason| {
            note_failure(has_failed, &reason);
            StorageError::WritesRefused
        })
}

fn note_failure(has_failed: &AtomicBool, reason: &str) {
    if !has_failed.swap(true, Ordering::AcqRel) {
        tracing::error!(
            reason,
            "the disk failed: no more writes are taken; \
             make room or mend the disk, then restart the node"
        );
    }
}
