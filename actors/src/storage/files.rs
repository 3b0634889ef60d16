//! Files and directories that are there after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
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
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)?;
    Ok(())
}

/// Tries something that others are just about to make possible up to `times` times, 10 ms apart:
/// neither sled's end nor another process' is an event that can be waited for within a limit.
pub(super) fn try_again<T>(times: u32, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 1..times {
        match attempt() {
            None => thread::sleep(Duration::from_millis(10)),
            done => return done,
        }
    }
    attempt()
}

/// Takes the lock of a file that somebody may be just letting go of; whether that came about.
pub(super) fn lock_soon(file: &File, times: u32) -> io::Result<bool> {
    let locked = try_again(times, || match file.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => Some(Err(error)),
        Ok(()) => Some(Ok(true)),
    });
    locked.unwrap_or(Ok(false))
}
