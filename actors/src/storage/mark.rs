//! The mark: how far the store is known to be on disk, kept outside of the database.
//!
//! sled cuts its log at the first thing that it cannot read and goes on with what is before, also
//! when what follows was acknowledged. So commits are counted, in the database and here. A database
//! that has counted less than the mark, where the journal does not have the rest, has lost writes,
//! and is not opened.
//!
//! The mark is written once a commit is in the journal, so it is mostly ahead of the database, which
//! gets it later. It can be behind, but is never ahead of the journal and the database together
//! (`recovery.rs`). It has two places, used in turn: a write that is torn leaves the other one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::sync_directory;

const MAGIC: &[u8; 8] = b"ANTIMARK";

/// Each place is in a sector of its own; disks write sectors whole.
const PLACES: [u64; 2] = [0, 4096];

const BYTES: usize = 72;

/// What the mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which database it speaks of: random bytes that the database has, too.
    pub(super) database: [u8; 16],
    /// How many commits are on disk, at least.
    pub(super) commits: u64,
    /// If the database was closed well: the size of its file then.
    pub(super) closed_at: Option<u64>,
}

/// The file with the mark.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    /// How often it was written.
    turn: u64,
}

impl MarkFile {
    /// Makes the file, with its name on disk.
    pub(super) fn create(path: &Path, mark: &Mark) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        let mut created = Self { file, turn: 0 };
        created.write(mark)?;
        created.file.sync_all()?;
        path.parent().map_or(Ok(()), sync_directory)?;
        Ok(created)
    }

    /// Opens the file: none if there is none; and none for the mark if neither place can be read.
    pub(super) fn open(path: &Path) -> io::Result<Option<(Self, Option<Mark>)>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut places = Vec::new();
        for place in PLACES {
            let mut bytes = [0; BYTES];
            match file.read_exact_at(&mut bytes, place) {
                Ok(()) => places.extend(decode(&bytes)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        let newest = places.into_iter().max_by_key(|(turn, _)| *turn);
        let turn = newest.map_or(0, |(turn, _)| turn);
        Ok(Some((Self { file, turn }, newest.map(|(_, mark)| mark))))
    }

    /// Writes the mark down. A killed process loses nothing of it, a power cut perhaps: whoever
    /// needs more calls [`MarkFile::sync`].
    pub(super) fn write(&mut self, mark: &Mark) -> io::Result<()> {
        self.turn += 1;
        let [even, odd] = PLACES;
        let place = if self.turn.is_multiple_of(2) {
            even
        } else {
            odd
        };
        self.file.write_all_at(&encode(self.turn, mark), place)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(turn: u64, mark: &Mark) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(turn.to_be_bytes());
    bytes.extend(mark.database);
    bytes.extend(mark.commits.to_be_bytes());
    bytes.extend(mark.closed_at.map_or(u64::MAX, |size| size).to_be_bytes());
    bytes.extend(Sha256::digest(&bytes).into_iter().take(BYTES - bytes.len()));
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Option<(u64, Mark)> {
    let (fields, _) = bytes.split_at_checked(48)?;
    let number = |at: usize| Some(u64::from_be_bytes(*fields.get(at..)?.first_chunk()?));
    let turn = number(8)?;
    let mark = Mark {
        database: *fields.get(16..)?.first_chunk()?,
        commits: number(32)?,
        closed_at: number(40).filter(|size| *size != u64::MAX),
    };
    (encode(turn, &mark) == bytes).then_some((turn, mark))
}
