//! What a node has in its data directory. Whatever else is there is none of its business.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NAMES: [&str; 13] = [
    "node",
    "node.new",
    "mark",
    "lock",
    "unfinished",
    "unfinished.new",
    "opening",
    "control.sock",
    "keys",
    "journal",
    "db",
    "db.new",
    "db.old",
];

/// The backups that are made before a format is left behind begin like this.
const BACKUPS: &str = "before-format-";

/// The entries of a data directory.
pub(super) struct Entries {
    /// The node's.
    pub(super) ours: Vec<PathBuf>,
    /// Whether there are others.
    pub(super) has_foreign: bool,
}

impl Entries {
    /// Of a directory that may not be there yet.
    pub(super) fn read(data_dir: &Path) -> io::Result<Self> {
        let mut entries = Self {
            ours: Vec::new(),
            has_foreign: false,
        };
        for path in paths_in(data_dir)? {
            if path.file_name().is_some_and(is_ours) {
                entries.ours.push(path);
            } else {
                entries.has_foreign = true;
            }
        }
        Ok(entries)
    }
}

fn is_ours(name: &OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    NAMES.contains(&name) || name.starts_with(BACKUPS)
}

/// What is in a directory, if it is there and is one.
pub(super) fn paths_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
