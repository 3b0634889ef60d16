//! The log and its indexes on disk.
//!
//! The log is the truth: sequence number → [`Entry`]. The indexes are derived from it, and written
//! in the same commit:
//!
//! - by logging time, for the server and for each session: one backwards range read from
//!   (subject, *t*) finds what was the newest at *t*, however long the history. A session has a
//!   record for each run of its steps (`runs.rs`), the server one for each of its few certificates. A
//!   user's sessions stand there in the order in which they were first seen;
//! - live session IDs;
//! - serial numbers, of entries from before data format 3 (later ones need no index).

#[cfg(test)]
mod golden;
mod index;
mod lookup;
mod packed;
mod records;
mod runs;

use antiphon_protocol::{ActorCert, SerialNumber, SessionId, Snowflake, Timestamp};
use sha2::{Digest, Sha256};

pub(super) use self::index::{ByTime, index_by_serial_number, index_by_time};
use self::packed::pack;
pub(super) use self::packed::{DICTIONARY, canonical, compress, decompress};
pub(super) use self::records::{Change, Entry, Number, live_key};
pub(super) use self::runs::{LastRun, Run, Step};
use super::new_event::NewEvent;
use super::{RegistryError, SessionRef};
use crate::storage::{Space, Storage, StorageError, WriteSet, key, numbers};

/// How many live sessions a user may have. Whoever asks for a user's certificates gets one of each, and anyone may
/// ask; another server can have as many sessions begin here as it likes.
pub(super) const MOST_SESSIONS: usize = 1000;

/// The registry's part of the store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    storage: Storage,
}

/// The newest entry of a log.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Its sequence number; 0 for an empty log, whose first entry is number 1.
    pub(super) sequence: u64,
    /// Its logging time.
    pub(super) at: Timestamp,
    /// SHA-256 of the entry's canonical bytes.
    hash: [u8; 32],
}

impl Store {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// What is allowed for caches, in bytes.
    pub(super) fn cache_bytes(&self) -> u64 {
        self.storage.cache_bytes()
    }

    /// The newest entry of the log.
    pub(super) fn head(&self) -> Result<Head, RegistryError> {
        let newest = self
            .storage
            .scan::<Entry>(Space::LogEntries, &[])
            .next_back();
        let Some((number, entry)) = newest.transpose()? else {
            return Ok(Head {
                sequence: 0,
                at: Timestamp::from_secs(0),
                hash: [0; 32],
            });
        };
        let [sequence] = numbers(Space::LogEntries, &number)?;
        Ok(Head {
            sequence,
            at: Timestamp::from_secs(entry.at),
            hash: Sha256::digest(entry.to_canonical()?).into(),
        })
    }

    /// What appending an event after `head` at the time `at` writes, and the new head of the log.
    pub(super) fn append(
        &self,
        head: &Head,
        at: Timestamp,
        new: NewEvent,
    ) -> Result<(WriteSet, Head), RegistryError> {
        let sequence = head.sequence + 1;
        let entry = Entry {
            at: at.as_secs(),
            previous: head.hash,
            event: new.event,
        };
        let canonical = entry.to_canonical()?;
        let head = Head {
            sequence,
            at,
            hash: Sha256::digest(&canonical).into(),
        };
        let space = Space::LogEntries;
        let packed = pack(&canonical).map_err(|error| StorageError::Damaged { space, error })?;
        let mut writes = WriteSet::new();
        writes.put_bytes(space, &key(&[sequence]), packed);
        self.index(sequence, &entry, new.facts, new.last, &mut writes)?;
        Ok((writes, head))
    }

    /// Takes `writes` in, and has it told when they are durable.
    pub(super) fn commit(
        &self,
        writes: WriteSet,
        tell: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        self.storage.commit_and_tell(writes, tell);
    }

    /// Refuses a serial number that the node has used before.
    pub(super) fn check_serial_number(
        &self,
        serial_number: Option<SerialNumber>,
    ) -> Result<(), RegistryError> {
        let Some(serial_number) = serial_number else {
            return Ok(());
        };
        if self
            .storage
            .contains(Space::SerialNumbers, &key(&[serial_number.as_u64()]))?
        {
            return Err(RegistryError::SerialNumberTaken);
        }
        Ok(())
    }

    /// Whether any serial number is indexed: those of entries from before data format 3 are.
    pub(super) fn has_serial_numbers(&self) -> Result<bool, RegistryError> {
        let mut indexed = self.storage.scan_bytes(Space::SerialNumbers, &[]);
        Ok(indexed.next().transpose()?.is_some())
    }

    /// Refuses a session that was there before, and a session ID that a live one of the user has.
    pub(super) fn check_may_begin(
        &self,
        session: SessionRef,
        session_id: &SessionId,
    ) -> Result<LastRun, RegistryError> {
        let last = self.last_run(session)?;
        if last.has_begun() {
            return Err(RegistryError::SessionTaken);
        }
        match self.live_session(session.user, session_id)? {
            Some(_) => Err(RegistryError::SessionIdTaken),
            None => Ok(last),
        }
    }

    /// Refuses one session too many, where no live one of the user has this ID.
    pub(super) fn check_room(
        &self,
        user: Snowflake,
        session_id: &SessionId,
    ) -> Result<(), RegistryError> {
        if self.live_session(user, session_id)?.is_some() {
            return Ok(());
        }
        let by_user = key(&[user.as_u64()]);
        let mut live = self.storage.scan_bytes(Space::LiveSessions, &by_user);
        match live.nth(MOST_SESSIONS - 1).transpose()? {
            Some(_) => Err(RegistryError::TooManySessions(MOST_SESSIONS)),
            None => Ok(()),
        }
    }

    /// Refuses a session that has ended or never was.
    pub(super) fn check_is_live(&self, session: SessionRef) -> Result<LastRun, RegistryError> {
        let last = self.last_run(session)?;
        match last.newest().map(|step| step.change) {
            Some(Change::Cert { .. }) => Ok(last),
            Some(Change::Ended) | None => Err(RegistryError::NoSuchSession),
        }
    }

    /// The live session of `user` that has this ID.
    pub(super) fn live_session(
        &self,
        user: Snowflake,
        session_id: &SessionId,
    ) -> Result<Option<SessionRef>, RegistryError> {
        let by_id = live_key(user, session_id);
        let session = self.storage.get::<Number>(Space::LiveSessions, &by_id)?;
        Ok(session.map(|Number(session)| SessionRef {
            user,
            session: Snowflake::from_u64(session),
        }))
    }

    /// Where a session stands among the live ones of its user, of whom there are not many: to end one must be
    /// possible also where its certificates cannot be read.
    fn live_key_of(&self, session: SessionRef) -> Result<Option<Vec<u8>>, RegistryError> {
        let by_user = key(&[session.user.as_u64()]);
        for found in self.storage.scan::<Number>(Space::LiveSessions, &by_user) {
            let (by_id, Number(live)) = found?;
            if live == session.session.as_u64() {
                return Ok(Some(by_id));
            }
        }
        Ok(None)
    }

    /// The certificate that a session got last.
    pub(super) fn newest_session_cert(&self, last: &LastRun) -> Result<ActorCert, RegistryError> {
        let newest = last.newest().ok_or(RegistryError::NoSuchSession)?;
        self.actor_cert(newest.sequence)
    }
}
