//! What an entry of the log means for the indexes.

use antiphon_protocol::{ActorCert, ServerCert};

use super::Store;
use super::packed::CANONICAL;
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
        let (space, by_time, bytes) = index_by_time(sequence, entry)?;
        writes.put_bytes(space, &by_time, bytes);
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

/// What the index by time says of an entry, which depends on nothing else.
pub(in crate::cert_registry) fn index_by_time(
    sequence: u64,
    entry: &Entry,
) -> Result<RawRecord, RegistryError> {
    let (space, by_time, change) = match &entry.event {
        Event::ServerCert { der } => {
            let cert = server_cert(sequence, der)?;
            let by_time = key(&[entry.at, sequence]);
            let change = Change::of(cert.validity());
            (Space::ServerCertIndex, by_time, change)
        }
        Event::SessionCert { user, session, der } | Event::ForeignCert { user, session, der } => {
            let cert = actor_cert(sequence, der)?;
            let by_time = key(&[*user, *session, entry.at, sequence]);
            let change = Change::of(cert.validity());
            (Space::SessionCertIndex, by_time, change)
        }
        Event::SessionEnded { user, session } => {
            let by_time = key(&[*user, *session, entry.at, sequence]);
            (Space::SessionCertIndex, by_time, Change::Ended)
        }
    };
    Ok((space, by_time, encode(space, &change)?))
}

/// What the index of serial numbers says of an entry that is stored as `stored`: something of those
/// from before serial numbers were unique by how they are drawn (`key_manager/serials.rs`).
pub(in crate::cert_registry) fn index_by_serial_number(
    sequence: u64,
    entry: &Entry,
    stored: &[u8],
) -> Result<Option<RawRecord>, RegistryError> {
    let serial_number = match &entry.event {
        _ if stored.first() != Some(&CANONICAL) => None,
        Event::ServerCert { der } => server_cert(sequence, der)?.serial_number(),
        Event::SessionCert { der, .. } => actor_cert(sequence, der)?.serial_number(),
        // Serial numbers are each issuer's own.
        Event::ForeignCert { .. } | Event::SessionEnded { .. } => None,
    };
    let space = Space::SerialNumbers;
    let indexed = serial_number.map(|serial_number| {
        let number = encode(space, &Number(sequence))?;
        Ok((space, key(&[serial_number.as_u64()]), number))
    });
    indexed.transpose()
}

fn server_cert(sequence: u64, der: &[u8]) -> Result<ServerCert, RegistryError> {
    ServerCert::from_der(der).map_err(|_| RegistryError::DamagedEntry(sequence))
}

fn actor_cert(sequence: u64, der: &[u8]) -> Result<ActorCert, RegistryError> {
    ActorCert::from_der(der).map_err(|_| RegistryError::DamagedEntry(sequence))
}
