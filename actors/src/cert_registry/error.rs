//! What can go wrong in the CertRegistry.

use crate::storage::StorageError;

/// Why the registry refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The certificate is not the one that the session has now.
    #[error("it is not the one that was last issued to the session")]
    NotCurrent,
    /// The certificate is older than the one that the session has now.
    #[error("it is older than the one known for the session")]
    OlderCert,
    /// The second asked for is more than 60 s ahead of the node's clock.
    #[error("the time asked for is in the future")]
    InFuture,
    /// No server certificate was in force at the second asked for.
    #[error("no server certificate was in force at that time")]
    NoneInForce,
    /// The user has a live session with this ID.
    #[error("the session ID is in use")]
    SessionIdTaken,
    /// The user has as many live sessions as a user may have.
    #[error("the user has {0} live sessions, and may not have more")]
    TooManySessions(usize),
    /// The session that should begin has begun before.
    #[error("the session has begun before")]
    SessionTaken,
    /// The user has no live session like that.
    #[error("there is no such session")]
    NoSuchSession,
    /// The node has used this serial number before.
    #[error("the serial number was used before")]
    SerialNumberTaken,
    /// A certificate in the log is not one that this node may have written.
    #[error("entry {0} of the log is damaged")]
    DamagedEntry(u64),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
