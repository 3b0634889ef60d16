//! Making a database whole again: what only the journal has goes into it, and then it must be the one
//! that the mark speaks of.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rand_core::{OsRng, RngCore as _};

use super::applier::{COMMITS, Database};
use super::journal::{self, Frame};
use super::mark::{Mark, MarkFile};
use super::open::{open_when_closed, sync_all_files};
use super::pending::Changes;
use super::shield::{Trouble, let_go, shielded};
use super::watchdog::Watchdog;
use super::{OpenError, compact, create_private, examine, segment_size};

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
    let is_believed = mark_file.is_none();
    // Whose journal it is of a believed database turns out only once that is open.
    let frames = if is_believed || mark.closed_at.is_some() {
        Vec::new()
    } else {
        journal::read(directory, &mark.database, mark.commits).map_err(at)?
    };
    if !is_new {
        examine::before_open(directory, &mark, &frames)?;
    }
    let database = open_database(&path, cache_mib, is_new.then_some(&mark))?;
    let completed = if is_believed {
        believe(directory, &database, &mut mark)
    } else {
        complete(&path, &database, &mut mark, frames)
    };
    let completed = completed.and_then(|()| {
        sync_all_files(&path).map_err(at)?;
        let mark_path = directory.join("mark");
        match mark_file {
            Some(mut file) => {
                let written = file.write(&mark).and_then(|()| file.sync());
                written.map(|()| file)
            }
            None => MarkFile::create(&mark_path, &mark),
        }
        .and_then(|file| {
            if !is_new {
                examine::note_opened(directory)?;
            }
            Ok(file)
        })
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
    let opened = shielded(|| {
        let db = open_when_closed(path, cache_mib)?;
        let counter = db.open_tree("mark")?;
        Ok((db, counter, segment_size::of(path)?))
    });
    let (db, counter, segment_size) = opened.map_err(|trouble| refused(path, trouble))?;
    let watched = Watchdog::start(counter.clone())
        .and_then(|watchdog| Ok((watchdog, File::open(path.join("db"))?)));
    let database = match watched {
        Ok((watchdog, log_file)) => Database {
            _watchdog: watchdog,
            db,
            counter,
            log_file,
            segment_size,
        },
        Err(error) => {
            let_go((db, counter));
            return Err(OpenError::Io {
                path: path.to_owned(),
                error,
            });
        }
    };
    match of_new.map_or(Ok(()), |mark| begin(&database, mark)) {
        Ok(()) => Ok(database),
        Err(trouble) => {
            let_go(database);
            Err(refused(path, trouble))
        }
    }
}

/// Gives a new database its name and its first commit.
fn begin(database: &Database, mark: &Mark) -> Result<(), Trouble> {
    shielded(|| {
        database.counter.insert(NAME, &mark.database)?;
        database.counter.insert(COMMITS, &1_u64.to_be_bytes())?;
        database.db.flush()
    })
    .map(drop)
}

/// What a database says of itself.
struct Found {
    name: Option<[u8; 16]>,
    commits: u64,
}

impl Found {
    fn read(counter: &sled::Tree) -> Result<Self, Trouble> {
        let found = shielded(|| Ok((counter.get(NAME)?, counter.get(COMMITS)?)));
        let (name, commits) = found?;
        let name = name.and_then(|name| name.as_ref().try_into().ok());
        // Format 1 did not count.
        let commits = commits.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?)));
        Ok(Self {
            name,
            commits: commits.unwrap_or_default(),
        })
    }
}

