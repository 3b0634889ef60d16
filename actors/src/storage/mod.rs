//! The store: one sled tree, atomic writes, and an fsync before anybody is answered.
//!
//! All owners share one tree, each with key spaces of its own ([`Space`]), so that whatever an
//! operation changes is one commit, which is atomic, also when two owners are touched.
//!
//! A commit is made durable in the journal, and then put into the tree. See `docs/decisions/`: 3, 9,
//! 10 and 20.

mod applier;
mod committer;
mod compact;
mod data_dir;
mod examine;
mod files;
mod journal;
mod key;
mod log_file;
mod mark;
mod open;
mod pending;
mod record;
mod recovery;
mod segment_size;
mod shield;
mod slots;
mod snapshot;
mod space;
#[cfg(test)]
mod tests;
mod watchdog;
mod write_set;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use committer::{Committer, Done};
pub use compact::Compacted;
pub use data_dir::{DataDir, DataDirError, Exposed, FORMAT, Unfinished};
pub use files::fill_durably;
pub(crate) use files::write_durably;
use files::{create_private, sync_directory};
pub(crate) use key::{key, numbers};
pub use open::OpenError;
use pending::{Merged, Pending};
pub use record::{Record, RecordError};
pub(crate) use record::{decode_fields, encode_fields};
use shield::{Shielded, shielded};
pub(crate) use slots::{Slot, Slots};
use snapshot::Past;
pub use snapshot::{RawRecord, Snapshot};
pub use space::Space;
use tokio::sync::oneshot;
pub use write_set::WriteSet;

/// How many records are removed in one commit.
const CLEARED_AT_ONCE: usize = 1024;

/// How often a page is read that will hardly be read again, but for the time when it is wanted.
const COUNTING_READS: usize = 3;

/// How many bytes of the disk are not used for what only makes answers faster: the journal and the
/// database go first.
const LEFT_FREE: u64 = 512 * 1024 * 1024;

/// The store of one node. Cloning it is cheap; the last clone closes it.
#[derive(Debug, Clone)]
pub struct Storage {
    tree: sled::Tree,
    /// What is decided and not in `tree` yet.
    pending: Arc<Pending>,
    /// For the snapshot in progress, if there is one.
    past: Arc<Mutex<Option<Past>>>,
    // Shared, since each append clones this.
    directory: Arc<Path>,
    cache_mib: u64,
    // Dropped last: the committer closes the database, once nobody else has a handle of it.
    committer: Arc<Committer>,
}

/// What can go wrong with the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The disk refused something, now or earlier: nothing is written until a restart.
    #[error("the store takes no writes since the disk failed")]
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

impl Storage {
    /// Takes `writes` in, so that later reads by anybody see them, and returns a future that
    /// completes when they are on disk. Nobody may be told of them before that.
    pub fn commit(
        &self,
        writes: WriteSet,
    ) -> impl Future<Output = Result<(), StorageError>> + use<> {
        let (done, durable) = promised();
        self.committer.commit(writes, done);
        durable
    }

    /// The same for who has nothing to wait with: `tell` is called when they are on disk, on the thread that
    /// put them there, which others wait for.
    pub(crate) fn commit_and_tell(
        &self,
        writes: WriteSet,
        tell: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        self.committer.commit(writes, Box::new(tell));
    }

    /// Completes when everything that was committed before is in the database, and on disk there.
    fn settle(&self) -> impl Future<Output = Result<(), StorageError>> + use<> {
        let (done, settled) = promised();
        self.committer.settle(done);
        settled
    }

    /// Whether writes are taken: none are after one has failed.
    pub fn takes_writes(&self) -> bool {
        !self.committer.has_failed()
    }

    /// Whether something is decided and not in the database yet.
    #[cfg(test)]
    fn is_writing(&self) -> bool {
        !self.pending.is_empty()
    }

    /// A place for what was read, until the end of this process; none where the file system has no files
    /// without a name.
    pub(crate) fn slots(&self) -> Option<Slots> {
        let slots = Slots::create_in(&self.directory, LEFT_FREE);
        slots.inspect_err(slots::warn).ok()
    }

    /// The record at `key`, if there is one.
    pub fn get<R: Record>(&self, space: Space, key: &[u8]) -> Result<Option<R>, StorageError> {
        let bytes = self.read(&space.key(key))?;
        bytes.map(|bytes| decode(space, &bytes)).transpose()
    }

