//! The data directory: whose it is, in which format, and that only one process uses it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use antiphon_protocol::Domain;

use super::{create_private, sync_directory, write_durably};

/// The format of the data directory that this program writes.
const FORMAT: u32 = 1;

/// A data directory in use by this process.
///
/// It holds `keys/` (the server's private keys), `db/` (the store), `lock`, and `node`, two lines
/// that say in which format and for which domain. `node` is written last of all, so a directory
/// without it is one whose first start was interrupted.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("{} is in use by another process; stop it first, or set another data_dir", .0.display())]
    InUse(PathBuf),
    /// It was made for another domain.
    #[error(
        "{} belongs to the domain {found}, and the configuration says {wanted}; \
         a node cannot change its domain: set domain = \"{found}\" or another data_dir",
        path.display()
    )]
    OtherDomain {
        /// The directory.
        path: PathBuf,
        /// Its domain.
        found: String,
        /// The domain in the configuration.
        wanted: Domain,
    },
    /// It was written by a newer version of this program.
    #[error("{} has format {found}, and this version of antiphon knows formats up to {FORMAT}; install a newer one", path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The file `node` is not what this program writes.
    #[error("{} cannot be read; restore it from a backup", .0.display())]
    UnreadableStamp(PathBuf),
    /// The file `node` is there and the database is not.
    #[error("{} has lost its database (db/); restore it from a backup", .0.display())]
    DatabaseMissing(PathBuf),
    /// The file system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
}

impl DataDir {
    /// Takes a data directory into use for `domain`, and creates it (mode 0700) if need be.
    pub fn open(path: &Path, domain: &Domain) -> Result<Self, DataDirError> {
        let at = |error| DataDirError::Io {
            path: path.to_owned(),
            error,
        };
        create_private(path).map_err(at)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(at)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
        let data_dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        data_dir.check_stamp(domain)?;
        create_private(&data_dir.keys()).map_err(at)?;
        sync_directory(path).map_err(at)?;
        Ok(data_dir)
    }

    /// The directory itself, in which the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the private keys are.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Where the operator's socket is.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Writes down, once the node has an identity, for which domain it is.
    pub fn stamp(&self, domain: &Domain) -> Result<(), DataDirError> {
        let path = self.stamp_path();
        if path.exists() {
            return Ok(());
        }
        let text = format!("format = {FORMAT}\ndomain = \"{domain}\"\n");
        write_durably(&path, text.as_bytes()).map_err(|error| DataDirError::Io { path, error })
    }

    fn stamp_path(&self) -> PathBuf {
        self.path.join("node")
    }

    fn check_stamp(&self, domain: &Domain) -> Result<(), DataDirError> {
        let path = self.stamp_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
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
            });
        }
        if found != domain.as_str() {
            return Err(DataDirError::OtherDomain {
                path: self.path.clone(),
                found,
                wanted: domain.clone(),
            });
        }
        if !self.path.join("db").join("db").exists() {
            return Err(DataDirError::DatabaseMissing(self.path.clone()));
        }
        Ok(())
    }
}
