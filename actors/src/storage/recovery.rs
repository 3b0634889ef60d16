//! Making a database whole again: what only the journal has goes into it, and then it must be the one
//! that the mark speaks of.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rand_core::{OsRng, RngCore as _};

use super::applier::{COMMITS, Database, ENOUGH};
use super::journal::{self, Frame};
use super::mark::{Mark, MarkFile};
use super::open::{configuration, open_when_closed, sync_all_files};
use super::shield::{Trouble, let_go, shielded};
use super::{OpenError, compact, create_private, log_file};

/// Where the database's name for itself stands, beside the counter.
pub(super) const NAME: &[u8] = b"database";

/// What to do where the mark is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMark {
    Refuse,
    /// Believe the database.
    Replace,
}

/// A database that is whole.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) database: Database,
    pub(super) mark_file: MarkFile,
    /// As it is on disk: of an open database with so many commits.
    pub(super) mark: Mark,
}

/// Opens or creates the database below `directory`, and makes it whole.
pub(super) fn prepare(
    directory: &Path,
    cache_mib: u64,
    no_mark: NoMark,
) -> Result<Prepared, OpenError> {
    let path = directory.join("db");
    let at = |error| OpenError::Io {
        path: directory.to_owned(),
        error,
    };
    create_private(directory).map_err(at)?;
    compact::settle(directory).map_err(at)?;
    let (mark_file, mut mark) = find_mark(directory, &path, no_mark)?;
    let is_new = mark.commits == 0;
    if is_new && path.exists() {
        // Its creation was interrupted, before anything could be written to it.
        fs::remove_dir_all(&path).map_err(at)?;
    }
    if !is_new {
        check_files(directory, &mark)?;
    }
    let database = open_database(&path, cache_mib, is_new.then_some(&mark))?;
    let is_believed = mark_file.is_none();
    let completed = complete(directory, &database, &mut mark, is_believed).and_then(|()| {
        sync_all_files(&path).map_err(at)?;
        let mark_path = directory.join("mark");
        match mark_file {
            Some(mut file) => {
                let written = file.write(&mark).and_then(|()| file.sync());
                written.map(|()| file)
            }
            None => MarkFile::create(&mark_path, &mark),
        }
        .map_err(at)
    });
    match completed {
        Ok(mark_file) => Ok(Prepared {
            database,
            mark_file,
            mark,
        }),
        Err(error) => {
            let_go(database);
            Err(error)
        }
    }
}

/// Opens what sled has there; a new database gets the name in the mark `of_new`.
fn open_database(
    path: &Path,
    cache_mib: u64,
    of_new: Option<&Mark>,
) -> Result<Database, OpenError> {
    let config = configuration(path, cache_mib);
    let opened = shielded(|| {
        let db = open_when_closed(&config)?;
        let counter = db.open_tree("mark")?;
        if let Some(mark) = of_new {
            counter.insert(NAME, &mark.database)?;
            counter.insert(COMMITS, &1_u64.to_be_bytes())?;
            db.flush()?;
        }
        Ok((db, counter))
    });
    let (db, counter) = opened.map_err(|trouble| damaged(path, &trouble))?;
    match File::open(path.join("db")) {
        Ok(log_file) => Ok(Database {
            db,
            counter,
            log_file,
        }),
        Err(error) => {
            let_go((db, counter));
            Err(OpenError::Io {
                path: path.to_owned(),
                error,
            })
        }
    }
}

/// Puts into a database what only the journal has, and compares it with its mark, which from now on
/// speaks of an open one. Where the database is believed, it takes the name in the mark.
fn complete(
    directory: &Path,
    database: &Database,
    mark: &mut Mark,
    is_believed: bool,
) -> Result<(), OpenError> {
    let path = directory.join("db");
    let damaged = |trouble: Trouble| damaged(&path, &trouble);
    let lost = |found, expected| OpenError::Lost {
        path: path.clone(),
        found,
        expected,
    };
    let found = shielded(|| Ok((database.counter.get(NAME)?, database.counter.get(COMMITS)?)));
    let (name, commits) = found.map_err(damaged)?;
    let commits = commits.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?)));
    let commits = commits.unwrap_or_default();
    let name = name.and_then(|name| <[u8; 16]>::try_from(&*name).ok());
    if !is_believed && name != Some(mark.database) {
        return Err(OpenError::Foreign(path));
    }
    let closed_well = mark.closed_at.is_some();
    if closed_well && commits != mark.commits {
        return Err(lost(commits, mark.commits));
    }
    let completed = if closed_well {
        commits
    } else {
        let frames = name.map_or(Ok(Vec::new()), |name| journal::read(directory, &name));
        let frames = frames.map_err(|error| OpenError::Io {
            path: directory.to_owned(),
            error,
        })?;
        match replay(database, frames, commits).map_err(damaged)? {
            Ok(completed) => completed,
            Err(Gap { found, .. }) if is_believed => {
                tracing::warn!(commits, found, "the journal does not go with the database");
                commits
            }
            Err(Gap { found, expected }) => return Err(lost(found, expected)),
        }
    };
    let completed = if is_believed {
        // Format 1 did not count.
        let counted = completed.max(1);
        // A new name makes what is left in the journal nobody's.
        let named = shielded(|| {
            database.counter.insert(NAME, &mark.database)?;
            database.counter.insert(COMMITS, &counted.to_be_bytes())?;
            database.db.flush()
        });
        named.map_err(damaged)?;
        counted
    } else {
        completed
    };
    if completed < mark.commits {
        return Err(lost(completed, mark.commits));
    }
    mark.commits = completed;
    mark.closed_at = None;
    Ok(())
}