    /// Like [`Self::get`], for one of so many records that its page will hardly be read again soon.
    pub fn get_one_of_many<R: Record>(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<R>, StorageError> {
        self.count_page(space, key)?;
        self.get(space, key)
    }

    /// Has sled count the page of a key towards its cache, before what is there is read: for a page that will
    /// hardly be read again soon.
    ///
    /// sled has its pages in 256 groups. It looks how much memory a group takes only after 64 reads in
    /// it, and keeps all that was read until then, however little it was given. So each page is read
    /// four times, and a quarter as many are kept (docs/decisions/0047).
    pub fn count_page(&self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        for _ in 0..COUNTING_READS {
            self.contains(space, key)?;
        }
        Ok(())
    }

    /// Whether there is a record at `key`.
    pub fn contains(&self, space: Space, key: &[u8]) -> Result<bool, StorageError> {
        Ok(self.read(&space.key(key))?.is_some())
    }

    /// The record at `key` as the bytes that are stored.
    pub fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = self.read(&space.key(key))?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// All records whose key begins with `prefix`, as the bytes that are stored, in the order of
    /// their keys; each key without its space.
    pub fn scan_bytes(
        &self,
        space: Space,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StorageError>> + use<> {
        let prefix = space.key(prefix);
        let entries = Merged::with_prefix(&self.tree, &self.pending, &prefix);
        self.without_space(entries).map(|entry| {
            let (key, value) = entry?;
            Ok((key, value.to_vec()))
        })
    }

    /// Removes everything in a space.
    pub(crate) async fn clear(&self, space: Space) -> Result<(), StorageError> {
        loop {
            let mut writes = WriteSet::new();
            for found in self.scan_bytes(space, &[]).take(CLEARED_AT_ONCE) {
                writes.remove(space, &found?.0);
            }
            if writes.is_empty() {
                return Ok(());
            }
            self.commit(writes).await?;
        }
    }

    /// The numbers of spaces that have records and that this program does not know.
    pub(crate) fn unknown_spaces(&self) -> Result<Vec<u8>, StorageError> {
        let mut unknown = Vec::new();
        for number in (0..=u8::MAX).filter(|number| Space::numbered(*number).is_none()) {
            if let Some(found) = Shielded(self.tree.scan_prefix([number])).next() {
                found.map_err(|trouble| self.committer.unreadable(&trouble))?;
                unknown.push(number);
            }
        }
        Ok(unknown)
    }

    /// All records whose key begins with `prefix`, in the order of their keys; each key without
    /// its space. Can be walked from the back.
    pub fn scan<R: Record>(
        &self,
        space: Space,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, R), StorageError>> + use<R> {
        let prefix = space.key(prefix);
        self.records(
            space,
            Merged::with_prefix(&self.tree, &self.pending, &prefix),
        )
    }

    /// All records with `from` ≤ key ≤ `to`, in the order of their keys; each key without its
    /// space. Can be walked from the back.
    pub fn range<R: Record>(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, R), StorageError>> + use<R> {
        let (from, to) = (space.key(from), space.key(to));
        self.records(
            space,
            Merged::between(&self.tree, &self.pending, &from, &to),
        )
    }

    /// The keys with `from` ≤ key ≤ `to`, in order, each without its space: also of records that cannot be
    /// read.
    pub fn keys(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Result<Vec<u8>, StorageError>> + use<> {
        let (from, to) = (space.key(from), space.key(to));
        let entries = Merged::between(&self.tree, &self.pending, &from, &to);
        self.without_space(entries).map(|entry| Ok(entry?.0))
    }

    fn records<R: Record>(
        &self,
        space: Space,
        entries: Merged,
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, R), StorageError>> + use<R> {
        self.without_space(entries).map(move |entry| {
            let (key, value) = entry?;
            Ok((key, decode(space, &value)?))
        })
    }

    fn without_space(
        &self,
        entries: Merged,
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, sled::IVec), StorageError>> + use<> {
        let committer = Arc::clone(&self.committer);
        entries.map(move |entry| {
            let (key, value) = entry.map_err(|trouble| committer.unreadable(&trouble))?;
            Ok((key.get(1..).unwrap_or_default().to_vec(), value))
        })
    }

    fn read(&self, key: &[u8]) -> Result<Option<sled::IVec>, StorageError> {
        // In this order: what leaves the first is in the second by then.
        if let Some(change) = self.pending.get(key) {
            return Ok(change.value);
        }
        shielded(|| self.tree.get(key)).map_err(|trouble| self.committer.unreadable(&trouble))
    }
}

/// Whom the committer tells, and who waits for that.
fn promised() -> (Done, impl Future<Output = Result<(), StorageError>>) {
    let (tell, told) = oneshot::channel();
    let done = Box::new(|outcome| {
        // Whoever has stopped waiting does not need to know.
        let _ = tell.send(outcome);
    });
    let told = async move { told.await.map_err(|_| StorageError::WritesRefused)? };
    (done, told)
}

fn decode<R: Record>(space: Space, bytes: &[u8]) -> Result<R, StorageError> {
    R::from_bytes(bytes).map_err(|error| StorageError::Damaged { space, error })
}
