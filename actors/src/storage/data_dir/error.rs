//! Why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use antiphon_protocol::Domain;

use super::ownership::User;
use super::{FORMAT, Unfinished, VERSION};

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
    #[error(
        "{} has format {found}, and this version of antiphon ({VERSION}) knows formats up to \
         {FORMAT}; install antiphon {version} or newer",
        path.display()
    )]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The version that wrote it.
        version: String,
    },
    /// A command that changes all of it was interrupted.
    #[error("{}: {}", path.display(), unfinished.advice())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// Which.
        unfinished: Unfinished,
    },
    /// A backup is restored into an empty directory only.
    #[error("{} is not empty; a backup is restored into an empty data directory only", .0.display())]
    NotEmpty(PathBuf),
    /// The file `node` is not what this program writes.
    #[error("{} cannot be read; restore it from a backup", .0.display())]
    UnreadableStamp(PathBuf),
    /// The file `node` is there and the database is not.
    #[error("{} has lost its database (db/); restore it from a backup", .0.display())]
    DatabaseMissing(PathBuf),
    /// It belongs to another user, whose node could not use what this process makes in it.
    #[error(
        "{} belongs to the user {owner}, and this runs as {user}; run it as the node's user, or give all of \
         the directory to that one (chown -R)",
        path.display()
    )]
    OtherUser {
        /// What.
        path: PathBuf,
        /// Whose.
        owner: User,
        /// Who this is.
        user: User,
    },
    /// Something else is in its place.
    #[error("{} is not a directory; set another data_dir, or move it away", .0.display())]
    NotADirectory(PathBuf),
    /// A link is in its place that leads nowhere, such as to a disk that is not mounted.
    #[error("{} is a symbolic link to {}, which does not exist", path.display(), target.display())]
    Dangling {
        /// The link.
        path: PathBuf,
        /// Where to.
        target: PathBuf,
    },
    /// The file system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
}

impl DataDirError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}
