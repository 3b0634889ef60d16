//! The public part of the store, for other programs: the log with its certificates.

use antiphon_protocol::base64;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Event;
use super::store::{Entry, canonical};
use crate::storage::{Record as _, Space, Storage, StorageError, numbers};
use crate::verify::hex;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Its number; the first is 1.
    pub entry: u64,
    /// When it was logged, UNIX seconds.
    pub at: u64,
    /// What it says: `server_cert`, `session_cert`, `foreign_cert` or `session_ended`.
    pub event: &'static str,
    /// Whose session, a Snowflake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Which of the user's sessions, a Snowflake of the node's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The certificate, Base64 of DER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_cert: Option<String>,
    /// The entry's canonical bytes, Base64: what the hashes are of.
    pub stored: String,
    /// SHA-256 of it, hexadecimal. Its bytes 9 to 40 are that of the entry before.
    pub sha256: String,
}

/// What an export ends with, so that one that was cut off can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportEnd {
    /// How many entries there were.
    pub entries: u64,
    /// SHA-256 of the last, hexadecimal.
    pub sha256: String,
}

/// Hands every entry of the log up to number `until` to `write`, oldest first.
pub fn export<E: From<StorageError>>(
    storage: &Storage,
    until: u64,
    mut write: impl FnMut(Exported) -> Result<(), E>,
) -> Result<ExportEnd, E> {
    let mut end = ExportEnd {
        entries: 0,
        sha256: hex(&[0; 32]),
    };
    for found in storage.scan_bytes(Space::LogEntries, &[]) {
        let (number, bytes) = found?;
        let [number] = numbers(Space::LogEntries, &number)?;
        if number > until {
            break;
        }
        let read = canonical(&bytes).and_then(|bytes| Ok((Entry::from_bytes(&bytes)?, bytes)));
        let (entry, bytes) = read.map_err(|error| StorageError::Damaged {
            space: Space::LogEntries,
            error,
        })?;
        let exported = Exported::of(number, &entry, &bytes);
        end = ExportEnd {
            entries: end.entries + 1,
            sha256: exported.sha256.clone(),
        };
        write(exported)?;
    }
    Ok(end)
}

impl Exported {
    fn of(number: u64, entry: &Entry, bytes: &[u8]) -> Self {
        let (event, whose, der) = match &entry.event {
            Event::ServerCert { der } => ("server_cert", None, Some(der)),
            Event::SessionCert { user, session, der } => {
                ("session_cert", Some((user, session)), Some(der))
            }
            Event::ForeignCert { user, session, der } => {
                ("foreign_cert", Some((user, session)), Some(der))
            }
            Event::SessionEnded { user, session } => ("session_ended", Some((user, session)), None),
        };
        Self {
            entry: number,
            at: entry.at,
            event,
            user_id: whose.map(|(user, _)| user.to_string()),
            session: whose.map(|(_, session)| session.to_string()),
            id_cert: der.map(|der| base64::encode(der)),
            stored: base64::encode(bytes),
            sha256: hex(&Sha256::digest(bytes)),
        }
    }
}
