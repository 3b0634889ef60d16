//! Restoring a backup into an empty data directory.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use antiphon_protocol::{Domain, KeyError, PrivateKey};

use super::{BackupError, Manifest, Part, Reader};
use crate::key_manager;
use crate::storage::{
    DataDir, DataDirError, OpenError, RawRecord, Storage, StorageError, WriteSet,
};
use crate::verify::{self, KeyAt, Report};

/// Why a backup could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup.
    #[error("{path}: {error}")]
    Backup {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: BackupError,
    },
    /// It is another node's.
    #[error(
        "the backup is of the domain {found}, and the configuration says {wanted}; set domain = \"{found}\""
    )]
    OtherDomain {
        /// The domain in the backup.
        found: String,
        /// The domain in the configuration.
        wanted: Domain,
    },
    /// The key in it is encrypted.
    #[error(
        "the backup has the server's private key, encrypted: give its passphrase, or --without-key"
    )]
    PassphraseNeeded,
    /// There is none, and one was expected.
    #[error(
        "{} has no private key in it, and a passphrase was given; without the passphrase it can be \
         restored, and needs its key from elsewhere", .0.display()
    )]
    NoKey(PathBuf),
    /// The key cannot be decrypted.
    #[error("the private key in the backup cannot be read; is the passphrase right? ({0})")]
    Key(#[from] KeyError),
    /// The key cannot be kept.
    #[error(transparent)]
    KeyFile(#[from] key_manager::KeyError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The disk that it is restored to takes no more.
    #[error("{} cannot be written to any more: its disk is full, or fails", .0.display())]
    NoRoom(PathBuf),
    /// What is in it does not hold together.
    #[error("what the backup has in it does not hold together ({0} findings); the first: {1}")]
    Unsound(u64, String),
}

/// How the server's private key is to be restored.
#[derive(Debug, Clone, Copy)]
pub enum KeyChoice<'a> {
    /// Decrypted with this passphrase: there must be one.
    Passphrase(&'a str),
    /// Not at all.
    Without,
    /// Nobody has said: refused if the backup has a key.
    Unsaid,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup said of itself.
    pub manifest: Manifest,
    /// What was found in what was restored.
    pub report: Report,
    /// Whether the private key was in it and is there again.
    pub has_key: bool,
}

/// Restores the backup at `file` into the empty directory `into`, and verifies the result.
pub async fn restore(
    file: &Path,
    into: &Path,
    domain: Option<&Domain>,
    key: KeyChoice<'_>,
    cache_mib: u64,
) -> Result<Restored, RestoreError> {
    let backup = Backup::read_through(file, domain, key)?;
    let data_dir = DataDir::open_to_restore(into)?;
    let storage = backup.fill(&data_dir, cache_mib).await?;
    let report = backup.look_through(&storage)?;
    if let Some(key) = &backup.key {
        key_manager::keep_key(&data_dir.keys(), key)?;
    }
    storage.close()?;
    data_dir.stamp(&backup.domain)?;
    data_dir.finish()?;
    Ok(backup.restored(report))
}

/// Restores the backup at `file` into the empty directory `into` as far as that takes to verify it. The
/// private key stays in memory.
pub async fn verify(
    file: &Path,
    into: &Path,
    passphrase: Option<&str>,
    cache_mib: u64,
) -> Result<Restored, RestoreError> {
    let key = passphrase.map_or(KeyChoice::Without, KeyChoice::Passphrase);
    let backup = Backup::read_through(file, None, key)?;
    let data_dir = DataDir::open_to_restore(into)?;
    let storage = backup.fill(&data_dir, cache_mib).await?;
    let report = backup.look_through(&storage)?;
    storage.close()?;
    Ok(backup.restored(report))
}

/// A backup of which all was read once, and whose key, if it is wanted, was decrypted: nothing is
/// written before that.
struct Backup<'a> {
    file: &'a Path,
    manifest: Manifest,
    domain: Domain,
    key: Option<PrivateKey>,
}

