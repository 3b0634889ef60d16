//! What the CertRegistry can be asked.

use std::fmt;

use actix::Message;
use antiphon_protocol::{ActorCert, Domain, ServerCert, SessionId, Snowflake, Timestamp};
use serde::{Deserialize, Serialize};

use super::RegistryError;
use crate::storage::{self, Space, StorageError, WriteSet};

/// One session, from its beginning to its end. A session ID may be used again once its session has
/// ended; the two are different sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionRef {
    /// Whose.
    pub user: Snowflake,
    /// Which: greater than that of any session of this user seen before.
    pub session: Snowflake,
}

impl SessionRef {
    /// From the two as they are stored.
    pub(crate) fn from_numbers(user: u64, session: u64) -> Self {
        Self {
            user: Snowflake::from_u64(user),
            session: Snowflake::from_u64(session),
        }
    }

    /// Whose records are stored under `key` in `space`.
    pub(crate) fn of_key(space: Space, key: &[u8]) -> Result<Self, StorageError> {
        let [user, session] = storage::numbers(space, key)?;
        Ok(Self::from_numbers(user, session))
    }

    /// What its records are stored under: they stand beside those of the user's other sessions, in
    /// the order in which these were first seen.
    pub(crate) fn key(self) -> Vec<u8> {
        storage::key(&[self.user.as_u64(), self.session.as_u64()])
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The server has a new ID-Cert.
    ServerCert {
        /// The certificate.
        #[serde(with = "serde_bytes")]
        der: Vec<u8>,
    },
    /// A session has a new ID-Cert.
    SessionCert {
        /// Whose session.
        user: u64,
        /// Which session.
        session: u64,
        /// The certificate.
        #[serde(with = "serde_bytes")]
        der: Vec<u8>,
    },
    /// A session has ended; its ID-Cert is revoked.
    SessionEnded {
        /// Whose session.
        user: u64,
        /// Which session.
        session: u64,
    },
    /// A session of another node's user has shown its ID-Cert, and it was found genuine.
    ForeignCert {
        /// Whose session.
        user: u64,
        /// Which session.
        session: u64,
        /// The certificate.
        #[serde(with = "serde_bytes")]
        der: Vec<u8>,
    },
}

/// When an entry was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// The logging time.
    pub at: Timestamp,
}

/// A server certificate and the time in which it was the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertLife {
    /// The certificate.
    pub cert: ServerCert,
    /// When it was logged.
    pub since: Timestamp,
    /// When the next one was logged.
    pub retired: Option<Timestamp>,
}

/// A session and the certificate that it has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLife {
    /// Which.
    pub session: SessionRef,
    /// Its ID.
    pub session_id: SessionId,
    /// When it was first seen.
    pub since: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The certificate in force now.
    pub cert: Option<ActorCert>,
}

/// The number of the newest entry on disk; 0 for an empty log.
#[derive(Debug, Message)]
#[rtype(result = "u64")]
pub struct NewestEntry;

/// Logs a server certificate, no earlier than at its notBefore.
#[derive(Debug, Message)]
#[rtype(result = "Result<Logged, RegistryError>")]
pub struct AppendServerCert {
    /// The certificate.
    pub cert: ServerCert,
}

/// Logs the first certificate of a new session, no earlier than at its notBefore. Refused while
/// the user has a live session of the same ID.
#[derive(Debug, Message)]
#[rtype(result = "Result<Logged, RegistryError>")]
pub struct OpenSession {
    /// The new session.
    pub session: SessionRef,
    /// Its certificate.
    pub cert: ActorCert,
    /// What else is part of the operation.
    pub rider: WriteSet,
}

/// Logs a further certificate of a live session, no earlier than at its notBefore. The one before
/// stops being in force.
#[derive(Debug, Message)]
#[rtype(result = "Result<Logged, RegistryError>")]
pub struct RenewSession {
    /// The session.
    pub session: SessionRef,
    /// Its new certificate.
    pub cert: ActorCert,
}

/// Where a certificate that a session shows comes from, and what is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// This node: it must be the one last issued to the session, and be in force.
    Own,
    /// Another node, which says that it is genuine: logged, unless it is the one known already or
    /// is older than that one.
    Foreign,
}

