//! Whose a data directory is: what one user makes in it, another's node may not be able to use.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;

use super::DataDirError;
use super::entries::{Entries, paths_in};

/// A user of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(u32);

/// Refuses what cannot be a data directory of this process: something else, or one in which another user's
/// node has its files. Nothing at all is none yet, and the directory itself may be anybody's, such as a
/// container's volume.
pub(super) fn check(path: &Path) -> Result<(), DataDirError> {
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
        Err(error) => return Err(DataDirError::at(path)(error)),
    };
    if !metadata.is_dir() {
        return Err(DataDirError::NotADirectory(path.to_owned()));
    }
    for entry in Entries::read(path).map_err(DataDirError::at(path))?.ours {
        check_owner(&entry)?;
        for inside in paths_in(&entry).map_err(DataDirError::at(&entry))? {
            check_owner(&inside)?;
        }
    }
    Ok(())
}

fn check_owner(path: &Path) -> Result<(), DataDirError> {
    // sled's files come and go while a node runs.
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(());
    };
    let (owner, user) = (User(metadata.uid()), User(geteuid().as_raw()));
    if owner == user {
        return Ok(());
    }
    Err(DataDirError::OtherUser {
        path: path.to_owned(),
        owner,
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
