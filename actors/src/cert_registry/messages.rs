//! What the CertRegistry can be asked.

use actix::Message;
use antiphon_protocol::{ActorCert, ServerCert, SessionId, Snowflake, Timestamp};
use serde::{Deserialize, Serialize};

use super::RegistryError;
use crate::storage::WriteSet;

/// One session, from its beginning to its end. A session ID may be used again once its session has
/// ended; the two are different sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionRef {
    /// Whose.
    pub user: Snowflake,
    /// Which: unique on the node, and greater than that of any session seen before.
    pub session: Snowflake,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The server has a new ID-Cert.
    ServerCert {
        /// The certificate.
        der: Vec<u8>,
    },
    /// A session has a new ID-Cert.
    SessionCert {
        /// Whose session.
        user: u64,
        /// Which session.
        session: u64,
        /// The certificate.
        der: Vec<u8>,
    },
    /// A session has ended; its ID-Cert is revoked.
    SessionEnded {
        /// Whose session.
        user: u64,
        /// Which session.
        session: u64,
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

/// Logs the end of a live session.
#[derive(Debug, Message)]
#[rtype(result = "Result<Logged, RegistryError>")]
pub struct EndSession {
    /// The session.
    pub session: SessionRef,
    /// What else is part of the operation.
    pub rider: WriteSet,
}

/// The server certificate in force now, or at `at`, as DER.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<u8>, RegistryError>")]
pub struct ServerCertInForce {
    /// The second asked for.
    pub at: Option<Timestamp>,
}

/// The certificates of a user's sessions in force now, or at `at`, as DER, in the order in which
/// the sessions were first seen.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Vec<u8>>, RegistryError>")]
pub struct SessionCertsInForce {
    /// Whose.
    pub user: Snowflake,
    /// The second asked for.
    pub at: Option<Timestamp>,
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

/// All sessions of a user, ended ones too.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<SessionLife>, RegistryError>")]
pub struct ListSessions {
    /// Whose.
    pub user: Snowflake,
}

/// All server certificates, oldest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<ServerCertLife>, RegistryError>")]
pub struct ServerCerts;

impl Event {
    pub(super) fn server_cert(cert: &ServerCert) -> Self {
        Self::ServerCert {
            der: cert.as_der().to_vec(),
        }
    }

    pub(super) fn session_cert(session: SessionRef, cert: &ActorCert) -> Self {
        Self::SessionCert {
            user: session.user.as_u64(),
            session: session.session.as_u64(),
            der: cert.as_der().to_vec(),
        }
    }

    pub(super) fn session_ended(session: SessionRef) -> Self {
        Self::SessionEnded {
            user: session.user.as_u64(),
            session: session.session.as_u64(),
        }
    }
}
