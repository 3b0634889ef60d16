//! The log and its indexes on disk.
//!
//! The log is the truth: sequence number → [`Entry`]. The indexes are derived from it, and written
//! in the same commit:
//!
//! - by logging time, for the server and for each session: one backwards range read from
//!   (subject, *t*) finds what was the newest at *t*, however long the history;
//! - the sessions of a user, in the order in which they were first seen;
//! - live session IDs, and serial numbers.

#[cfg(test)]
mod golden;

use std::future::Future;

use antiphon_protocol::{
    ActorCert, SerialNumber, ServerCert, SessionId, Snowflake, Timestamp, Validity,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Event, LiveCert, RegistryError, ServerCertLife, SessionLife, SessionRef};
use crate::storage::{RawRecord, Record, RecordError, Space, Storage, StorageError, WriteSet};

/// The registry's part of the store.
#[derive(Debug)]
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
    /// SHA-256 of the entry as stored.
    hash: [u8; 32],
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Logging time, UNIX seconds.
    pub(super) at: u64,
    /// SHA-256 of the entry before, as stored; zeros for the first.
    pub(super) previous: [u8; 32],
    pub(super) event: Event,
}

impl Record for Entry {
    const VERSION: u8 = 1;
}

/// What the indexes by time say of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// A certificate, and when it is valid (UNIX seconds, both included).
    Cert { not_before: u64, not_after: u64 },
    /// The end of the session.
    Ended,
}

impl Record for Change {
    const VERSION: u8 = 1;
}

/// A session, as the index of sessions has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    pub(super) session_id: String,
    /// Logging time of its first certificate.
    pub(super) since: u64,
    pub(super) ended: Option<End>,
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) at: u64,
    pub(super) sequence: u64,
}

impl Record for SessionRecord {
    const VERSION: u8 = 1;
}

/// A number by itself: a session or a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Number(pub(super) u64);

impl Record for Number {
    const VERSION: u8 = 1;
}

impl Store {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// The newest entry of the log.
    pub(super) fn head(&self) -> Result<Head, RegistryError> {
        let newest = self
            .storage
            .scan::<Entry>(Space::LogEntries, &[])
            .next_back();
        let Some((key, entry)) = newest.transpose()? else {
            return Ok(Head {
                sequence: 0,
                at: Timestamp::from_secs(0),
                hash: [0; 32],
            });
        };
        let stored = self.storage.get_bytes(Space::LogEntries, &key)?;
        Ok(Head {
            sequence: number_at(&key, 0),
            at: Timestamp::from_secs(entry.at),
            hash: Sha256::digest(stored.unwrap_or_default()).into(),
        })
    }

    /// What appending `event` after `head` at the time `at` writes, and the new head of the log.
    pub(super) fn append(
        &self,
        head: &Head,
        at: Timestamp,
        event: Event,
    ) -> Result<(WriteSet, Head), RegistryError> {
        let sequence = head.sequence + 1;
        let entry = Entry {
            at: at.as_secs(),
            previous: head.hash,
            event,
        };
        let bytes = encode(Space::LogEntries, &entry)?;
        let head = Head {
            sequence,
            at,
            hash: Sha256::digest(&bytes).into(),
        };
        let mut writes = WriteSet::new();
        writes.put_bytes(Space::LogEntries, &key(&[sequence]), bytes);
        self.index(sequence, &entry, &mut writes)?;
        Ok((writes, head))
    }

    /// Makes `writes` durable.
    pub(super) fn commit(
        &self,
        writes: WriteSet,
    ) -> impl Future<Output = Result<(), StorageError>> + use<> {
        self.storage.commit(writes)
    }

