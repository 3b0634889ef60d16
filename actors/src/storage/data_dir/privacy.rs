//! That nobody else can look into what a node has in its data directory.
//!
//! Everything is made for its owner alone. But an operator may have made the directory, or put a copy in
//! its place, and older versions left the store's own files to the umask.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::DataDirError;
use super::entries::{Entries, paths_in};

/// What the group and others may do.
const OF_OTHERS: u32 = 0o077;

/// A file or directory of this user with which others may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Which.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// Whether that is one; links have no permissions of their own.
fn exposed(path: &Path) -> io::Result<Option<Exposed>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.uid() == geteuid().as_raw() => metadata,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Somebody else's is not ours to close.
        _ => return Ok(None),
    };
    let mode = metadata.permissions().mode() & 0o7777;
    Ok((mode & OF_OTHERS != 0).then(|| Exposed {
        path: path.to_owned(),
        mode,
    }))
}

/// The directories that others may look into, and that the next start closes.
pub(super) fn exposed_directories(data_dir: &Path) -> Result<Vec<Exposed>, DataDirError> {
    let at = || DataDirError::at(data_dir);
    let entries = Entries::read(data_dir).map_err(at())?;
    let itself = (!entries.has_foreign).then(|| data_dir.to_owned());
    let directories = entries.ours.into_iter().filter(|path| path.is_dir());
    let all = itself.into_iter().chain(directories);
    let exposed: io::Result<Vec<_>> = all.map(|path| exposed(&path)).collect();
    Ok(exposed.map_err(at())?.into_iter().flatten().collect())
}

/// Leaves all that the node has in a data directory to its owner alone; the directory, too, where nothing
/// else is in it.
pub(super) fn close_to_others(data_dir: &Path) -> Result<(), DataDirError> {
    let open = exposed_directories(data_dir)?;
    let is_open = |path: &Path| open.iter().any(|exposed| exposed.path == path);
    let keys = data_dir.join("keys");
    let could_be_read = is_open(data_dir) && is_open(&keys);
    let closed = close_all(data_dir).map_err(DataDirError::at(data_dir))?;
    if is_open(data_dir) {
        tracing::warn!(path = %data_dir.display(), "the data directory was open to others");
    }
    for key in closed.iter().filter(|path| path.parent() == Some(&*keys)) {
        // What was read once stays known.
        if could_be_read {
            tracing::warn!(
                path = %key.display(),
                "the server's private key could be read by others, and cannot be any more; if somebody \
                 else uses this machine, replace it with: antiphon key rotate"
            );
        }
    }
    Ok(())
}

/// Returns what was open.
fn close_all(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = Entries::read(data_dir)?;
    let mut closed = Vec::new();
    if !entries.has_foreign {
        close(data_dir, &mut closed)?;
    }
    let mut rest = entries.ours;
    while let Some(path) = rest.pop() {
        close(&path, &mut closed)?;
        // The node makes no links; one that leads back would have no end.
        let inside = paths_in(&path)?.into_iter();
        rest.extend(inside.filter(|path| !path.is_symlink()));
    }
    Ok(closed)
}

fn close(path: &Path, closed: &mut Vec<PathBuf>) -> io::Result<()> {
    let Some(Exposed { path, mode }) = exposed(path)? else {
        return Ok(());
    };
    let changed = fs::set_permissions(&path, Permissions::from_mode(mode & !OF_OTHERS));
    // Some file systems have no modes, and some do not say so.
    if changed.is_err() || exposed(&path)?.is_some() {
        tracing::warn!(path = %path.display(), "it is open to others, and its file system keeps it so");
    }
    closed.push(path);
    Ok(())
}
