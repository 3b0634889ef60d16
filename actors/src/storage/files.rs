//! Files and directories that are there after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Creates a directory of mode 0700 where there is none, and its name for good.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let parents = path.canonicalize()?;
    parents.ancestors().skip(1).try_for_each(sync_directory)
}

/// Puts the names in a directory on disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a directory with all that is in it, if it is there.
pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file of mode 0600 that is there whole or not at all, whenever the power goes.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fill_durably(path, |file| file.write_all(bytes))
}

/// The same with whatever is written by `write`. A file that is there already stays until the new one
/// is whole.
pub fn fill_durably<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = path.with_extension("new");
    // What an interrupted attempt left behind.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = write(&mut file).and_then(|()| Ok(file.sync_all()?));
    if written.is_err() {
        // A full disk is not to be kept full. What went wrong before is what matters.
        drop(fs::remove_file(&temporary));
    }
    written?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)?;
    Ok(())
}

/// Takes the lock of a file that somebody may be just letting go of; whether that came about within a
/// limit.
pub(super) fn lock_within(file: &File, limit: Duration) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => return Ok(true),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The system waits without a limit, so it is asked on another thread. Where that takes too long, the
    // lock is given back as soon as it comes: nobody has the file open any more.
    let waiting = file.try_clone()?;
    let (locked, outcome) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let outcome = waiting.lock();
        // The caller may close the file at once, and the lock must go with it.
        drop(waiting);
        locked.send(outcome)
    })?;
    outcome
        .recv_timeout(limit)
        .map_or(Ok(false), |locked| locked.map(|()| true))
}
