//! Whose a data directory is: what one user makes in it, another's node may not be able to use.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::DataDirError;

/// A user of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(u32);

/// Refuses what cannot be a data directory of this process: something else, or one in which another user's
/// node has its files. Nothing at all is none yet.
pub(super) fn check(path: &Path) -> Result<(), DataDirError> {
    let at = |error| DataDirError::Io {
        path: path.to_owned(),
        error,
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fs::read_link(path).map_or(Ok(()), |target| {
                Err(DataDirError::Dangling {
                    path: path.to_owned(),
                    target,
                })
            });
        }
        Err(error) => return Err(at(error)),
    };
    if !metadata.is_dir() {
        return Err(DataDirError::NotADirectory(path.to_owned()));
    }
    // The superuser's node can be anywhere, such as in a container's volume.
    if !rustix::process::geteuid().is_root() {
        check_owner(path, metadata.uid())?;
    }
    // What somebody else's command has left in it is no damage, and does not look like it.
    for directory in [
        path.to_owned(),
        path.join("db"),
        path.join("journal"),
        path.join("keys"),
    ] {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(at)?,
        };
        for entry in entries {
            let entry = entry.map_err(at)?;
            let is_nodes = directory != path || NODES.iter().any(|name| entry.file_name() == *name);
            if is_nodes {
                // sled's files come and go while a node runs.
                if let Ok(metadata) = entry.metadata() {
                    check_owner(&entry.path(), metadata.uid())?;
                }
            }
        }
    }
    Ok(())
}

/// What a node has in its directory, itself.
const NODES: [&str; 7] = [
    "node",
    "mark",
    "lock",
    "unfinished",
    "db",
    "journal",
    "keys",
];

fn check_owner(path: &Path, owner: u32) -> Result<(), DataDirError> {
    let user = User(rustix::process::geteuid().as_raw());
    if User(owner) == user {
        return Ok(());
    }
    Err(DataDirError::OtherUser {
        path: path.to_owned(),
        owner: User(owner),
        user,
    })
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl User {
    /// The name, if the system's file has one; those of a directory service are numbers here.
    fn name(self) -> Option<String> {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let number = self.0.to_string();
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == number).then(|| name.to_owned())
        })
    }
}