/// A database and a journal that do not go together.
struct Gap {
    found: u64,
    expected: u64,
}

/// Puts what is not settled into a database that has counted `commits`; returns how many it has then.
///
/// What it has counted beyond what is settled may be in the system's memory only, or in part, so that
/// is put there again.
fn replay(
    database: &Database,
    frames: Vec<Frame>,
    commits: u64,
) -> Result<Result<u64, Gap>, Trouble> {
    let Some(settled) = frames.iter().map(|frame| frame.settled).max() else {
        return Ok(Ok(commits));
    };
    let gap = |found, expected| Ok(Err(Gap { found, expected }));
    if commits < settled {
        return gap(commits, settled);
    }
    let unsettled: Vec<_> = frames
        .into_iter()
        .filter(|frame| frame.number > settled)
        .collect();
    let mut newest = settled;
    for frame in &unsettled {
        if frame.number != newest + 1 {
            return gap(newest, frame.number);
        }
        newest = frame.number;
    }
    if newest < commits {
        return gap(newest, commits);
    }
    let mut since_sync = 0;
    for frame in unsettled {
        database.apply(&frame.changes, frame.number)?;
        let sizes = frame.changes.iter();
        since_sync += sizes
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len()))
            .sum::<usize>();
        if since_sync > ENOUGH {
            since_sync = 0;
            database.sync().map_err(sled::Error::Io)?;
        }
    }
    database.sync().map_err(sled::Error::Io)?;
    Ok(Ok(newest))
}

fn damaged(path: &Path, trouble: &Trouble) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason: trouble.to_string(),
    }
}

/// The mark: the one that is there, or a new one for a new database. Without a file it is for a
/// database that is believed; that gets its file once it is whole.
fn find_mark(
    directory: &Path,
    database: &Path,
    no_mark: NoMark,
) -> Result<(Option<MarkFile>, Mark), OpenError> {
    let path = directory.join("mark");
    let at = |error| OpenError::Io {
        path: path.clone(),
        error,
    };
    let exists = database.join("db").exists();
    match MarkFile::open(&path).map_err(at)? {
        Some((file, Some(mark))) => Ok((Some(file), mark)),
        _ if exists && no_mark == NoMark::Refuse => Err(OpenError::NoMark(path)),
        _ => {
            let mut mark = Mark {
                database: [0; 16],
                commits: u64::from(exists),
                closed_at: None,
            };
            OsRng.fill_bytes(&mut mark.database);
            let file = (!exists).then(|| MarkFile::create(&path, &mark));
            Ok((file.transpose().map_err(at)?, mark))
        }
    }
}

/// What can be said of the files before sled reads (and, where it cuts its log, rewrites) them.
fn check_files(directory: &Path, mark: &Mark) -> Result<(), OpenError> {
    let database = &directory.join("db");
    let path = database.join("db");
    let size = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing(database.to_owned()));
        }
        Err(error) => return Err(OpenError::Io { path, error }),
    };
    let at = |error| OpenError::Io {
        path: directory.to_owned(),
        error,
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
    let frames = journal::read(directory, &mark.database).map_err(at)?;
    let settled = match frames.iter().map(|frame| frame.settled).max() {
        Some(settled) if mark.closed_at.is_none() => settled,
        _ => mark.commits,
    };
    match log_file::find_damage(database, settled) {
        Ok(None) => Ok(()),
        Ok(Some(at)) => Err(damaged(format!("its file is damaged near byte {at}"))),
        Err(error) => Err(at(error)),
    }
}
