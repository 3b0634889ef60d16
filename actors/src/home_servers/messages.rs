//! What the HomeServers can be asked.

use std::sync::Arc;

use actix::Message;
use antiphon_protocol::{ActorCert, Domain, Fid, ServerCert, Timestamp};

use super::HomeServerError;

/// Is this certificate of another node genuine, valid now, and, if asked for, still in force?
///
/// Connecting to the other node may take 5 s, a question in all 10 s, and its answer 64 KiB; a node
/// that goes beyond that is [`HomeServerError::Unreachable`]. While 256 questions are under way, or 32 to
/// that node, one more is refused with [`HomeServerError::Busy`].
#[derive(Debug, Message)]
#[rtype(result = "Result<(), HomeServerError>")]
pub struct CheckCert {
    /// The certificate.
    pub cert: ActorCert,
    /// Whether its home server must still name it.
    pub in_force: bool,
}

/// A question to another node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// `GET /p2core/key/server?timestamp=…`
    ServerCert {
        /// Whose.
        domain: Domain,
        /// When.
        at: Timestamp,
    },
    /// `GET /p2core/key/user/…`
    UserCerts {
        /// Whose.
        fid: Fid,
    },
}

/// What another node said.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// Its certificate; none at that time.
    ServerCert(Option<Arc<ServerCert>>),
    /// The user's certificates; none for a user that it does not know.
    UserCerts(Arc<Vec<ActorCert>>),
}

/// Asks another node, or remembers what it said.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, HomeServerError>")]
pub(super) struct Ask {
    pub(super) question: Question,
    /// Whether what is remembered will not do.
    pub(super) anew: bool,
}

/// What is known, and whether it may have been said before it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) said: Said,
    pub(super) is_older: bool,
}

impl Said {
    pub(super) fn names(&self, cert: &ActorCert) -> bool {
        match self {
            Self::UserCerts(certs) => certs.iter().any(|named| named.is_same_as(cert)),
            Self::ServerCert(_) => false,
        }
    }
}

impl Question {
    pub(super) fn domain(&self) -> &Domain {
        match self {
            Self::ServerCert { domain, .. } => domain,
            Self::UserCerts { fid } => fid.domain(),
        }
    }
}
