//! What is about to be logged, with what the indexes need of its certificate: that is read once.

use antiphon_protocol::{ActorCert, ServerCert, SessionId};

use super::store::{Change, Entry, LastRun};
use super::{Event, RegistryError, SessionRef};

/// What the indexes say of an event besides what is in the event itself.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) change: Change,
    /// Where it is about a session's certificate.
    pub(super) session_id: Option<SessionId>,
}

/// An event that is not logged yet.
#[derive(Debug, Clone)]
pub(super) struct NewEvent {
    pub(super) event: Event,
    pub(super) facts: Facts,
    /// The run that its session has so far.
    pub(super) last: LastRun,
}

impl Facts {
    fn of_server(cert: &ServerCert) -> Self {
        Self {
            change: Change::of(cert.validity()),
            session_id: None,
        }
    }

    fn of_session(cert: &ActorCert) -> Self {
        Self {
            change: Change::of(cert.validity()),
            session_id: Some(cert.session_id().clone()),
        }
    }

    const fn of_end() -> Self {
        Self {
            change: Change::Ended,
            session_id: None,
        }
    }

    /// Those of an entry in the log.
    pub(super) fn read(sequence: u64, entry: &Entry) -> Result<Self, RegistryError> {
        let read = match &entry.event {
            Event::ServerCert { der } => {
                ServerCert::from_der(der).map(|cert| Self::of_server(&cert))
            }
            Event::SessionCert { der, .. } | Event::ForeignCert { der, .. } => {
                ActorCert::from_der(der).map(|cert| Self::of_session(&cert))
            }
            Event::SessionEnded { .. } => Ok(Self::of_end()),
        };
        read.map_err(|_| RegistryError::DamagedEntry(sequence))
    }
}

impl NewEvent {
    pub(super) fn server_cert(cert: &ServerCert) -> Self {
        Self {
            event: Event::ServerCert {
                der: cert.as_der().to_vec(),
            },
            facts: Facts::of_server(cert),
            last: LastRun::NOT_BEGUN,
        }
    }

    pub(super) fn session_cert(session: SessionRef, cert: &ActorCert, last: LastRun) -> Self {
        Self {
            event: Event::SessionCert {
                user: session.user.as_u64(),
                session: session.session.as_u64(),
                der: cert.as_der().to_vec(),
            },
            facts: Facts::of_session(cert),
            last,
        }
    }

    pub(super) fn foreign_cert(session: SessionRef, cert: &ActorCert, last: LastRun) -> Self {
        Self {
            event: Event::ForeignCert {
                user: session.user.as_u64(),
                session: session.session.as_u64(),
                der: cert.as_der().to_vec(),
            },
            facts: Facts::of_session(cert),
            last,
        }
    }

    pub(super) fn session_ended(session: SessionRef, last: LastRun) -> Self {
        Self {
            event: Event::SessionEnded {
                user: session.user.as_u64(),
                session: session.session.as_u64(),
            },
            facts: Facts::of_end(),
            last,
        }
    }
}