/// Puts into a database what only the journal has, and compares it with its mark, which from now on
/// speaks of an open one.
fn complete(
    path: &Path,
    database: &Database,
    mark: &mut Mark,
    frames: Vec<Frame>,
) -> Result<(), OpenError> {
    let refused = |trouble| refused(path, trouble);
    let lost = |found, expected| OpenError::Lost {
        path: path.to_owned(),
        found,
        expected,
    };
    let Found { name, commits } = Found::read(&database.counter).map_err(refused)?;
    if name != Some(mark.database) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if mark.closed_at.is_some() && commits != mark.commits {
        return Err(lost(commits, mark.commits));
    }
    let unsettled = unsettled(frames, commits);
    let unsettled = unsettled.map_err(|gap| lost(gap.found, gap.expected))?;
    let commits = unsettled.last().map_or(commits, |frame| frame.number);
    replay(database, unsettled).map_err(refused)?;
    if commits < mark.commits {
        return Err(lost(commits, mark.commits));
    }
    mark.commits = commits;
    mark.closed_at = None;
    Ok(())
}

/// The same without a mark to compare with: what the database says of itself is believed, and what the
/// journal has for it. It gets the name in the mark, which makes what is left in the journal nobody's.
fn believe(directory: &Path, database: &Database, mark: &mut Mark) -> Result<(), OpenError> {
    let path = directory.join("db");
    let refused = |trouble| refused(&path, trouble);
    let Found { name, commits } = Found::read(&database.counter).map_err(refused)?;
    let frames = name.map_or(Ok(Vec::new()), |name| journal::read(directory, &name, 0));
    let frames = frames.map_err(|error| OpenError::Io {
        path: directory.to_owned(),
        error,
    })?;
    let unsettled = unsettled(frames, commits).unwrap_or_else(|gap| {
        let found = gap.found;
        tracing::warn!(commits, found, "the journal does not go with the database");
        Vec::new()
    });
    let commits = unsettled.last().map_or(commits, |frame| frame.number);
    replay(database, unsettled).map_err(refused)?;
    mark.commits = commits.max(1);
    let named = shielded(|| {
        database.counter.insert(NAME, &mark.database)?;
        database
            .counter
            .insert(COMMITS, &mark.commits.to_be_bytes())?;
        database.db.flush()
    });
    named.map(drop).map_err(refused)
}

/// A database and a journal that do not go together.
struct Gap {
    found: u64,
    expected: u64,
}

/// What is to be put into a database that has counted `commits`: all that is not settled. What it has
/// counted beyond that may be in the system's memory only, or in part, so that is put there again.
fn unsettled(mut frames: Vec<Frame>, commits: u64) -> Result<Vec<Frame>, Gap> {
    let Some(settled) = journal::newest_settled(&frames) else {
        return Ok(frames);
    };
    if commits < settled {
        return Err(Gap {
            found: commits,
            expected: settled,
        });
    }
    frames.retain(|frame| frame.number > settled);
    let mut newest = settled;
    for frame in &frames {
        if frame.number != newest + 1 {
            return Err(Gap {
                found: newest,
                expected: frame.number,
            });
        }
        newest = frame.number;
    }
    if newest < commits {
        return Err(Gap {
            found: newest,
            expected: commits,
        });
    }
    Ok(frames)
}

/// Puts commits into the database, all of them on disk there in the end. Of each key only the last
/// value: a database that has them already is the same at each instant, wherever this ends.
fn replay(database: &Database, frames: Vec<Frame>) -> Result<(), Trouble> {
    let newest = frames.last().map(|frame| frame.number);
    let all: Changes = frames.into_iter().flat_map(|frame| frame.changes).collect();
    database.put(&all)?;
    newest.map_or(Ok(()), |newest| database.count(newest))?;
    database.sync().map_err(Trouble::Io)
}

/// What sled's refusal means: that the disk refuses something, or that the files are not what they were.
pub(super) fn refused(path: &Path, trouble: Trouble) -> OpenError {
    let path = path.to_owned();
    match trouble {
        // Those kinds are what sled itself says of files that it cannot make sense of.
        Trouble::Io(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Other
                    | io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Disk { path, error }
        }
        trouble => OpenError::Damaged {
            path,
            reason: trouble.to_string(),
        },
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