impl<'a> Backup<'a> {
    fn read_through(
        file: &'a Path,
        domain: Option<&Domain>,
        key: KeyChoice<'_>,
    ) -> Result<Self, RestoreError> {
        let (manifest, pem) = read_through(file).map_err(in_file(file))?;
        let found = Domain::parse(&manifest.domain)
            .map_err(|_| in_file(file)(BackupError::Damaged("its domain is none")))?;
        if let Some(wanted) = domain
            && *wanted != found
        {
            return Err(RestoreError::OtherDomain {
                found: found.to_string(),
                wanted: wanted.clone(),
            });
        }
        if manifest.has_private_key && matches!(key, KeyChoice::Unsaid) {
            return Err(RestoreError::PassphraseNeeded);
        }
        let key = match (pem, key) {
            (Some(pem), KeyChoice::Passphrase(passphrase)) => {
                Some(PrivateKey::from_encrypted_pkcs8_pem(&pem, passphrase)?)
            }
            (None, KeyChoice::Passphrase(_)) => return Err(RestoreError::NoKey(file.to_owned())),
            (_, KeyChoice::Without | KeyChoice::Unsaid) => None,
        };
        Ok(Self {
            file,
            manifest,
            domain: found,
            key,
        })
    }

    /// Puts the records into an empty store, and derives the rest.
    async fn fill(&self, data_dir: &DataDir, cache_mib: u64) -> Result<Storage, RestoreError> {
        let no_room = |error| match error {
            StorageError::WritesRefused => RestoreError::NoRoom(data_dir.path().to_owned()),
            error => error.into(),
        };
        let storage = Storage::open(data_dir.path(), cache_mib)?;
        let mut reader = open(self.file).map_err(in_file(self.file))?;
        while let Some(part) = reader.next_part().map_err(in_file(self.file))? {
            if let Part::Records(records) = part {
                put(&storage, records).await.map_err(no_room)?;
            }
        }
        verify::rebuild_indexes(&storage).await.map_err(no_room)?;
        Ok(storage)
    }

    /// Whether what is in the store holds together, with the key.
    fn look_through(&self, storage: &Storage) -> Result<Report, RestoreError> {
        let key = self.key.as_ref().map_or(KeyAt::Elsewhere, KeyAt::Memory);
        let report = verify::verify(storage, &self.domain, key);
        match report.findings.first() {
            Some(first) => Err(RestoreError::Unsound(report.found, first.clone())),
            None => Ok(report),
        }
    }

    fn restored(self, report: Report) -> Restored {
        Restored {
            manifest: self.manifest,
            report,
            has_key: self.key.is_some(),
        }
    }
}

fn in_file(file: &Path) -> impl Fn(BackupError) -> RestoreError + use<> {
    let path = file.display().to_string();
    move |error| RestoreError::Backup {
        path: path.clone(),
        error,
    }
}

/// Reads all of a backup; returns what it says of itself.
pub fn check(file: &Path) -> Result<Manifest, BackupError> {
    read_through(file).map(|(manifest, _)| manifest)
}

/// Reads all of a backup; returns what it says of itself, and the encrypted key in it.
fn read_through(file: &Path) -> Result<(Manifest, Option<String>), BackupError> {
    let mut reader = open(file)?;
    let mut private_key = None;
    while let Some(part) = reader.next_part()? {
        if let Part::PrivateKey(pem) = part {
            private_key = Some(pem);
        }
    }
    Ok((reader.manifest().clone(), private_key))
}

fn open(file: &Path) -> Result<Reader<BufReader<File>>, BackupError> {
    Reader::open(BufReader::new(File::open(file).map_err(BackupError::Io)?))
}

async fn put(storage: &Storage, records: Vec<RawRecord>) -> Result<(), StorageError> {
    let mut writes = WriteSet::new();
    for (space, key, value) in records {
        writes.put_bytes(space, &key, value);
    }
    storage.commit(writes).await
}
