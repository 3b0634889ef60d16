//! The committer: one thread that makes applied writes durable, for everybody who waits, at once.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::StorageError;

type Waiting = oneshot::Sender<Result<(), StorageError>>;

/// A handle to the thread; dropping it ends the thread and closes the database.
#[derive(Debug)]
pub(super) struct Committer {
    queue: Option<mpsc::Sender<Waiting>>,
    has_failed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread. `log_file` is the file that holds every tree of `db`.
    pub(super) fn start(db: sled::Db, log_file: File) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel::<Waiting>();
        let has_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&has_failed);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || run(&db, &log_file, &waiting, &failed))?;
        Ok(Self {
            queue: Some(queue),
            has_failed,
            thread: Some(thread),
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
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the committer ended in a panic");
        }
    }
}

fn run(db: &sled::Db, log_file: &File, waiting: &mpsc::Receiver<Waiting>, has_failed: &AtomicBool) {
    // One alone waits for one fsync, not for a timer; all who come during an fsync share the next.
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        group.extend(waiting.try_iter());
        let outcome = make_durable(db, log_file, has_failed);
        for one in group {
            // Whoever has stopped waiting does not need to know.
            let _ = one.send(outcome.clone());
        }
    }
}

fn make_durable(
    db: &sled::Db,
    log_file: &File,
    has_failed: &AtomicBool,
) -> Result<(), StorageError> {
    // After a failed fsync the kernel may drop what it could not write, so trying again would
    // report success for lost data.
    if has_failed.load(Ordering::Acquire) {
        return Err(StorageError::WritesRefused);
    }
    let flushed = db.flush().map_err(|error| error.to_string());
    let synced = flushed.and_then(|_| log_file.sync_data().map_err(|error| error.to_string()));
    synced.map_err(|error| {
        note_failure(has_failed, &error);
        StorageError::WritesRefused
    })
}

fn note_failure(has_failed: &AtomicBool, reason: &str) {
    if !has_failed.swap(true, Ordering::AcqRel) {
        tracing::error!(
            reason,
            "a write to the store failed: no more writes are taken; \
             check the disk's space and health, then restart the node"
        );
    }
}
