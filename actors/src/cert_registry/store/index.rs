//! What an entry of the log means for the indexes.

use antiphon_protocol::{ActorCert, ServerCert};

use super::Store;
use super::packed::CANONICAL;
use super::records::{Change, Entry, Number, encode, live_key};
use super::runs::{LastRun, Run, Step};
use crate::cert_registry::new_event::Facts;
use crate::cert_registry::{Event, RegistryError, SessionRef};
use crate::storage::{RawRecord, Space, WriteSet, key};

impl Store {
    /// What the indexes say of an entry; `last` is the run that the session has so far.
    pub(in crate::cert_registry) fn index(
        &self,
        sequence: u64,
        entry: &Entry,
        facts: Facts,
        last: LastRun,
        writes: &mut WriteSet,
    ) -> Result<(), RegistryError> {
        let (session, step) = match index_by_time(sequence, entry, facts.change)? {
            ByTime::Server((space, by_time, bytes)) => {
                writes.put_bytes(space, &by_time, bytes);
                return Ok(());
            }
            ByTime::Session { session, step } => (session, step),
        };
        match step.change {
            Change::Ended => {
                if let Some(by_id) = self.live_key_of(session)? {
                    writes.remove(Space::LiveSessions, &by_id);
                }
            }
            Change::Cert { .. } if last.has_begun() => {}
            Change::Cert { .. } => {
                if let Some(session_id) = facts.session_id {
                    let by_id = live_key(session.user, &session_id);
                    let number = Number(session.session.as_u64());
                    writes.put(Space::LiveSessions, &by_id, &number)?;
                }
            }
        }
        add_step(session, step, last, writes)
    }

    /// The run that the session of an entry has so far; none if it is about none.
    pub(in crate::cert_registry) fn last_run_before(
        &self,
        entry: &Entry,
    ) -> Result<LastRun, RegistryError> {
        match entry.event.session() {
            Some(session) => self.last_run(session),
            None => Ok(LastRun::NOT_BEGUN),
        }
    }
}

/// Adds a step to a session's last run, or begins a run with it.
fn add_step(
    session: SessionRef,
    step: Step,
    LastRun(last): LastRun,
    writes: &mut WriteSet,
) -> Result<(), RegistryError> {
    let longer = last.and_then(|(by_time, mut run)| run.add(step).then_some((by_time, run)));
    let (by_time, run) = longer.unwrap_or_else(|| {
        let by_time = [session.key(), key(&[step.at, step.sequence])].concat();
        (by_time, Run::of(step))
    });
    writes.put(Space::SessionCertIndex, &by_time, &run)?;
    Ok(())
}

/// What an index by time says of an entry.
pub(in crate::cert_registry) enum ByTime {
    /// A record of the server's.
    Server(RawRecord),
    /// A step of a session.
    Session { session: SessionRef, step: Step },
}

/// What the index by time says of an entry that is this change, which depends on nothing else.
pub(in crate::cert_registry) fn index_by_time(
    sequence: u64,
    entry: &Entry,
    change: Change,
) -> Result<ByTime, RegistryError> {
    match entry.event.session() {
        None => {
            let by_time = key(&[entry.at, sequence]);
            let space = Space::ServerCertIndex;
            let bytes = encode(space, &change)?;
            Ok(ByTime::Server((space, by_time, bytes)))
        }
        Some(session) => Ok(ByTime::Session {
            session,
            step: Step {
                sequence,
                at: entry.at,
                change,
            },
        }),
    }
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
