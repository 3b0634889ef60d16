//! Reading everything in a store that no node uses, and saying what is wrong with it.
//!
//! Each owner looks through its own part (`verify.rs` in its folder): the log's chain and
//! signatures, the indexes against the log, users, packages, and the keys against the
//! certificates.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::Path;

use antiphon_protocol::{Domain, PrivateKey};
use serde::Serialize;

use crate::storage::{Record, Space, Storage, StorageError};
use crate::{accounts, cert_registry, key_manager, key_package_pool};

/// How many findings are kept; of what is broken everywhere the first tell enough.
const KEPT: usize = 1000;

/// What was read and what is wrong.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What is wrong, and where; the first thousand.
    pub findings: Vec<String>,
    /// How many things are wrong.
    pub found: u64,
    /// How much was read, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// What is nothing wrong, and worth knowing: what was not looked at, and where the log ends.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.found == 0
    }

    pub(crate) fn finding(&mut self, what: impl Display) {
        self.found += 1;
        if self.findings.len() < KEPT {
            self.findings.push(what.to_string());
        }
    }

    pub(crate) fn note(&mut self, what: impl Display) {
        self.notes.push(what.to_string());
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// A value that was looked for, or a finding.
    pub(crate) fn read<T>(&mut self, read: Result<T, StorageError>) -> Option<T> {
        read.map_err(|error| self.finding(error)).ok()
    }

    /// Hands every record of a space to `look`. One that cannot be read is a finding.
    pub(crate) fn each<R: Record>(
        &mut self,
        storage: &Storage,
        space: Space,
        mut look: impl FnMut(&mut Self, &[u8], R),
    ) {
        for found in storage.scan_bytes(space, &[]) {
            match found.map(|(key, bytes)| (R::from_bytes(&bytes), key)) {
                Ok((Ok(record), key)) => look(self, &key, record),
                Ok((Err(error), key)) => {
                    self.finding(format!("{space:?} {}: {error}", hex(&key)));
                }
                Err(error) => {
                    self.finding(format!("{space:?}: {error}"));
                    break;
                }
            }
        }
    }
}

/// Where the server's private key is.
#[derive(Debug, Clone, Copy)]
pub enum KeyAt<'a> {
    /// In a file below this directory.
    Files(&'a Path),
    /// Here.
    Memory(&'a PrivateKey),
    /// Elsewhere: it is not looked at.
    Elsewhere,
}

/// Looks through the store of the node for `domain`.
pub fn verify(storage: &Storage, domain: &Domain, key: KeyAt<'_>) -> Report {
    let mut report = Report::default();
    match storage.unknown_spaces() {
        Ok(numbers) => {
            for number in numbers {
                report.finding(format!("there are records in the unknown space {number}"));
            }
        }
        Err(error) => report.finding(error),
    }
    let accounts = accounts::Verifier::new(storage);
    let newest = cert_registry::verify(storage, domain, &accounts, &mut report);
    match (newest, key) {
        (None, _) => report.finding("the log has no server certificate"),
        (Some(newest), KeyAt::Files(keys)) => key_manager::verify(keys, &newest, &mut report),
        (Some(newest), KeyAt::Memory(key)) if *newest.public_key() == key.public_key() => {
            report.count("private keys");
        }
        (Some(_), KeyAt::Memory(_)) => {
            report.finding("its private key does not match the server certificate");
        }
        (Some(newest), KeyAt::Elsewhere) => match newest.public_key().fingerprint() {
            Ok(name) => report.note(format!("the private key {name}.pem was not looked at")),
            Err(error) => report.finding(error),
        },
    }
    key_manager::verify_serials(storage, &mut report);
    accounts.verify(domain, &mut report);
    key_package_pool::verify(storage, &mut report);
    report
}

/// Whether all that indexes are derived from can be read: the log and the users. To be asked before
/// anything is changed.
pub fn check_sources(storage: &Storage) -> Result<(), StorageError> {
    cert_registry::check_entries(storage)?;
    accounts::check_users(storage)
}

/// Writes all indexes anew, from what they are derived from.
pub async fn rebuild_indexes(storage: &Storage) -> Result<(), StorageError> {
    cert_registry::rebuild_indexes(storage).await?;
    accounts::rebuild_indexes(storage).await
}

/// Bytes as people compare them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
