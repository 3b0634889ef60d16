//! Who was in force when.

use antiphon_protocol::{ActorCert, ServerCert, SessionId, Snowflake, Timestamp};

use super::Store;
use super::records::{Change, Entry, SessionRecord, key, number_at};
use crate::cert_registry::timelines::{Gathering, Timeline};
use crate::cert_registry::{
    Event, LiveCert, RegistryError, ServerCertLife, SessionLife, SessionRef,
};
use crate::storage::{Record as _, RecordError, Space, StorageError};

impl Store {
    /// The server certificate in force at `at`, among the entries up to `newest`.
    pub(in crate::cert_registry) fn server_cert_in_force(
        &self,
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let found = self.in_force(Space::ServerCertIndex, &[], at, newest)?;
        Ok(found.map(|(_, der)| der))
    }

    /// The certificates of the user's sessions in force at `at`, among the entries up to `newest`.
    pub(in crate::cert_registry) fn session_certs_in_force(
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

    /// The timeline of a user, among the entries up to `newest`; none of one that is too long.
    pub(in crate::cert_registry) fn timeline(
        &self,
        user: Snowflake,
        newest: u64,
    ) -> Result<Option<Timeline>, RegistryError> {
        let mut gathering = Gathering::default();
        let prefix = key(&[user.as_u64()]);
        for found in self
            .storage
            .scan::<Change>(Space::SessionCertIndex, &prefix)
        {
            let (by_time, change) = found?;
            let [session, at, sequence] = [1, 2, 3].map(|position| number_at(&by_time, position));
            if sequence <= newest && !gathering.add(session, at, sequence, change) {
                return Ok(None);
            }
        }
        let timeline = gathering.finish(newest, |sequence| {
            let stored = self
                .storage
                .get_bytes(Space::LogEntries, &key(&[sequence]))?;
            stored.ok_or(RegistryError::DamagedEntry(sequence))
        });
        timeline.map(Some)
    }

    /// All sessions of a user, with the certificate that each has at `now`.
    pub(in crate::cert_registry) fn sessions(
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
    pub(in crate::cert_registry) fn server_certs(
        &self,
        newest: u64,
    ) -> Result<Vec<ServerCertLife>, RegistryError> {
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
    pub(in crate::cert_registry) fn cert(&self, sequence: u64) -> Result<Vec<u8>, RegistryError> {
        let entry = self
            .storage
            .get::<Entry>(Space::LogEntries, &key(&[sequence]))?;
        cert_of(sequence, entry)
    }
}

/// The certificate that an entry carries, from the entry as stored.
pub(in crate::cert_registry) fn cert_in(
    sequence: u64,
    stored: &[u8],
) -> Result<Vec<u8>, RegistryError> {
    let entry = Entry::from_bytes(stored).map_err(|error| StorageError::Damaged {
        space: Space::LogEntries,
        error,
    })?;
    cert_of(sequence, Some(entry))
}

fn cert_of(sequence: u64, entry: Option<Entry>) -> Result<Vec<u8>, RegistryError> {
    match entry.map(|entry| entry.event) {
        Some(
            Event::ServerCert { der }
            | Event::SessionCert { der, .. }
            | Event::ForeignCert { der, .. },
        ) => Ok(der),
        Some(Event::SessionEnded { .. }) | None => Err(RegistryError::DamagedEntry(sequence)),
    }
}