/// Takes note of the certificate that a live session shows.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RegistryError>")]
pub struct PresentCert {
    /// The session.
    pub session: SessionRef,
    /// The certificate.
    pub cert: ActorCert,
    /// Which node's it is.
    pub standing: Standing,
}

/// The same for somebody who signs in with a certificate. The live session of the certificate's
/// session ID goes on; where there is none, one of another node's user begins.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RegistryError>")]
pub struct SignInWithCert {
    /// The session, if it is a new one.
    pub new_session: SessionRef,
    /// The certificate.
    pub cert: ActorCert,
    /// Which node's it is.
    pub standing: Standing,
    /// What else is part of the operation.
    pub rider: SessionRider,
}

/// What else is part of an operation on a session, where only at the registry's turn it is known
/// which session it is, or what others have written about it by then.
pub struct SessionRider(
    pub(crate) Box<dyn FnOnce(SessionRef) -> Result<WriteSet, StorageError> + Send>,
);

impl SessionRider {
    /// Nothing else.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(Box::new(|_| Ok(WriteSet::new())))
    }
}

impl fmt::Debug for SessionRider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionRider(…)")
    }
}

/// Logs the end of a live session.
#[derive(Debug, Message)]
#[rtype(result = "Result<Logged, RegistryError>")]
pub struct EndSession {
    /// The session.
    pub session: SessionRef,
    /// What else is part of the operation.
    pub rider: SessionRider,
}

/// What was in force at a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce<T> {
    /// One certificate as DER, or more.
    pub certs: T,
    /// Whether the same question will have the same answer for ever. It will if the second is before
    /// that of the newest entry: logging time never goes back, even if the clock does.
    pub is_final: bool,
}

/// The server certificate in force now, or at `at`, as DER.
#[derive(Debug, Message)]
#[rtype(result = "Result<InForce<Vec<u8>>, RegistryError>")]
pub struct ServerCertInForce {
    /// The second asked for.
    pub at: Option<Timestamp>,
}

/// The certificates of a user's sessions in force now, or at `at`, as DER, in the order in which
/// the sessions were first seen.
#[derive(Debug, Message)]
#[rtype(result = "Result<InForce<Vec<Vec<u8>>>, RegistryError>")]
pub struct SessionCertsInForce {
    /// Whose.
    pub user: Snowflake,
    /// The second asked for.
    pub at: Option<Timestamp>,
}

/// A certificate in force now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCert {
    /// The number of its entry in the log, which rises with every certificate.
    pub sequence: u64,
    /// The certificate.
    pub der: Vec<u8>,
}

/// The certificate of one session in force now.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<LiveCert>, RegistryError>")]
pub struct LiveCertOf {
    /// Which.
    pub session: SessionRef,
}

/// The live session that has a session ID.
#[derive(Debug, Message)]
#[rtype(result = "Result<SessionRef, RegistryError>")]
pub struct LiveSession {
    /// Whose.
    pub user: Snowflake,
    /// Its ID.
    pub session_id: SessionId,
}

/// All server certificates, oldest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<ServerCertLife>, RegistryError>")]
pub struct ServerCerts;

impl Standing {
    /// What a certificate is to the node at `domain`.
    pub fn of(cert: &ActorCert, domain: &Domain) -> Self {
        if cert.fid().domain() == domain {
            Self::Own
        } else {
            Self::Foreign
        }
    }
}

impl Event {
    /// Which session it is about, if it is about one.
    pub(super) fn session(&self) -> Option<SessionRef> {
        match self {
            Self::ServerCert { .. } => None,
            Self::SessionCert { user, session, .. }
            | Self::SessionEnded { user, session }
            | Self::ForeignCert { user, session, .. } => {
                Some(SessionRef::from_numbers(*user, *session))
            }
        }
    }

    /// The certificate that it carries, if it carries one.
    pub(super) fn into_cert(self) -> Option<Vec<u8>> {
        match self {
            Self::ServerCert { der }
            | Self::SessionCert { der, .. }
            | Self::ForeignCert { der, .. } => Some(der),
            Self::SessionEnded { .. } => None,
        }
    }
}
