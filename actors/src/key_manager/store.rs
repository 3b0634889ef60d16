//! The server's private keys: one file each, `<fingerprint>.pem`, PKCS#8, mode 0600.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use antiphon_protocol::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::{KeyError, StartError};
use crate::storage::write_durably;

/// The directory of the keys.
#[derive(Debug)]
pub(super) struct KeyFiles {
    directory: PathBuf,
}

impl KeyFiles {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Keeps a key; it is on disk when this returns.
    pub(super) fn write(&self, key: &PrivateKey) -> Result<(), KeyError> {
        let path = self.path(&key.public_key())?;
        let pem = key.to_pkcs8_pem()?;
        write_durably(&path, pem.as_bytes()).map_err(KeyError::file(path))
    }

    /// Reads the key that goes with `public_key`.
    pub(super) fn read(&self, public_key: &PublicKey) -> Result<PrivateKey, StartError> {
        let path = self.path(public_key)?;
        let pem = match fs::read_to_string(&path) {
            Ok(pem) => Zeroizing::new(pem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StartError::KeyMissing(path));
            }
            Err(error) => {
                let reason = error.to_string();
                return Err(StartError::KeyUnreadable { path, reason });
            }
        };
        match PrivateKey::from_pkcs8_pem(&pem) {
            Ok(key) if key.public_key() == *public_key => Ok(key),
            Ok(_) => Err(StartError::KeyMismatch(path)),
            Err(error) => {
                let reason = error.to_string();
                Err(StartError::KeyUnreadable { path, reason })
            }
        }
    }

    /// Destroys the private key that goes with `public_key`.
    pub(super) fn remove(&self, public_key: &PublicKey) -> Result<(), KeyError> {
        let path = self.path(public_key)?;
        fs::remove_file(&path).map_err(KeyError::file(path))
    }

    /// Destroys every other key: retired ones, and those of rotations that were interrupted before
    /// their certificate was logged.
    pub(super) fn remove_all_but(&self, public_key: &PublicKey) -> Result<(), KeyError> {
        let current = self.path(public_key)?;
        let entries = fs::read_dir(&self.directory);
        for entry in entries.map_err(KeyError::file(self.directory.clone()))? {
            let path = entry
                .map_err(KeyError::file(self.directory.clone()))?
                .path();
            let is_ours = path
                .extension()
                .is_some_and(|extension| extension == "pem" || extension == "new");
            if is_ours && path != current {
                fs::remove_file(&path).map_err(KeyError::file(path))?;
            }
        }
        Ok(())
    }

    fn path(&self, public_key: &PublicKey) -> Result<PathBuf, KeyError> {
        let name = format!("{}.pem", public_key.fingerprint()?);
        Ok(self.directory.join(name))
    }
}
