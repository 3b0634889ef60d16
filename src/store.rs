//! Opening the store of a data directory, and bringing older ones up to date.

use std::io;
use std::path::{Path, PathBuf};

use antiphon_actors::backup::{self, MakeError, Manifest};
use antiphon_actors::clock::Clock;
use antiphon_actors::storage::{
    DataDir, DataDirError, FORMAT, OpenError, Storage, StorageError, Unfinished, fill_durably,
};
use antiphon_actors::verify;

use crate::config::Config;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The backup before the change of format.
    #[error("{path}: {error}", path = path.display())]
    Backup {
        /// Where it was to be.
        path: PathBuf,
        /// Why it is not there.
        error: MakeError,
    },
}

/// Opens the store. One in an older format is backed up first, into the data directory itself, and its
/// indexes are written anew.
pub async fn open(
    data_dir: &DataDir,
    config: &Config,
    clock: &dyn Clock,
) -> Result<Storage, StoreError> {
    if !data_dir.is_older() {
        return Ok(Storage::open(data_dir.path(), config.cache_mib)?);
    }
    let has_mark = data_dir.format() > 1;
    bring_up_to_date(data_dir, has_mark, config, clock).await
}

/// Opens the store, also without its mark, and writes its indexes anew.
pub async fn repair(
    data_dir: &DataDir,
    config: &Config,
    clock: &dyn Clock,
) -> Result<Storage, StoreError> {
    if data_dir.is_older() {
        return bring_up_to_date(data_dir, false, config, clock).await;
    }
    let storage = Storage::open_without_mark(data_dir.path(), config.cache_mib)?;
    verify::check_sources(&storage)?;
    data_dir.begin(Unfinished::RepairIndexes)?;
    verify::rebuild_indexes(&storage).await?;
    data_dir.finish()?;
    Ok(storage)
}

async fn bring_up_to_date(
    data_dir: &DataDir,
    has_mark: bool,
    config: &Config,
    clock: &dyn Clock,
) -> Result<Storage, StoreError> {
    // What older formats have, this program reads: format 1 has no mark, the entries of the log in formats 1
    // and 2 are not packed, and those before 5 have no journal. Only what is derived from the log is written
    // anew.
    if !data_dir.has_journal() && data_dir.unfinished()?.is_none() {
        // What is there all the same was left by a change that was given up before it began. It has
        // nothing that the database has not, and the older version may have gone on since.
        data_dir.remove_journal()?;
    }
    let storage = if has_mark {
        Storage::open(data_dir.path(), config.cache_mib)?
    } else {
        Storage::open_without_mark(data_dir.path(), config.cache_mib)?
    };
    verify::check_sources(&storage)?;
    tracing::warn!(
        format = FORMAT,
        "the data directory has an older format: it is backed up, and its indexes are written anew, \
         which takes a minute or two for a million certificates"
    );
    let name = format!("before-format-{FORMAT}.backup");
    let path = data_dir.path().join(name);
    back_up(&storage, &path, data_dir.format(), config, clock)
        .await
        .map_err(|error| StoreError::Backup {
            path: path.clone(),
            error,
        })?;
    // Until its end, older versions cannot use it either, unless they rebuild the indexes. (Nor can
    // this one after its end and before the last line here, where one needless repair is asked for.)
    data_dir.begin(Unfinished::RepairIndexes)?;
    verify::rebuild_indexes(&storage).await?;
    data_dir.stamp(&config.domain)?;
    data_dir.finish()?;
    tracing::warn!(
        backup = %path.display(),
        format = FORMAT,
        "the data directory was brought to a newer format; older versions cannot use it any more"
    );
    Ok(storage)
}

/// For the version that wrote `data_format`, and without the private key, which stays where it is.
async fn back_up(
    storage: &Storage,
    path: &Path,
    data_format: u32,
    config: &Config,
    clock: &dyn Clock,
) -> Result<(), MakeError> {
    let manifest = Manifest {
        domain: config.domain.to_string(),
        made_at: clock.now().as_secs(),
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        data_format,
        has_private_key: false,
    };
    let snapshot = storage.snapshot().await?;
    let snapshot = snapshot.ok_or_else(|| io::Error::other("another backup is being made"))?;
    fill_durably(path, |file| {
        backup::make(snapshot, &manifest, None, io::BufWriter::new(file)).map(drop)
    })?;
    // Whoever needs it cannot make another.
    let checked = backup::check(path).map_err(io::Error::other);
    checked.map(drop).map_err(MakeError::from)
}
