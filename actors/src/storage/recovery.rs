//! Making a database whole again: what only the journal has goes into it, and then it must be the one
//! that the mark speaks of.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rand_core::{OsRng, RngCore as _};

use super::applier::{COMMITS, Database};
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
    let (mut mark_file, mut mark, is_believed) = find_mark(directory, &path, no_mark)?;
    let is_new = mark.commits == 0;
    if is_new && path.exists() {
        // Its creation was interrupted, before anything could be written to it.
        fs::remove_dir_all(&path).map_err(at)?;
    }
    let frames = journal::read(directory).map_err(at)?;
    if !is_new {
        check_files(&path, &mark, &frames)?;
    }
    let database = open_database(&path, cache_mib, is_new.then_some(&mark))?;
    let completed = complete(&path, &database, &mut mark, frames, is_believed).and_then(|()| {
        sync_all_files(&path)
            .and_then(|()| mark_file.write(&mark))
            .and_then(|()| mark_file.sync())
            .map_err(at)
    });
    if let Err(error) = completed {
        let_go(database);
        return Err(error);
    }
    Ok(Prepared {
        database,
        mark_file,
        mark,
    })
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
    path: &Path,
    database: &Database,
    mark: &mut Mark,
    frames: Vec<Frame>,
    is_believed: bool,
) -> Result<(), OpenError> {
    let damaged = |trouble: Trouble| damaged(path, &trouble);
    let lost = |found, expected| OpenError::Lost {
        path: path.to_owned(),
        found,
        expected,
    };
    let found = shielded(|| Ok((database.counter.get(NAME)?, database.counter.get(COMMITS)?)));
    let (name, commits) = found.map_err(damaged)?;
    if !is_believed && name.as_deref() != Some(&mark.database) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let commits = commits.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?)));
    let mut commits = commits.unwrap_or_default();
    let closed_well = mark.closed_at.is_some();
    if !is_believed && closed_well && commits != mark.commits {
        return Err(lost(commits, mark.commits));
    }
    let frames = frames
        .into_iter()
        .filter(|frame| name.as_deref() == Some(&frame.database));
    for frame in frames {
        if frame.number <= commits {
            continue;
        }
        if frame.number > commits + 1 {
            if is_believed {
                tracing::warn!(commits, "the journal has more, but not what comes next");
                break;
            }
            return Err(lost(commits, frame.number));
        }
        commits = frame.number;
        database.apply(&frame.changes, commits).map_err(damaged)?;
    }
    if is_believed {
        commits = commits.max(1);
        let named = shielded(|| {
            database.counter.insert(NAME, &mark.database)?;
            database.counter.insert(COMMITS, &commits.to_be_bytes())
        });
        named.map_err(damaged)?;
    } else if commits < mark.commits {
        return Err(lost(commits, mark.commits));
    }
    shielded(|| database.db.flush()).map_err(damaged)?;
    mark.commits = commits;
    mark.closed_at = None;
    Ok(())
}

fn damaged(path: &Path, trouble: &Trouble) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason: trouble.to_string(),
    }
}

/// The mark: the one that is there, or a new one for a new database. The last of the three says
/// whether it is made for a database that is there, which is believed.
fn find_mark(
    directory: &Path,
    database: &Path,
    no_mark: NoMark,
) -> Result<(MarkFile, Mark, bool), OpenError> {
    let path = directory.join("mark");
    let at = |error| OpenError::Io {
        path: path.clone(),
        error,
    };
    let exists = database.join("db").exists();
    match MarkFile::open(&path).map_err(at)? {
        Some((file, Some(mark))) => Ok((file, mark, false)),
        _ if exists && no_mark == NoMark::Refuse => Err(OpenError::NoMark(path)),
        _ => {
            let mut mark = Mark {
                database: [0; 16],
                commits: u64::from(exists),
                closed_at: None,
            };
            OsRng.fill_bytes(&mut mark.database);
            let file = MarkFile::create(&path, &mark).map_err(at)?;
            Ok((file, mark, exists))
        }
    }
}

/// What can be said of the files before sled reads (and, where it cuts its log, rewrites) them.
fn check_files(database: &Path, mark: &Mark, frames: &[Frame]) -> Result<(), OpenError> {
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
    let of_it = frames
        .iter()
        .filter(|frame| frame.database == mark.database);
    let settled = match of_it.map(|frame| frame.settled).max() {
        Some(settled) if mark.closed_at.is_none() => settled,
        _ => mark.commits,
    };
    match log_file::find_damage(database, settled) {
        Ok(None) => Ok(()),
        Ok(Some(at)) => Err(damaged(format!("its file is damaged near byte {at}"))),
        Err(error) => Err(OpenError::Io { path, error }),
    }
}
