//! The committer: one thread that makes applied writes durable, for everybody who waits, at once.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::StorageError;
use super::mark::{Mark, MarkFile};
use super::shield::{Trouble, is_somebody_stuck, let_go, shielded};

type Waiting = oneshot::Sender<Result<(), StorageError>>;

/// How often the watchdog looks.
const PERIOD: Duration = Duration::from_millis(500);

/// A handle to the threads; dropping it ends them and closes the database.
#[derive(Debug)]
pub(super) struct Committer {
    queue: Option<mpsc::Sender<Waiting>>,
    has_failed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Where commits go.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) db: sled::Db,
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
    /// Makes everything that was applied durable: counted, written, fsync'ed and marked.
    fn sync(&mut self) -> io::Result<()> {
        self.mark.commits += 1;
        let commits = self.mark.commits.to_be_bytes();
        let flushed = shielded(|| {
            self.counter.insert(COMMITS, &commits)?;
            self.db.flush()
        });
        flushed.map_err(|trouble| io::Error::other(trouble.to_string()))?;
        // `flush` ends in `sync_file_range`, which leaves the data in the disk's cache.
        self.log_file.sync_data()?;
        self.mark_file.write(&self.mark)
    }
}

impl Committer {
    /// Starts the threads.
    pub(super) fn start(mut disk: Disk) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel::<Waiting>();
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
            queue: Some(queue),
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

    /// Completes when everything that was applied before this call is on disk.
    pub(super) async fn sync(&self) -> Result<(), StorageError> {
        let (done, durable) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StorageError::WritesRefused)?;
        queue.send(done).map_err(|_| StorageError::WritesRefused)?;
        durable.await.map_err(|_| StorageError::WritesRefused)?
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the committer ended in a panic");
            }
        }
    }
}

fn run(disk: &mut Disk, waiting: &mpsc::Receiver<Waiting>, has_failed: &AtomicBool) {
    // One alone waits for one fsync, not for a timer; all who come during an fsync share the next.
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        group.extend(waiting.try_iter());
        let outcome = make_durable(disk, has_failed);
        for one in group {
            // Whoever has stopped waiting does not need to know.
            let _ = one.send(outcome.clone());
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

fn make_durable(disk: &mut Disk, has_failed: &AtomicBool) -> Result<(), StorageError> {
    // After a failed fsync the kernel may drop what it could not write, so trying again would
    // report success for lost data.
    if has_failed.load(Ordering::Acquire) {
        return Err(StorageError::WritesRefused);
    }
    disk.sync().map_err(|error| {
        note_failure(has_failed, &error.to_string());
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
