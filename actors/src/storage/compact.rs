//! Writing the database anew, without the space that what is gone left behind.
//!
//! The copy is made beside the database (`db.new`), compared with it, and put in its place with two
//! renames. [`settle`], at every open, completes or undoes what an interruption left.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::applier::{COMMITS, Database};
use super::files::remove_directory;
use super::mark::{Mark, MarkFile};
use super::open::{open_when_closed, sync_all_files, wait_until_closed};
use super::recovery::{NAME, NoMark, prepare, refused};
use super::shield::{let_go, shielded};
use super::{OpenError, Storage, sync_directory};

/// What became smaller, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// How many records there are.
    pub records: u64,
    /// Bytes on disk before.
    pub before: u64,
    /// Bytes on disk now.
    pub after: u64,
}

impl Storage {
    /// Writes the database anew, of which this must be the last clone, and closes it; keeps the old one
    /// where that is no larger. Needs as much free space as the records take.
    pub fn compact(self) -> Result<Compacted, OpenError> {
        let (directory, cache_mib) = (self.directory.clone(), self.cache_mib);
        let (old, new) = (directory.join("db"), directory.join("db.new"));
        let at = |error| OpenError::Io {
            path: directory.to_path_buf(),
            error,
        };
        // Closed and opened once more, it has all that was in the journal.
        if !self.end() {
            return Err(at(io::Error::other("a write has failed")));
        }
        let database = prepare(&directory, cache_mib, NoMark::Refuse)?.database;
        let copied = copy(&database, &old, &new, cache_mib);
        let_go(database);
        let records = copied?;
        wait_until_closed(&old.join("db")).map_err(at)?;

        let [before, copied] = [&old, &new].map(|database| size_of(database));
        let (before, copied) = (before.map_err(at)?, copied.map_err(at)?);
        // What was written in order from the beginning can be as compact as a copy.
        let placed = if copied < before {
            put_in_place(&directory)
        } else {
            remove_directory(&new)
        };
        placed.map_err(at)?;
        let after = size_of(&old).map_err(at)?;
        note_closed(&directory).map_err(at)?;
        Ok(Compacted {
            records,
            before,
            after,
        })
    }
}

/// Copies a database, all of it on disk in the end; returns how many records it has.
fn copy(database: &Database, old: &Path, new: &Path, cache_mib: u64) -> Result<u64, OpenError> {
    let at = |error| OpenError::Io {
        path: new.to_owned(),
        error,
    };
    let refused = |trouble| refused(old, trouble);
    remove_directory(new).map_err(at)?;
    let copied = shielded(|| {
        let copy = open_when_closed(new, cache_mib)?;
        // Open from before the first write on, it is told of every one that fails.
        let log_file = File::open(new.join("db"))?;
        let digest = copy_records(&database.db, &copy)?;
        let counter = copy.open_tree("mark")?;
        for key in [NAME, COMMITS] {
            if let Some(value) = database.counter.get(key)? {
                counter.insert(key, value)?;
            }
        }
        copy.flush()?;
        log_file.sync_data()?;
        Ok(digest)
    });
    let (records, digest) = copied.map_err(refused)?;
    // Opened once more, sled writes down what its log adds up to.
    wait_until_closed(&new.join("db")).map_err(at)?;
    let again = shielded(|| digest_of(&*open_when_closed(new, cache_mib)?)).map_err(refused)?;
    wait_until_closed(&new.join("db")).map_err(at)?;
    if again != (records, digest) {
        return Err(OpenError::Damaged {
            path: old.to_owned(),
            reason: "its copy is not the same".to_owned(),
        });
    }
    sync_all_files(new).map_err(at)?;
    Ok(records)
}

/// Puts the copy in the place of the database.
fn put_in_place(directory: &Path) -> io::Result<()> {
    let [database, new, aside] = ["db", "db.new", "db.old"].map(|name| directory.join(name));
    fs::rename(&database, &aside)?;
    fs::rename(&new, &database)?;
    sync_directory(directory)?;
    remove_directory(&aside)
}

/// Completes or undoes an interrupted compaction. The copy is complete once the old database has
/// been put aside.
pub(super) fn settle(directory: &Path) -> io::Result<()> {
    let [database, new, aside] = ["db", "db.new", "db.old"].map(|name| directory.join(name));
    if aside.exists() && !database.exists() && new.exists() {
        fs::rename(&new, &database)?;
        sync_directory(directory)?;
    }
    if database.exists() {
        remove_directory(&new)?;
        remove_directory(&aside)?;
    }
    Ok(())
}

/// Notes in the mark that the database, closed by now, was closed well.
pub(super) fn note_closed(directory: &Path) -> io::Result<()> {
    let Some((mut file, Some(mark))) = MarkFile::open(&directory.join("mark"))? else {
        return Err(io::Error::other("its mark is gone"));
    };
    let size = fs::metadata(directory.join("db").join("db"))?.len();
    file.write(&Mark {
        closed_at: Some(size),
        ..mark
    })?;
    file.sync()
}

/// The bytes that the files of a database take.
fn size_of(database: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(database)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

fn copy_records(from: &sled::Tree, to: &sled::Db) -> Result<(u64, [u8; 32]), sled::Error> {
    let mut digest = Digest::default();
    for found in from {
        let (key, value) = found?;
        digest.update(&key, &value);
        to.insert(key, value)?;
    }
    Ok(digest.finish())
}

fn digest_of(tree: &sled::Tree) -> Result<(u64, [u8; 32]), sled::Error> {
    let mut digest = Digest::default();
    for found in tree {
        let (key, value) = found?;
        digest.update(&key, &value);
    }
    Ok(digest.finish())
}

/// Records in order: how many, and what they are.
#[derive(Default)]
struct Digest {
    records: u64,
    hash: Sha256,
}

impl Digest {
    fn update(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        for part in [key, value] {
            self.hash.update((part.len() as u64).to_be_bytes());
            self.hash.update(part);
        }
    }

    fn finish(self) -> (u64, [u8; 32]) {
        (self.records, self.hash.finalize().into())
    }
}
