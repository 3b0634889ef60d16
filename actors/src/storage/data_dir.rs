//! The data directory: whose it is, in which format, and that only one process uses it.

mod entries;
mod error;
mod ownership;
mod privacy;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_protocol::Domain;

use super::files::{lock_within, remove_directory};
use super::mark::MarkFile;
use super::{create_private, sync_directory, write_durably};
pub use error::DataDirError;
pub use privacy::Exposed;

/// The format of the data directory that this program writes.
///
/// 1: without `mark`. 2: with it. 3: with packed entries in the log. 4: with the steps of sessions in
/// runs. 5: with a journal before the database. 6: a database may have segments of any length. 7: without a
/// record of each session, which its runs make needless.
pub const FORMAT: u32 = 7;

/// From this format on there is a journal.
const JOURNAL: u32 = 5;

/// How long the lock is waited for.
const LOCK_LIMIT: Duration = Duration::from_millis(300);

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A data directory in use by this process.
///
/// It holds `keys/` (the server's private keys), `db/`, `journal/` and `mark` (the store; also
/// `opening` while it is opened), `lock`, and `node`, which says in which format, for which domain and
/// by which version it was written. `node` is written last of all, so a directory without it is one
/// whose first start was interrupted. While it is changed as a whole there is `unfinished`, which
/// names the command that does it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// As found; none for a new one.
    format: Option<u32>,
    _lock: File,
}

/// A command that changes a data directory as a whole. Interrupted, it leaves one that no node may
/// use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// A backup is being restored into it.
    Restore,
    /// Its indexes are being rebuilt.
    RepairIndexes,
}

impl Unfinished {
    fn name(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::RepairIndexes => "repair-indexes",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Restore => {
                "restoring a backup into it was interrupted; remove it and restore again"
            }
            Self::RepairIndexes => {
                "rebuilding its indexes was interrupted; run: antiphon repair-indexes"
            }
        }
    }
}

impl DataDir {
    /// Takes a data directory into use for `domain`, and creates it (mode 0700) if need be. Nothing in it
    /// is open to others afterwards.
    pub fn open(path: &Path, domain: &Domain) -> Result<Self, DataDirError> {
        let data_dir = Self::open_as_it_is(path, domain)?;
        privacy::close_to_others(path)?;
        Ok(data_dir)
    }

    /// The same for whoever wants to know how it was: what is open to others stays so.
    pub fn open_as_it_is(path: &Path, domain: &Domain) -> Result<Self, DataDirError> {
        let data_dir = Self::take(path, domain)?;
        match data_dir.unfinished()? {
            // They are rebuilt whenever an older format is brought up to date.
            Some(Unfinished::RepairIndexes) if data_dir.is_older() => Ok(data_dir),
            Some(unfinished) => Err(DataDirError::Unfinished {
                path: path.to_owned(),
                unfinished,
            }),
            None => Ok(data_dir),
        }
    }

    /// Like [`Self::open`], also after an interrupted `repair-indexes`, which is to be run again.
    pub fn open_to_repair(path: &Path, domain: &Domain) -> Result<Self, DataDirError> {
        let data_dir = Self::take(path, domain)?;
        privacy::close_to_others(path)?;
        Ok(data_dir)
    }

    fn take(path: &Path, domain: &Domain) -> Result<Self, DataDirError> {
        let at = |error| DataDirError::Io {
            path: path.to_owned(),
            error,
        };
        ownership::check(path)?;
        create_private(path).map_err(at)?;
        let mut data_dir = Self::lock(path)?;
        if data_dir.unfinished()? == Some(Unfinished::Restore) {
            return Err(DataDirError::Unfinished {
                path: path.to_owned(),
                unfinished: Unfinished::Restore,
            });
        }
        data_dir.format = data_dir.check_stamp(domain)?;
        create_private(&data_dir.keys()).map_err(at)?;
        sync_directory(path).map_err(at)?;
        Ok(data_dir)
    }

    /// Takes an empty directory into use, creating it if need be, to restore a backup into it.
    pub fn open_to_restore(path: &Path) -> Result<Self, DataDirError> {
        let at = |error| DataDirError::Io {
            path: path.to_owned(),
            error,
        };
        ownership::check(path)?;
        create_private(path).map_err(at)?;
        let check_is_empty = || {
            if is_empty(path).map_err(at)? {
                Ok(())
            } else {
                Err(DataDirError::NotEmpty(path.to_owned()))
            }
        };
        // Before, so that nothing comes into somebody else's directory; and again once nobody else puts
        // anything there, such as a restore that was faster.
        check_is_empty()?;
        let data_dir = Self::lock(path)?;
        check_is_empty()?;
        privacy::close_to_others(path)?;
        data_dir.begin(Unfinished::Restore)?;
        create_private(&data_dir.keys()).map_err(at)?;
        Ok(data_dir)
    }

