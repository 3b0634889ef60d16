//! What can go wrong when other nodes are asked.

use actix::MailboxError;
use antiphon_protocol::IdCertError;

/// Why a certificate of another node was not found genuine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HomeServerError {
    /// This node does not deal with that domain.
    #[error("{0}")]
    NotFederated(NotFederated),
    /// The home server is there, and did not answer, or not as it should. The text is for the log.
    #[error("{0}")]
    Unreachable(String),
    /// The certificate is not one that the home server's certificate of that time has signed.
    #[error(transparent)]
    Cert(#[from] IdCertError),
    /// notBefore is in the future.
    #[error("it is not valid yet")]
    NotYetValid,
    /// notAfter is in the past.
    #[error("it has expired")]
    Expired,
    /// The home server had no certificate at its notBefore.
    #[error("its home server had no ID-Cert at its notBefore")]
    NoServerCert,
    /// The home server does not name it among the actor's certificates.
    #[error("its home server says that it is not in force")]
    NotInForce,
    /// Too many questions are under way.
    #[error("too many questions to other servers are under way")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// Why this node does not deal with a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFederated {
    /// With none.
    #[error("Federation is switched off on this server.")]
    Disabled,
    /// With this one.
    #[error("This server does not federate with that domain.")]
    Refused,
    /// Its name leads nowhere.
    #[error("There is no server at that domain.")]
    NoSuchServer,
    /// It is not on the public Internet.
    #[error("The server at that domain is not at a public address.")]
    NotPublic,
}

impl From<MailboxError> for HomeServerError {
    fn from(_: MailboxError) -> Self {
        Self::Stopped
    }
}
