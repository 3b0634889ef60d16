//! The journal: what was committed is on disk here before it is in the database.
//!
//! A commit is on disk with one write and one fdatasync of a file that neither grows nor moves, which
//! is the least that a disk can be asked for. The database takes many commits at once, later
//! ([`super::applier`]); those that it has on disk itself are *settled*. There are two files, filled in
//! turn: one is written over when all that is in it is settled. After a crash, what is not settled is
//! read here and put into the database again.

mod frame;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::applier::Settled;
use super::pending::Changes;
use super::{create_private, sync_directory};
pub(super) use frame::{Frame, SECTOR};

/// How long each of the files is. A commit that is longer makes its file longer.
const SIZE: usize = 2 * 1024 * 1024;

/// The journal of an open database.
#[derive(Debug)]
pub(super) struct Journal {
    database: [u8; 16],
    /// The file that is being filled, up to where, and its newest commit.
    current: Part,
    other: Part,
    settled: Arc<Settled>,
}

#[derive(Debug)]
struct Part {
    file: File,
    end: usize,
    newest: u64,
}

fn paths(directory: &Path) -> [PathBuf; 2] {
    let directory = directory.join("journal");
    [directory.join("0"), directory.join("1")]
}

/// Everything readable in the journal below `directory` of this database, in the order of numbers.
///
/// Only up to `durable` it is on disk for sure: what an fsync refused, the system goes on showing. So
/// what comes after is written once more, as it is, and fsync'ed.
pub(super) fn read(directory: &Path, database: &[u8; 16], durable: u64) -> io::Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for path in paths(directory) {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let file = File::options().write(true).open(&path)?;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            // Also behind what cannot be read: that there is more must not be overlooked.
            let size = match frame::decode(database, rest) {
                Some((frame, size)) => {
                    if frame.number > durable {
                        file.write_all_at(rest.get(..size).unwrap_or(rest), at as u64)?;
                    }
                    frames.push(frame);
                    size
                }
                None => SECTOR,
            };
            at += size;
        }
        file.sync_data()?;
    }
    frames.sort_by_key(|frame| frame.number);
    Ok(frames)
}

/// The newest commit that is settled, as frames say; nothing says so where there are none.
pub(super) fn newest_settled(frames: &[Frame]) -> Option<u64> {
    frames.iter().map(|frame| frame.settled).max()
}

impl Journal {
    /// Begins anew below `directory`, for a database with `commits`, all of them settled.
    pub(super) fn begin(directory: &Path, database: [u8; 16], commits: u64) -> io::Result<Self> {
        create_private(&directory.join("journal"))?;
        let [current, other] = paths(directory).map(|path| {
            Ok::<_, io::Error>(Part {
                file: open(&path)?,
                end: 0,
                newest: commits,
            })
        });
        sync_directory(&directory.join("journal"))?;
        sync_directory(directory)?;
        let mut journal = Self {
            database,
            current: current?,
            other: other?,
            settled: Arc::new(Settled::new(commits)),
        };
        // Says that all of them are settled, which nothing else does after a crash.
        journal.append(commits, &Changes::new())?;
        Ok(journal)
    }

    /// How many commits are settled.
    pub(super) fn settled(&self) -> &Arc<Settled> {
        &self.settled
    }

    /// Puts the commit of this number on disk.
    pub(super) fn append(&mut self, number: u64, changes: &Changes) -> io::Result<()> {
        let mut frame = self.encode(number, changes)?;
        if self.current.end > 0 && self.current.end + frame.len() + SECTOR > SIZE {
            self.turn_over()?;
            frame = self.encode(number, changes)?;
        }
        self.current.append(&frame)?;
        self.current.newest = number;
        Ok(())
    }

    /// Goes on at the beginning of the other file. The next frame says that what it is written over
    /// is settled, but it may be torn; so that is on disk here before, in the sector that is left.
    fn turn_over(&mut self) -> io::Result<()> {
        self.settled.wait_for(self.other.newest)?;
        let said = self.encode(self.settled.count(), &Changes::new())?;
        self.current.append(&said)?;
        std::mem::swap(&mut self.current, &mut self.other);
        self.current.end = 0;
        Ok(())
    }

    fn encode(&self, number: u64, changes: &Changes) -> io::Result<Vec<u8>> {
        let settled = self.settled.count();
        frame::encode(&self.database, number, settled, changes).map_err(io::Error::other)
    }
}

impl Part {
    /// Puts a frame behind the others, on disk.
    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_all_at(frame, self.end as u64)?;
        self.file.sync_data()?;
        self.end += frame.len();
        Ok(())
    }
}

/// Opens a file of full length: an fdatasync of what is written over need not wait for the file
/// system's own journal.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    if length < SIZE {
        file.write_all_at(&vec![0; SIZE - length], length as u64)?;
        file.sync_all()?;
    }
    Ok(file)
}
