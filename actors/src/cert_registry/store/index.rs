//! What an entry of the log means for the indexes.

use antiphon_protocol::{ActorCert, ServerCert};

use super::Store;
use super::records::{Change, End, Entry, Number, SessionRecord, encode, key, live_key};
use crate::cert_registry::{Event, RegistryError};
use crate::storage::{RawRecord, Space, WriteSet};

impl Store {
    /// What the indexes say of an entry.
    pub(in crate::cert_registry) fn index(
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
}

/// What the indexes by time and by serial number say of an entry, which depends on nothing else.
pub(in crate::cert_registry) fn index_by_number(
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