    fn lock(path: &Path) -> Result<Self, DataDirError> {
        let at = |error| DataDirError::Io {
            path: path.to_owned(),
            error,
        };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(at)?;
        // Somebody who is just ending, or starting another program, lets go in a moment.
        if lock_within(&lock, LOCK_LIMIT).map_err(at)? {
            return Ok(Self {
                path: path.to_owned(),
                format: None,
                _lock: lock,
            });
        }
        Err(DataDirError::InUse(path.to_owned()))
    }

    /// Notes that all of the directory is about to change.
    pub fn begin(&self, unfinished: Unfinished) -> Result<(), DataDirError> {
        let path = self.path.join("unfinished");
        let written = write_durably(&path, format!("{}\n", unfinished.name()).as_bytes());
        written.map_err(|error| DataDirError::Io { path, error })
    }

    /// Notes that the change is complete.
    pub fn finish(&self) -> Result<(), DataDirError> {
        let path = self.path.join("unfinished");
        fs::remove_file(&path)
            .and_then(|()| sync_directory(&self.path))
            .map_err(|error| DataDirError::Io { path, error })
    }

    /// The change of all of it that was begun, and not completed.
    pub fn unfinished(&self) -> Result<Option<Unfinished>, DataDirError> {
        let path = self.path.join("unfinished");
        match fs::read_to_string(&path) {
            Ok(text) if text.trim_end() == Unfinished::RepairIndexes.name() => {
                Ok(Some(Unfinished::RepairIndexes))
            }
            // Whatever it says: what cannot be read can only be made anew.
            Ok(_) => Ok(Some(Unfinished::Restore)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataDirError::Io { path, error }),
        }
    }

    /// Whether it has an older format than this program's, so that what is derived is to be written anew.
    pub fn is_older(&self) -> bool {
        self.format() < FORMAT
    }

    /// Whether its format has a journal.
    pub fn has_journal(&self) -> bool {
        self.format() >= JOURNAL
    }

    /// The format that it had when it was taken into use; this program's for a new one.
    pub fn format(&self) -> u32 {
        self.format.unwrap_or(FORMAT)
    }

    /// The directory itself, in which the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses what cannot be a data directory of this process, and leaves it alone.
    pub fn check(path: &Path) -> Result<(), DataDirError> {
        ownership::check(path)
    }

    /// Which of its directories others may look into, until the next start.
    pub fn exposed(&self) -> Result<Vec<Exposed>, DataDirError> {
        privacy::exposed_directories(&self.path)
    }

    /// Removes the journal of the store, which nobody has open.
    pub fn remove_journal(&self) -> Result<(), DataDirError> {
        let path = self.path.join("journal");
        remove_directory(&path).map_err(|error| DataDirError::Io { path, error })
    }

    /// Where the private keys are.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Where the operator's socket is.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Writes down, once the node has an identity, for which domain it is, and in which format: older versions
    /// can no longer use it.
    pub fn stamp(&self, domain: &Domain) -> Result<(), DataDirError> {
        let path = self.stamp_path();
        if path.exists() && self.format() == FORMAT {
            return Ok(());
        }
        let text =
            format!("format = {FORMAT}\ndomain = \"{domain}\"\nwritten_by = \"{VERSION}\"\n");
        write_durably(&path, text.as_bytes()).map_err(|error| DataDirError::Io { path, error })
    }

    fn stamp_path(&self) -> PathBuf {
        self.path.join("node")
    }

    /// The format in the stamp, if there is one.
    fn check_stamp(&self, domain: &Domain) -> Result<Option<u32>, DataDirError> {
        let path = self.stamp_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DataDirError::Io { path, error }),
        };
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.strip_prefix(" = ")?.trim_matches('"').to_owned())
        };
        let format = value("format").and_then(|format| format.parse::<u32>().ok());
        let (Some(format), Some(found)) = (format, value("domain")) else {
            return Err(DataDirError::UnreadableStamp(path));
        };
        if format > FORMAT {
            return Err(DataDirError::NewerFormat {
                path: self.path.clone(),
                found: format,
                version: value("written_by").unwrap_or_else(|| "of a later date".to_owned()),
            });
        }
        if found != domain.as_str() {
            return Err(DataDirError::OtherDomain {
                path: self.path.clone(),
                found,
                wanted: domain.clone(),
            });
        }
        if !self.path.join("db").join("db").exists() && !self.has_mark()? {
            return Err(DataDirError::DatabaseMissing(self.path.clone()));
        }
        Ok(Some(format))
    }

    /// Whether there is a mark that can be read. With one, the store itself knows whether its database is
    /// missing; without, it would begin a new one.
    fn has_mark(&self) -> Result<bool, DataDirError> {
        let path = self.path.join("mark");
        let opened = MarkFile::open(&path).map_err(|error| DataDirError::Io { path, error })?;
        Ok(opened.is_some_and(|(_, mark)| mark.is_some()))
    }
}

/// Whether there is nothing in a directory, or only the lock of somebody who got no further.
fn is_empty(path: &Path) -> io::Result<bool> {
    let paths = entries::paths_in(path)?;
    Ok(paths.iter().all(|path| path.ends_with("lock")))
}