    /// What the indexes say of an entry.
    pub(super) fn index(
        &self,
        sequence: u64,
        entry: &Entry,
        writes: &mut WriteSet,
    ) -> Result<(), RegistryError> {
        for (space, key, bytes) in index_by_number(sequence, entry)? {
            writes.put_bytes(space, &key, bytes);
        }
        match &entry.event {
            Event::ServerCert { .. } => {}
            Event::SessionCert { user, session, der }
            | Event::ForeignCert { user, session, der } => {
                let by_user = key(&[*user, *session]);
                if !self.storage.contains(Space::Sessions, &by_user)? {
                    let cert = actor_cert(sequence, der)?;
                    let opened = SessionRecord {
                        session_id: cert.session_id().as_str().to_owned(),
                        since: entry.at,
                        ended: None,
                    };
                    writes.put(Space::Sessions, &by_user, &opened)?;
                    let by_id = live_key(*user, &opened.session_id);
                    writes.put(Space::LiveSessions, &by_id, &Number(*session))?;
                }
            }
            Event::SessionEnded { user, session } => {
                let by_user = key(&[*user, *session]);
                let ended = self
                    .storage
                    .get::<SessionRecord>(Space::Sessions, &by_user)?;
                let mut ended = ended.ok_or(RegistryError::NoSuchSession)?;
                writes.remove(Space::LiveSessions, &live_key(*user, &ended.session_id));
                ended.ended = Some(End {
                    at: entry.at,
                    sequence,
                });
                writes.put(Space::Sessions, &by_user, &ended)?;
            }
        }
        Ok(())
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

    /// Refuses a session ID that a live session of the user has.
    pub(super) fn check_session_id(
        &self,
        user: Snowflake,
        session_id: &SessionId,
    ) -> Result<(), RegistryError> {
        match self.live_session(user, session_id)? {
            Some(_) => Err(RegistryError::SessionIdTaken),
            None => Ok(()),
        }
    }

    /// Refuses a session that has ended or never was.
    pub(super) fn check_is_live(&self, session: SessionRef) -> Result<(), RegistryError> {
        let by_user = key(&[session.user.as_u64(), session.session.as_u64()]);
        match self
            .storage
            .get::<SessionRecord>(Space::Sessions, &by_user)?
        {
            Some(SessionRecord { ended: None, .. }) => Ok(()),
            _ => Err(RegistryError::NoSuchSession),
        }
    }

    /// The live session of `user` that has this ID.
    pub(super) fn live_session(
        &self,
        user: Snowflake,
        session_id: &SessionId,
    ) -> Result<Option<SessionRef>, RegistryError> {
        let by_id = live_key(user.as_u64(), session_id.as_str());
        let session = self.storage.get::<Number>(Space::LiveSessions, &by_id)?;
        Ok(session.map(|Number(session)| SessionRef {
            user,
            session: Snowflake::from_u64(session),
        }))
    }

    /// The certificate that a session got last.
    pub(super) fn newest_session_cert(
        &self,
        session: SessionRef,
    ) -> Result<ActorCert, RegistryError> {
        let of_session = key(&[session.user.as_u64(), session.session.as_u64()]);
        let newest = self
            .storage
            .scan::<Change>(Space::SessionCertIndex, &of_session)
            .next_back();
        let (by_time, _) = newest.ok_or(RegistryError::NoSuchSession)??;
        let sequence = number_at(&by_time, 3);
        ActorCert::from_der(&self.cert(sequence)?)
            .map_err(|_| RegistryError::DamagedEntry(sequence))
    }

    /// The server certificate in force at `at`, among the entries up to `newest`.
    pub(super) fn server_cert_in_force(
        &self,
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let found = self.in_force(Space::ServerCertIndex, &[], at, newest)?;
        Ok(found.map(|(_, der)| der))
    }

    /// The certificates of the user's sessions in force at `at`, among the entries up to `newest`.
    pub(super) fn session_certs_in_force(
        &self,
        user: Snowflake,
        at: Timestamp,
        newest: u64,
    ) -> Result<Vec<LiveCert>, RegistryError> {
        let mut certs = Vec::new();
        for found in self
            .storage
            .scan::<SessionRecord>(Space::Sessions, &key(&[user.as_u64()]))
        {
            let (by_user, session) = found?;
            // Spares a range read for sessions of another time.
            let has_begun = session.since <= at.as_secs();
            let has_ended = session
                .ended
                .is_some_and(|end| end.at <= at.as_secs() && end.sequence <= newest);
            if has_begun && !has_ended {
                let found = self.in_force(Space::SessionCertIndex, &by_user, at, newest)?;
                certs.extend(found.map(|(sequence, der)| LiveCert {
                    session: SessionRef {
                        user,
                        session: Snowflake::from_u64(number_at(&by_user, 1)),
                    },
                    sequence,
                    der,
                }));
            }
        }
        Ok(certs)
    }

    /// The certificate of one session in force at `at`, among the entries up to `newest`.
    pub(super) fn session_cert_in_force(
        &self,
        session: SessionRef,
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<LiveCert>, RegistryError> {
        let of_session = key(&[session.user.as_u64(), session.session.as_u64()]);
        let found = self.in_force(Space::SessionCertIndex, &of_session, at, newest)?;
        Ok(found.map(|(sequence, der)| LiveCert {
            session,
            sequence,
            der,
        }))
    }

    /// All sessions of a user, with the certificate that each has at `now`.
    pub(super) fn sessions(
        &self,
        user: Snowflake,
        now: Timestamp,
        newest: u64,
    ) -> Result<Vec<SessionLife>, RegistryError> {
        let mut lives = Vec::new();
        for found in self
            .storage
            .scan::<SessionRecord>(Space::Sessions, &key(&[user.as_u64()]))
        {
            let (by_user, session) = found?;
            let damaged = |error: String| StorageError::Damaged {
                space: Space::Sessions,
                error: RecordError::Fields(error),
            };
            let cert = self.in_force(Space::SessionCertIndex, &by_user, now, newest)?;
            let cert = cert.map(|(_, der)| ActorCert::from_der(&der)).transpose();
            lives.push(SessionLife {
                session: SessionRef {
                    user,
                    session: Snowflake::from_u64(number_at(&by_user, 1)),
                },
                session_id: SessionId::parse(&session.session_id)
                    .map_err(|error| damaged(error.to_string()))?,
                since: Timestamp::from_secs(session.since),
                ended: session.ended.map(|end| Timestamp::from_secs(end.at)),
                cert: cert.map_err(|error| damaged(error.to_string()))?,
            });
        }
        Ok(lives)
    }

    /// All server certificates among the entries up to `newest`, oldest first.
    pub(super) fn server_certs(&self, newest: u64) -> Result<Vec<ServerCertLife>, RegistryError> {
        let mut lives: Vec<ServerCertLife> = Vec::new();
        for found in self.storage.scan::<Change>(Space::ServerCertIndex, &[]) {
            let (by_time, _) = found?;
            let (since, sequence) = (number_at(&by_time, 0), number_at(&by_time, 1));
            if sequence > newest {
                continue;
            }
            let since = Timestamp::from_secs(since);
            if let Some(before) = lives.last_mut() {
                before.retired = Some(since);
            }
            lives.push(ServerCertLife {
                cert: ServerCert::from_der(&self.cert(sequence)?)
                    .map_err(|_| RegistryError::DamagedEntry(sequence))?,
                since,
                retired: None,
            });
        }
        Ok(lives)
    }

    /// The one backwards range read: what was the newest of `subject` at `at`, if it was a
    /// certificate valid then.
    fn in_force(
        &self,
        index: Space,
        subject: &[u8],
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, RegistryError> {
        let from = [subject, &key(&[0, 0])].concat();
        let to = [subject, &key(&[at.as_secs(), u64::MAX])].concat();
        let subject_numbers = subject.len() / 8;
        for found in self.storage.range::<Change>(index, &from, &to).rev() {
            let (by_time, change) = found?;
            let sequence = number_at(&by_time, subject_numbers + 1);
            if sequence > newest {
                continue;
            }
            return match change {
                Change::Cert {
                    not_before,
                    not_after,
                } if (not_before..=not_after).contains(&at.as_secs()) => {
                    Ok(Some((sequence, self.cert(sequence)?)))
                }
                Change::Cert { .. } | Change::Ended => Ok(None),
            };
        }
        Ok(None)
    }

    /// The certificate that an entry carries.
    fn cert(&self, sequence: u64) -> Result<Vec<u8>, RegistryError> {
        let entry = self
            .storage
            .get::<Entry>(Space::LogEntries, &key(&[sequence]))?;
        match entry.map(|entry| entry.event) {
            Some(
                Event::ServerCert { der }
                | Event::SessionCert { der, .. }
                | Event::ForeignCert { der, .. },
            ) => Ok(der),
            Some(Event::SessionEnded { .. }) | None => Err(RegistryError::DamagedEntry(sequence)),
        }
    }
}

impl Change {
    fn of(validity: Validity) -> Self {
        Self::Cert {
            not_before: validity.not_before.as_secs(),
            not_after: validity.not_after.as_secs(),
        }
    }
}

/// What the indexes by time and by serial number say of an entry, which depends on nothing else.
pub(super) fn index_by_number(
    sequence: u64,
    entry: &Entry,
) -> Result<Vec<RawRecord>, RegistryError> {
    let (space, by_time, change, serial_number) = match &entry.event {
        Event::ServerCert { der } => {
            let cert = ServerCert::from_der(der);
            let cert = cert.map_err(|_| RegistryError::DamagedEntry(sequence))?;
            let by_time = key(&[entry.at, sequence]);
            let change = Change::of(cert.validity());
            (
                Space::ServerCertIndex,
                by_time,
                change,
                cert.serial_number(),
            )
        }
        Event::SessionCert { user, session, der } | Event::ForeignCert { user, session, der } => {
            let cert = actor_cert(sequence, der)?;
            let by_time = key(&[*user, *session, entry.at, sequence]);
            let change = Change::of(cert.validity());
            // Serial numbers are each issuer's own.
            let is_ours = matches!(entry.event, Event::SessionCert { .. });
            let serial_number = cert.serial_number().filter(|_| is_ours);
            (Space::SessionCertIndex, by_time, change, serial_number)
        }
        Event::SessionEnded { user, session } => {
            let by_time = key(&[*user, *session, entry.at, sequence]);
            (Space::SessionCertIndex, by_time, Change::Ended, None)
        }
    };
    let mut indexed = vec![(space, by_time, encode(space, &change)?)];
    if let Some(serial_number) = serial_number {
        let space = Space::SerialNumbers;
        let number = encode(space, &Number(sequence))?;
        indexed.push((space, key(&[serial_number.as_u64()]), number));
    }
    Ok(indexed)
}

fn actor_cert(sequence: u64, der: &[u8]) -> Result<ActorCert, RegistryError> {
    ActorCert::from_der(der).map_err(|_| RegistryError::DamagedEntry(sequence))
}

fn encode<R: Record>(space: Space, record: &R) -> Result<Vec<u8>, StorageError> {
    let bytes = record.to_bytes();
    bytes.map_err(|error| StorageError::Damaged { space, error })
}

/// Numbers one after the other, most significant byte first, so that keys sort as numbers do.
pub(super) fn key(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

pub(super) fn live_key(user: u64, session_id: &str) -> Vec<u8> {
    [&key(&[user]), session_id.as_bytes()].concat()
}

/// The number at `position` of a key made by [`key`]; 0 where the key is shorter.
pub(super) fn number_at(key: &[u8], position: usize) -> u64 {
    let bytes = key.get(position * 8..position * 8 + 8);
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}
