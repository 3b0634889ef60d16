//! That nobody else can look into a data directory.
//!
//! Everything is made for its owner alone. But an operator may have made the directory, or put a copy in
//! its place, and older versions left the store's own files to the umask.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::DataDirError;

/// What the group and others may do.
const OF_OTHERS: u32 = 0o077;

/// The directories in a data directory.
const OWN: [&str; 3] = ["keys", "db", "journal"];

/// A file or directory with which others may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Which.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// What others may do with one file or directory, if it is there and they may do anything. A link has
/// no say in that.
pub(super) fn exposed(path: &Path) -> Result<Option<Exposed>, DataDirError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let mode = metadata.permissions().mode() & 0o777;
    Ok((mode & OF_OTHERS != 0).then(|| Exposed {
        path: path.to_owned(),
        mode,
    }))
}

/// Leaves a data directory, and all that the node has in it, to its owner alone, the directory first.
pub(super) fn close_to_others(data_dir: &Path) -> Result<(), DataDirError> {
    if let Some(exposed) = exposed(data_dir)? {
        close(&exposed)?;
        tracing::warn!(
            path = %data_dir.display(),
            mode = format!("{:o}", exposed.mode),
            "the data directory was open to others; it is not any more"
        );
    }
    let owner = fs::metadata(data_dir).map_err(at(data_dir))?.uid();
    let mut directories = vec![data_dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).map_err(at(&directory))? {
            let entry = entry.map_err(at(&directory))?;
            let path = entry.path();
            let metadata = entry.metadata().map_err(at(&path))?;
            let is_ours =
                directory != data_dir || OWN.iter().any(|name| entry.file_name() == *name);
            // Of what somebody else has put there, such as `lost+found`, nothing is said.
            if metadata.is_symlink() || metadata.uid() != owner || (metadata.is_dir() && !is_ours) {
                continue;
            }
            if let Some(exposed) = exposed(&path)? {
                close(&exposed)?;
                tell_of_key(&exposed);
            }
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    Ok(())
}

fn close(exposed: &Exposed) -> Result<(), DataDirError> {
    let mode = exposed.mode & !OF_OTHERS;
    fs::set_permissions(&exposed.path, Permissions::from_mode(mode)).map_err(|error| {
        DataDirError::OpenToOthers {
            path: exposed.path.clone(),
            mode: exposed.mode,
            error,
        }
    })
}

/// What was read once stays known.
fn tell_of_key(exposed: &Exposed) {
    if exposed
        .path
        .extension()
        .is_some_and(|extension| extension == "pem")
    {
        tracing::warn!(
            path = %exposed.path.display(),
            mode = format!("{:o}", exposed.mode),
            "the server's private key could be read by others, and cannot be any more; if somebody else \
             uses this machine, replace it with: antiphon key rotate"
        );
    }
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> DataDirError {
    let path = path.to_owned();
    move |error| DataDirError::Io { path, error }
}
