//! The committer: one thread that makes durable what was decided, for everybody who waits, at once.
//!
//! What is decided is seen by readers at once, is then put into the journal, whereupon those who
//! decided it are answered, and then into the database ([`super::applier`]).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::applier::{Applier, Batch, Database, ENOUGH};
use super::journal::Journal;
use super::mark::{Mark, MarkFile};
use super::pending::{Changes, Pending, size_of};
use super::shield::{Trouble, let_go};
use super::snapshot::Past;
use super::{StorageError, WriteSet};

/// Whom to tell what became of a commit: not at all if the threads end before.
pub(super) type Done = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// A commit on its way.
struct Order {
    number: u64,
    changes: Changes,
    waits_for: Goal,
    done: Done,
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// That it is on disk.
    Durable,
    /// That it is in the database, on disk there, with all that was before.
    Settled,
}

/// How those who commit send their orders: in the order of their numbers.
#[derive(Debug)]
struct Queue {
    orders: mpsc::Sender<Order>,
    newest: u64,
}

/// A handle to the threads; dropping it ends them and closes the database.
#[derive(Debug)]
pub(super) struct Committer {
    queue: Mutex<Option<Queue>>,
    pending: Arc<Pending>,
    has_failed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads have of the store.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) database: Database,
    pub(super) pending: Arc<Pending>,
    /// For the snapshot in progress, if there is one.
    pub(super) past: Arc<Mutex<Option<Past>>>,
    pub(super) writer: Writer,
}

/// Where commits become durable.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) mark_file: MarkFile,
    pub(super) mark: Mark,
}

impl Writer {
    /// Puts changes on disk; returns the number of this commit.
    fn write(&mut self, changes: &Changes) -> io::Result<u64> {
        let commits = self.mark.commits + 1;
        self.journal.append(commits, changes)?;
        self.mark.commits = commits;
        self.mark_file.write(&self.mark)?;
        Ok(commits)
    }
}

impl Committer {
    /// Starts the threads.
    pub(super) fn start(disk: Disk) -> io::Result<Self> {
        let (orders, waiting) = mpsc::channel();
        let (batches, written) = mpsc::channel();
        let pending = Arc::clone(&disk.pending);
        let has_failed = Arc::new(AtomicBool::new(false));
        let applier = Applier {
            database: disk.database,
            pending: disk.pending,
            past: disk.past,
            settled: Arc::clone(disk.writer.journal.settled()),
            has_failed: Arc::clone(&has_failed),
        };
        let mut writer = disk.writer;
        let committer = {
            let failed = Arc::clone(&has_failed);
            move || run(&mut writer, &waiting, &batches, &failed)
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = vec![
            thread("committer").spawn(committer)?,
            thread("applier").spawn(move || {
                let_go(applier.run(&written));
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

    /// The same, also once this is gone.
    pub(super) fn failure(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_failed)
    }

    /// Refuses all writes from now on.
    pub(super) fn fail(&self, reason: &str) {
        note_failure(&self.has_failed, reason);
    }

    /// What a failed read means: a disk that refuses to be read is not written to any more, either.
    pub(super) fn unreadable(&self, trouble: &Trouble) -> StorageError {
        if matches!(trouble, Trouble::Io(_)) {
            self.fail(&trouble.to_string());
            StorageError::WritesRefused
        } else {
            StorageError::Unreadable(trouble.to_string())
        }
    }

    /// Takes in a commit: reads see it at once. `done` is told when it is on disk.
    pub(super) fn commit(&self, writes: WriteSet, done: Done) {
        self.order(writes, Goal::Durable, done);
    }

    /// `done` is told when everything that was committed is in the database.
    pub(super) fn settle(&self, done: Done) {
        self.order(WriteSet::new(), Goal::Settled, done);
    }

    fn order(&self, writes: WriteSet, waits_for: Goal, done: Done) {
        let changes: Changes = writes
            .0
            .into_iter()
            .map(|(key, value)| (key, value.map(sled::IVec::from)))
            .collect();
        if let Err(done) = self.enqueue(changes, waits_for, done) {
            done(Err(StorageError::WritesRefused));
        }
    }

    /// Gives back whom to tell if nothing is taken any more.
    fn enqueue(&self, changes: Changes, waits_for: Goal, done: Done) -> Result<(), Done> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queue.as_mut().filter(|_| !self.has_failed()) else {
            return Err(done);
        };
        queue.newest += 1;
        let number = queue.newest;
        self.pending.add(number, &changes);
        let order = Order {
            number,
            changes,
            waits_for,
            done,
        };
        let sent = queue.orders.send(order);
        sent.map_err(|mpsc::SendError(order)| order.done)
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

fn run(
    writer: &mut Writer,
    waiting: &mpsc::Receiver<Order>,
    batches: &mpsc::Sender<Batch>,
    has_failed: &AtomicBool,
) {
    // One alone waits for one fsync, not for a timer; all who come meanwhile share the next write
    // and the next fsync.
    while let Ok(first) = waiting.recv() {
        let (mut batch, mut durable) = gather(first, waiting);
        let written = if has_failed.load(Ordering::Acquire) {
            Err("it failed before".to_owned())
        } else if batch.changes.is_empty() {
            // All that was before is on disk.
            Ok(None)
        } else {
            let written = writer.write(&batch.changes);
            written.map(Some).map_err(|error| error.to_string())
        };
        let outcome = match written {
            Ok(commits) => {
                batch.commits = commits;
                // The applier ends after this thread.
                let _ = batches.send(batch);
                Ok(())
            }
            Err(reason) => {
                note_failure(has_failed, &reason);
                // What is pending stays: the same keys may have values there that were acknowledged
                // before, and the journal may have this commit after all.
                durable.append(&mut batch.waiters);
                Err(StorageError::WritesRefused)
            }
        };
        for done in durable {
            done(outcome.clone());
        }
    }
}

/// All orders that wait now, and those among them that wait for the journal only.
fn gather(first: Order, waiting: &mpsc::Receiver<Order>) -> (Batch, Vec<Done>) {
    let mut batch = Batch::default();
    let mut durable = Vec::new();
    let mut next = Some(first);
    while let Some(order) = next {
        batch.size += size_of(&order.changes);
        // Not `append`, which builds the whole map anew for each.
        batch.changes.extend(order.changes);
        batch.newest = order.number;
        match order.waits_for {
            Goal::Durable => durable.push(order.done),
            Goal::Settled => batch.waiters.push(order.done),
        }
        next = (batch.size < ENOUGH)
            .then(|| waiting.try_recv().ok())
            .flatten();
    }
    (batch, durable)
}

/// Refuses all writes from now on, and says so once. After a failed fsync the kernel may drop what it could
/// not write, so trying again would report success for lost data.
pub(super) fn note_failure(has_failed: &AtomicBool, reason: &str) {
    if !has_failed.swap(true, Ordering::AcqRel) {
        tracing::error!(
            reason,
            "the disk failed: no more writes are taken; \
             make room or mend the disk, then restart the node"
        );
    }
}
