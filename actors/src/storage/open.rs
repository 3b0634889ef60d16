//! Opening and closing the store: a database that is not what it was is refused, not answered from.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::committer::{Committer, Disk, Writer};
use super::files::lock_within;
use super::journal::Journal;
use super::recovery::{NoMark, Prepared, prepare};
use super::shield::let_go;
use super::{Storage, compact, segment_size, sync_directory};

const MIB: u64 = 1024 * 1024;

/// sled's cache takes about two and a half times the memory that it is given, and answers slower than
/// what readers keep. So it is given one part of this many of what is allowed for caches, but
/// no less than it needs for the inner pages of its tree.
const SLEDS_PART: u64 = 24;
const SLEDS_LEAST: u64 = MIB;

/// How long sled may take to close its file.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);

/// The store could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// sled finds its files damaged, or not its own.
    #[error("the database in {} cannot be opened ({reason}); restore it from a backup", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What.
        reason: String,
    },
    /// The disk refuses to be read or written.
    #[error("the disk refuses the database in {}: {error}; make room or mend it, then try again", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
    /// It lacks writes that were acknowledged.
    #[error(
        "the database in {} has lost writes that were acknowledged: it ends at commit {found}, \
         and commit {expected} was on disk; restore it from a backup",
        path.display()
    )]
    Lost {
        /// Where.
        path: PathBuf,
        /// Its newest commit.
        found: u64,
        /// The newest that was on disk.
        expected: u64,
    },
    /// It is another one than the data directory had.
    #[error("{} is the database of another data directory; restore from a backup", .0.display())]
    Foreign(PathBuf),
    /// There is a mark, and no database.
    #[error("the database {} is missing; restore it from a backup", .0.display())]
    Missing(PathBuf),
    /// There is a database, and no mark that can be read.
    #[error(
        "{} is missing or damaged, so nobody can tell whether the database is whole: restore from \
         a backup, or accept what is there with: antiphon repair-indexes",
        .0.display()
    )]
    NoMark(PathBuf),
    /// The file system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
}

impl Storage {
    /// Opens or creates the store in `directory` (`db/`, `journal/` and `mark`), with a cache of `cache_mib`
    /// mebibytes.
    pub fn open(directory: &Path, cache_mib: u64) -> Result<Self, OpenError> {
        open(directory, cache_mib, NoMark::Refuse)
    }

    /// The same for a store whose mark is missing or damaged: what the database has counted is
    /// believed. Only for whoever looks at all of it next, and for databases without a mark, of
    /// format 1.
    pub fn open_without_mark(directory: &Path, cache_mib: u64) -> Result<Self, OpenError> {
        open(directory, cache_mib, NoMark::Replace)
    }

    /// What is allowed for caches, in bytes. Readers divide among them what sled's leaves of it.
    pub fn cache_bytes(&self) -> u64 {
        self.cache_mib.saturating_mul(MIB)
    }

    /// Closes the store, of which this must be the last clone, and notes that it was closed well.
    ///
    /// sled writes down what its log adds up to when it opens it, not when it closes it. So it is
    /// opened once more: the next start need not read the log, and does not depend on all of it
    /// being readable, but on the checksum of each page when that is read.
    pub fn close(self) -> Result<(), OpenError> {
        let (directory, cache_mib) = (self.directory.clone(), self.cache_mib);
        if !self.end() {
            return Ok(());
        }
        let_go(prepare(&directory, cache_mib, NoMark::Refuse)?.database);
        let at = |error| OpenError::Io {
            path: directory.to_path_buf(),
            error,
        };
        wait_until_closed(&directory.join("db").join("db")).map_err(at)?;
        compact::note_closed(&directory).map_err(at)
    }

    /// Ends the threads, after all that was committed has been put into the database; whether it was.
    pub(super) fn end(self) -> bool {
        let has_failed = self.committer.failure();
        drop(self);
        !has_failed.load(Ordering::Acquire)
    }
}

fn open(directory: &Path, cache_mib: u64, no_mark: NoMark) -> Result<Storage, OpenError> {
    let at = |error| OpenError::Io {
        path: directory.to_owned(),
        error,
    };
    let Prepared {
        database,
        mark_file,
        mark,
    } = prepare(directory, cache_mib, no_mark)?;
    let journal = match Journal::begin(directory, mark.database, mark.commits) {
        Ok(journal) => journal,
        Err(error) => {
            let_go(database);
            return Err(at(error));
        }
    };
    let tree = (*database.db).clone();
    let (pending, past) = (Arc::default(), Arc::default());
    let disk = Disk {
        database,
        pending: Arc::clone(&pending),
        past: Arc::clone(&past),
        writer: Writer {
            journal,
            mark_file,
            mark,
        },
    };
    Ok(Storage {
        tree,
        pending,
        past,
        directory: directory.into(),
        cache_mib,
        committer: Arc::new(Committer::start(disk).map_err(at)?),
    })
}

/// What was created must still have its name after a power cut.
pub(super) fn sync_all_files(database: &Path) -> io::Result<()> {
    sync_below(database)?;
    database.parent().map_or(Ok(()), sync_directory)
}

/// Also `blobs/`, in which sled has what is too large for its log: nothing that this version writes
/// (`record.rs`), but versions before it took larger KeyPackages.
fn sync_below(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let synced = if path.is_dir() {
            sync_below(&path)
        } else {
            File::open(&path).and_then(|file| file.sync_all())
        };
        match synced {
            // sled tidies up on threads of its own.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
    }
    sync_directory(directory)
}

/// Opens what sled has there, once it is closed. That no other process has the store is what the lock on
/// the data directory is for.
pub(super) fn open_when_closed(database: &Path, cache_mib: u64) -> Result<sled::Db, sled::Error> {
    match wait_until_closed(&database.join("db")) {
        // A new one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        waited => waited?,
    }
    sled::Config::new()
        .path(database)
        .segment_size(segment_size::of(database)?)
        // What sled would write and sync by itself, on a thread of its own, nobody here would know of: how
        // much there is between two fsyncs, and that one has failed.
        .flush_every_ms(None)
        .cache_capacity((cache_mib.saturating_mul(MIB) / SLEDS_PART).max(SLEDS_LEAST))
        .open()
}

/// Waits until sled, which closes on threads of its own, has let go of its file.
pub(super) fn wait_until_closed(log_file: &Path) -> io::Result<()> {
    let file = File::open(log_file)?;
    if lock_within(&file, CLOSING_LIMIT)? {
        // To close it is not enough: a child of this process that is just beginning has it open, too.
        return file.unlock();
    }
    Err(io::Error::other("sled does not close its file"))
}
