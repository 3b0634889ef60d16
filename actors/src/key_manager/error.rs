//! What can go wrong in the KeyManager.

use std::io;
use std::path::PathBuf;

use actix::MailboxError;
use antiphon_protocol::issue::IssueError;
use antiphon_protocol::{Domain, Timestamp};

use crate::cert_registry::RegistryError;

/// Why the server's identity could not be taken up. Each says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log is another domain's.
    #[error("the log belongs to the domain {0}; a node cannot change its domain")]
    OtherDomain(Domain),
    /// The private key is not there.
    #[error(
        "the server's private key {} is missing; put it back from a backup \
         (a node never makes a new key in the place of a lost one)",
        .0.display()
    )]
    KeyMissing(PathBuf),
    /// The file is not a private key.
    #[error(
        "the server's private key {} cannot be read ({reason}); put it back from a backup",
        path.display()
    )]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The private key is another one.
    #[error(
        "the private key {} does not match the server's certificate; \
         put the right one back from a backup",
        .0.display()
    )]
    KeyMismatch(PathBuf),
    /// The first start of a node whose clock nobody has set.
    #[error(
        "the clock of this machine says {}, and a node's first certificate keeps that for ever; \
         set the clock, and start again",
        .0.to_utc()
    )]
    ClockUnset(Timestamp),
    /// The log cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The first key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why the KeyManager refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// This run of the node has used up its serial numbers.
    #[error("no serial numbers are left; restart the node")]
    NoSerialNumber,
    /// The certificate could not be written.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The key cannot be encoded or decoded.
    #[error(transparent)]
    Encoding(#[from] antiphon_protocol::KeyError),
    /// A key file could not be written or removed.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl KeyError {
    pub(super) fn file(path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File {
            path,
            reason: error.to_string(),
        }
    }
}

impl From<MailboxError> for KeyError {
    fn from(_: MailboxError) -> Self {
        Self::Stopped
    }
}
