//! Backups: everything that must outlive a disk, as of one instant, in one file.
//!
//! A restored node is an older state of itself. So what may be used once, or may have been taken
//! back since, is not in a backup (`is_kept`): one-time packages, tokens, invites, challenges.
//! What is derived is not in it either; it is rebuilt.

mod format;
mod restore;

use std::io::{self, Write};

pub use format::{BackupError, Manifest, Part, Reader};
pub use restore::{KeyChoice, RestoreError, Restored, check, restore, verify};

use crate::storage::{Snapshot, Space, StorageError};
use format::Writer;

/// Why a backup could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The store could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The backup could not be written.
    #[error("the backup could not be written: {0}")]
    Io(#[from] io::Error),
}

/// Writes a backup of `snapshot`, with the server's private key if that is given, encrypted.
/// Returns the number of records in it.
pub fn make(
    mut snapshot: Snapshot,
    manifest: &Manifest,
    encrypted_key: Option<&str>,
    out: impl Write,
) -> Result<u64, MakeError> {
    let mut writer = Writer::begin(out, manifest)?;
    if let Some(pem) = encrypted_key {
        writer.private_key(pem)?;
    }
    loop {
        let mut records = snapshot.next_records()?;
        if records.is_empty() {
            return Ok(writer.end()?);
        }
        records.retain(|(space, ..)| is_kept(*space));
        if !records.is_empty() {
            writer.records(&records)?;
        }
    }
}

/// Whether a space is in backups.
fn is_kept(space: Space) -> bool {
    match space {
        Space::LogEntries
        | Space::Users
        | Space::Racks
        | Space::LastResortPackages
        | Space::InitKeys
        // Or a restored node could use a serial number again.
        | Space::SerialSource => true,
        // Derived: rebuilt.
        Space::ServerCertIndex
        | Space::SessionCertIndex
        | Space::FormerSessions
        | Space::LiveSessions
        | Space::SerialNumbers
        | Space::UsersByFid
        // Used or taken back since, perhaps: what was good once must not become good again.
        | Space::Tokens
        | Space::TokensBySession
        | Space::Invites
        | Space::UsedChallenges
        | Space::ChallengeSecret
        | Space::ForgottenChallenges
        | Space::OneTimePackages
        | Space::Claims
        | Space::ClaimedPackages => false,
    }
}
