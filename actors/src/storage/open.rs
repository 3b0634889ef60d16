//! Opening and closing the store: a database that is not what it was is refused, not answered from.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_core::{OsRng, RngCore as _};

use super::committer::{COMMITS, Committer, Disk};
use super::files::{lock_soon, try_again};
use super::mark::{Mark, MarkFile};
use super::shield::{Trouble, let_go, shielded};
use super::{Storage, compact, create_private, log_file, sync_directory};

const MIB: u64 = 1024 * 1024;

/// sled's cache takes about two and a half times the memory that it is given, and answers slower than
/// what readers keep. So it is given one part of this many of what is allowed for caches.
const SLEDS_PART: u64 = 8;

/// Where the database's name for itself stands, beside the counter.
pub(super) const NAME: &[u8] = b"database";

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

/// What to do where the mark is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoMark {
    Refuse,
    /// Believe the database.
    Replace,
}

impl Storage {
    /// Opens or creates the store in `directory` (`db/` and `mark`), with a cache of `cache_mib`
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
        let has_failed = self.committer.has_failed();
        drop(self);
        if has_failed {
            return Ok(());
        }
        drop(Self::open(&directory, cache_mib)?);
        let at = |error| OpenError::Io {
            path: directory.clone(),
            error,
        };
        wait_until_closed(&directory.join("db").join("db")).map_err(at)?;
        compact::note_closed(&directory).map_err(at)
    }
}

fn open(directory: &Path, cache_mib: u64, no_mark: NoMark) -> Result<Storage, OpenError> {
    let database = directory.join("db");
    let at = |error| OpenError::Io {
        path: directory.to_owned(),
        error,
    };
    create_private(directory).map_err(at)?;
    compact::settle(directory).map_err(at)?;
    let (mut mark_file, mut mark, is_believed) = find_mark(directory, &database, no_mark)?;
    let is_new = mark.commits == 0;
    if is_new && database.exists() {
        // Its creation was interrupted, before anything could be written to it.
        fs::remove_dir_all(&database).map_err(at)?;
    }
    let damaged = |trouble: Trouble| OpenError::Damaged {
        path: database.clone(),
        reason: trouble.to_string(),
    };
    if !is_new {
        check_files(&database, &mark)?;
    }
    let config = configuration(&database, cache_mib);
    let opened = shielded(|| {
        let db = open_when_closed(&config)?;
        let counter = db.open_tree("mark")?;
        if is_new {
            counter.insert(NAME, &mark.database)?;
            counter.insert(COMMITS, &1_u64.to_be_bytes())?;
            db.flush()?;
        }
        let name = counter.get(NAME)?;
        let commits = counter.get(COMMITS)?;
        Ok((db, counter, name, commits))
    });
    let (db, counter, name, commits) = opened.map_err(damaged)?;
    let found = Found {
        name,
        commits: commits.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?))),
    };
    let agreed = agree(&database, &counter, &found, &mut mark, is_believed).and_then(|()| {
        let log_file = sync_all_files(&database).map_err(at)?;
        mark_file
            .write(&mark)
            .and_then(|()| mark_file.sync())
            .map_err(at)?;
        Ok(log_file)
    });
    let log_file = match agreed {
        Ok(log_file) => log_file,
        Err(error) => {
            let_go((db, counter));
            return Err(error);
        }
    };
    let tree = (*db).clone();
    let (pending, past) = (Arc::default(), Arc::default());
    let disk = Disk {
        db,
        pending: Arc::clone(&pending),
        past: Arc::clone(&past),
        counter: counter.clone(),
        log_file,
        mark_file,
        mark,
    };
    Ok(Storage {
        tree,
        counter,
        pending,
        past,
        directory: directory.to_owned(),
        cache_mib,
        committer: Arc::new(Committer::start(disk).map_err(at)?),
    })
}

/// What a database says of itself.
struct Found {
    name: Option<sled::IVec>,
    commits: Option<u64>,
}

