//! The store: one sled tree, atomic writes, and an fsync before anybody is answered.
//!
//! All owners share one tree, each with key spaces of its own ([`Space`]). That makes whatever an
//! operation changes one sled `Batch`, which is atomic, also when two owners are touched.
//!
//! sled's `flush` alone does not survive a power cut on Linux (it ends in `sync_file_range`), so
//! the committer adds an fsync of its own. See `docs/decisions/0003-one-tree-and-a-committer.md`.

mod committer;
mod data_dir;
mod record;
mod space;

use std::fs::{self, File};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use committer::Committer;
pub(crate) use data_dir::write_durably;
pub use data_dir::{DataDir, DataDirError};
pub use record::{Record, RecordError};
pub use space::Space;

/// The store of one node. Cloning it is cheap; the last clone closes it.
#[derive(Debug, Clone)]
pub struct Storage {
    tree: sled::Tree,
    committer: Arc<Committer>,
}

/// What can go wrong with the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A write or an fsync failed, now or earlier: nothing is written until a restart.
    #[error("the store takes no writes since one of them failed")]
    WritesRefused,
    /// The store could not be read.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// A record is not what it should be.
    #[error("a record in {space:?} is damaged: {error}")]
    Damaged {
        /// Where it stands.
        space: Space,
        /// What is wrong with it.
        error: RecordError,
    },
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// By sled.
    #[error("the database cannot be opened: {0}")]
    Sled(#[from] sled::Error),
    /// By the file system.
    #[error("the database cannot be opened: {0}")]
    Io(#[from] std::io::Error),
}

/// Everything that one operation changes: committed whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct WriteSet(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Storage {
    /// Opens or creates the store in `directory`, with a cache of `cache_mib` mebibytes.
    pub fn open(directory: &Path, cache_mib: u64) -> Result<Self, OpenError> {
        let config = sled::Config::new()
            .path(directory)
            .cache_capacity(cache_mib.saturating_mul(1024 * 1024));
        let db = open_when_closed(&config)?;
        // What was created must still have its name after a power cut.
        for entry in fs::read_dir(directory)? {
            File::open(entry?.path())?.sync_all()?;
        }
        File::open(directory)?.sync_all()?;
        let log_file = File::open(directory.join("db"))?;
        let tree = (*db).clone();
        Ok(Self {
            tree,
            committer: Arc::new(Committer::start(db, log_file)?),
        })
    }

    /// Applies `writes` at once, so that later reads by anybody see them, and returns a future
    /// that completes when they are on disk. Nobody may be told of them before that.
    pub fn commit(
        &self,
        writes: WriteSet,
    ) -> impl Future<Output = Result<(), StorageError>> + use<> {
        let applied = self.apply(writes);
        let committer = Arc::clone(&self.committer);
        async move {
            applied?;
            committer.sync().await
        }
    }

    fn apply(&self, writes: WriteSet) -> Result<(), StorageError> {
        if self.committer.has_failed() {
            return Err(StorageError::WritesRefused);
        }
        let mut batch = sled::Batch::default();
        for (key, value) in writes.0 {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.tree.apply_batch(batch).map_err(|error| {
            self.committer.fail(&error.to_string());
            StorageError::WritesRefused
        })
    }

    /// The record at `key`, if there is one.
    pub fn get<R: Record>(&self, space: Space, key: &[u8]) -> Result<Option<R>, StorageError> {
        let bytes = self.tree.get(space.key(key)).map_err(unreadable)?;
        bytes.map(|bytes| decode(space, &bytes)).transpose()
    }

    /// Whether there is a record at `key`.
    pub fn contains(&self, space: Space, key: &[u8]) -> Result<bool, StorageError> {
        self.tree.contains_key(space.key(key)).map_err(unreadable)
    }

    /// The record at `key` as the bytes that are stored.
    pub fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = self.tree.get(space.key(key)).map_err(unreadable)?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// All records whose key begins with `prefix`, in the order of their keys; each key without
    /// its space. Can be walked from the back.
    pub fn scan<R: Record>(
        &self,
        space: Space,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, R), StorageError>> + use<R> {
        records(space, self.tree.scan_prefix(space.key(prefix)))
    }

    /// All records with `from` ≤ key ≤ `to`, in the order of their keys; each key without its
    /// space. Can be walked from the back.
    pub fn range<R: Record>(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, R), StorageError>> + use<R> {
        records(space, self.tree.range(space.key(from)..=space.key(to)))
    }
}

/// sled closes on threads of its own, and holds its lock until they are done. That no other process
/// has the store is what the lock on the data directory is for.
fn open_when_closed(config: &sled::Config) -> Result<sled::Db, sled::Error> {
    let mut attempts = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if is_locked(&error) && attempts < 200 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

/// sled wraps the error of the lock in one of its own, as text.
fn is_locked(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn records<R: Record>(
    space: Space,
    entries: sled::Iter,
) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, R), StorageError>> {
    entries.map(move |entry| {
        let (key, value) = entry.map_err(unreadable)?;
        let key = key.get(1..).unwrap_or_default().to_vec();
        Ok((key, decode(space, &value)?))
    })
}

fn decode<R: Record>(space: Space, bytes: &[u8]) -> Result<R, StorageError> {
    R::from_bytes(bytes).map_err(|error| StorageError::Damaged { space, error })
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` asks for.
fn unreadable(error: sled::Error) -> StorageError {
    StorageError::Unreadable(error.to_string())
}

impl WriteSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record, or replaces the one at `key`.
    pub fn put<R: Record>(
        &mut self,
        space: Space,
        key: &[u8],
        record: &R,
    ) -> Result<(), StorageError> {
        let bytes = record.to_bytes();
        let bytes = bytes.map_err(|error| StorageError::Damaged { space, error })?;
        self.put_bytes(space, key, bytes);
        Ok(())
    }

    /// Adds a record that is encoded already.
    pub fn put_bytes(&mut self, space: Space, key: &[u8], bytes: Vec<u8>) {
        self.0.push((space.key(key), Some(bytes)));
    }

    /// Removes the record at `key`, if there is one.
    pub fn remove(&mut self, space: Space, key: &[u8]) {
        self.0.push((space.key(key), None));
    }

    /// Adds everything from `other`.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}
