//! What is stored, and under which keys.

use antiphon_protocol::{SessionId, Snowflake, Validity};
use serde::{Deserialize, Serialize};

use super::packed::{self, canonical, pack};
use crate::cert_registry::Event;
use crate::storage::{Record, RecordError, Space, StorageError, decode_fields, encode_fields, key};

/// Room for nearly any entry, in bytes: certificates are much alike.
const USUAL: usize = 1024;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cert_registry) struct Entry {
    /// Logging time, UNIX seconds.
    pub(in crate::cert_registry) at: u64,
    /// SHA-256 of the canonical bytes of the entry before; zeros for the first.
    pub(in crate::cert_registry) previous: [u8; 32],
    pub(in crate::cert_registry) event: Event,
}

impl Entry {
    /// What the next entry is chained to is the SHA-256 of this.
    pub(in crate::cert_registry) fn to_canonical(&self) -> Result<Vec<u8>, StorageError> {
        // Growing would be a tenth of the work on an entry.
        let mut bytes = Vec::with_capacity(USUAL);
        bytes.push(packed::CANONICAL);
        encode_fields(self, &mut bytes).map_err(|error| StorageError::Damaged {
            space: Space::LogEntries,
            error,
        })?;
        Ok(bytes)
    }
}

impl Record for Entry {
    const VERSION: u8 = packed::PACKED;

    fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = vec![packed::CANONICAL];
        encode_fields(self, &mut bytes)?;
        pack(&bytes)
    }

    fn from_bytes(stored: &[u8]) -> Result<Self, RecordError> {
        let canonical = canonical(stored)?;
        decode_fields(canonical.get(1..).unwrap_or_default())
    }
}

/// What the indexes by time say of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cert_registry) enum Change {
    /// A certificate, and when it is valid (UNIX seconds, both included).
    Cert { not_before: u64, not_after: u64 },
    /// The end of the session.
    Ended,
}

/// As a record by itself only a certificate of the server.
impl Record for Change {
    const VERSION: u8 = 1;
}

/// A number by itself: a session or a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cert_registry) struct Number(pub(in crate::cert_registry) u64);

impl Record for Number {
    const VERSION: u8 = 1;
}

impl Change {
    pub(in crate::cert_registry) fn of(validity: Validity) -> Self {
        Self::Cert {
            not_before: validity.not_before.as_secs(),
            not_after: validity.not_after.as_secs(),
        }
    }
}

pub(super) fn encode<R: Record>(space: Space, record: &R) -> Result<Vec<u8>, StorageError> {
    let bytes = record.to_bytes();
    bytes.map_err(|error| StorageError::Damaged { space, error })
}

pub(in crate::cert_registry) fn live_key(user: Snowflake, session_id: &SessionId) -> Vec<u8> {
    [&key(&[user.as_u64()]), session_id.as_str().as_bytes()].concat()
}