/// Compares a database with its mark, which from now on speaks of an open one. Where the database
/// is believed, it takes the name in the mark.
fn agree(
    database: &Path,
    counter: &sled::Tree,
    found: &Found,
    mark: &mut Mark,
    is_believed: bool,
) -> Result<(), OpenError> {
    let commits = found.commits.unwrap_or_default();
    if is_believed {
        mark.commits = commits.max(1);
        let written = shielded(|| {
            counter.insert(NAME, &mark.database)?;
            counter.insert(COMMITS, &mark.commits.to_be_bytes())?;
            counter.flush()
        });
        return written.map(drop).map_err(|trouble| OpenError::Damaged {
            path: database.to_owned(),
            reason: trouble.to_string(),
        });
    }
    if found.name.as_deref() != Some(&mark.database) {
        return Err(OpenError::Foreign(database.to_owned()));
    }
    let closed_well = mark.closed_at.is_some();
    if commits < mark.commits || (closed_well && commits != mark.commits) {
        return Err(OpenError::Lost {
            path: database.to_owned(),
            found: commits,
            expected: mark.commits,
        });
    }
    mark.commits = commits;
    mark.closed_at = None;
    Ok(())
}

/// The mark: the one that is there, or a new one for a new database. The last of the three says
/// whether it is made for a database that is there, which is believed.
fn find_mark(
    directory: &Path,
    database: &Path,
    no_mark: NoMark,
) -> Result<(MarkFile, Mark, bool), OpenError> {
    let path = directory.join("mark");
    let at = |error| OpenError::Io {
        path: path.clone(),
        error,
    };
    let exists = database.join("db").exists();
    match MarkFile::open(&path).map_err(at)? {
        Some((file, Some(mark))) => Ok((file, mark, false)),
        _ if exists && no_mark == NoMark::Refuse => Err(OpenError::NoMark(path)),
        _ => {
            let mut mark = Mark {
                database: [0; 16],
                commits: u64::from(exists),
                closed_at: None,
            };
            OsRng.fill_bytes(&mut mark.database);
            let file = MarkFile::create(&path, &mark).map_err(at)?;
            Ok((file, mark, exists))
        }
    }
}

/// What can be said of the files before sled reads (and, where it cuts its log, rewrites) them.
fn check_files(database: &Path, mark: &Mark) -> Result<(), OpenError> {
    let path = database.join("db");
    let size = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing(database.to_owned()));
        }
        Err(error) => return Err(OpenError::Io { path, error }),
    };
    let damaged = |reason| OpenError::Damaged {
        path: database.to_owned(),
        reason,
    };
    if let Some(then) = mark.closed_at
        && then != size
    {
        return Err(damaged(format!(
            "its file had {then} bytes when it was closed, and has {size}"
        )));
    }
    match log_file::find_damage(database, mark.commits) {
        Ok(None) => Ok(()),
        Ok(Some(at)) => Err(damaged(format!("its file is damaged near byte {at}"))),
        Err(error) => Err(OpenError::Io { path, error }),
    }
}

pub(super) fn configuration(database: &Path, cache_mib: u64) -> sled::Config {
    sled::Config::new()
        .path(database)
        .cache_capacity(cache_mib.saturating_mul(MIB) / SLEDS_PART)
}

/// What was created must still have its name after a power cut. Returns the log.
pub(super) fn sync_all_files(database: &Path) -> io::Result<File> {
    for entry in fs::read_dir(database)? {
        match File::open(entry?.path()) {
            Ok(file) => file.sync_all()?,
            // sled tidies up on threads of its own.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sync_directory(database)?;
    database.parent().map_or(Ok(()), sync_directory)?;
    File::open(database.join("db"))
}

/// sled closes on threads of its own, and holds its lock until they are done. That no other process
/// has the store is what the lock on the data directory is for.
pub(super) fn open_when_closed(config: &sled::Config) -> Result<sled::Db, sled::Error> {
    let opened = try_again(200, || match config.open() {
        Err(sled::Error::Io(error)) if is_locked(&error) => None,
        opened => Some(opened),
    });
    opened.unwrap_or_else(|| config.open())
}

/// sled wraps the error of the lock in one of its own, as text.
fn is_locked(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Waits until sled has let go of its file.
pub(super) fn wait_until_closed(log_file: &Path) -> io::Result<()> {
    if lock_soon(&File::open(log_file)?, 500)? {
        return Ok(());
    }
    Err(io::Error::other("sled does not close its file"))
}
