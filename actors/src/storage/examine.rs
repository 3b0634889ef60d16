//! The database's files before sled opens them: whether they are what they should be, and what sled
//! would stumble over.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{self, Frame};
use super::log_file::{LogFile, remove_unfinished_snapshots};
use super::mark::Mark;
use super::recovery::refused;
use super::shield::Trouble;
use super::{OpenError, segment_size, sync_directory};

/// There while sled opens its files: what it frees on that occasion it writes zeros over, of which a
/// power cut may leave a part.
fn opening(directory: &Path) -> PathBuf {
    directory.join("opening")
}

/// Makes the files in `directory` ready to be opened, or says why they must not be.
pub(super) fn before_open(
    directory: &Path,
    mark: &Mark,
    frames: &[Frame],
) -> Result<(), OpenError> {
    let database = directory.join("db");
    let opening = opening(directory);
    check(&database, mark, frames, opening.exists())?;
    remove_unfinished_snapshots(&database)
        .and_then(|()| File::create(opening)?.sync_all())
        .and_then(|()| sync_directory(directory))
        .map_err(|error| OpenError::Io {
            path: directory.to_owned(),
            error,
        })
}

/// Notes that they are open, with all that sled has changed of them on disk.
pub(super) fn note_opened(directory: &Path) -> io::Result<()> {
    fs::remove_file(opening(directory))?;
    sync_directory(directory)
}

/// What can be said of the files before sled reads (and, where it cuts its log, rewrites) them.
fn check(
    database: &Path,
    mark: &Mark,
    frames: &[Frame],
    was_interrupted: bool,
) -> Result<(), OpenError> {
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
    // What was not settled need not be whole: the journal has it.
    let settled = journal::newest_settled(frames).unwrap_or(mark.commits);
    let at = |error| OpenError::Io {
        path: path.clone(),
        error,
    };
    let segment_size = segment_size::of(database);
    let segment_size = segment_size.map_err(|error| refused(database, Trouble::Io(error)))?;
    let log = LogFile::read(database, segment_size, settled, was_interrupted).map_err(at)?;
    if let Some(byte) = log.damage() {
        return Err(damaged(format!("its file is damaged near byte {byte}")));
    }
    if mark.closed_at.is_none() {
        log.make_durable().map_err(at)?;
    }
    Ok(())
}
