//! What can go wrong in the Accounts.

use actix::MailboxError;
use antiphon_protocol::{CsrError, FidError};

use super::PasswordLength;
use crate::cert_registry::RegistryError;
use crate::key_manager::KeyError;
use crate::storage::StorageError;
use crate::workers::WorkError;

/// What is wrong with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeFailure {
    /// Another node made it, or nobody.
    #[error("the challenge is not one of this server")]
    NotOurs,
    /// Its time is over.
    #[error("the challenge has expired")]
    Expired,
    /// Somebody has signed in with it.
    #[error("the challenge has been used")]
    Used,
}

/// Why the Accounts refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// Nobody may register over the network.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Registering needs an invite, and there was none, or none that is good.
    #[error("registration needs a valid invite")]
    InviteNeeded,
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] FidError),
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordLength),
    /// A user has this name.
    #[error("the federation ID is taken")]
    FederationIdTaken,
    /// There is no such user, or the password is another one; which of the two is not told.
    #[error("the user name or the password is wrong")]
    InvalidCredentials,
    /// No session has this token, or it has expired.
    #[error("the token is not valid")]
    InvalidToken,
    /// The challenge is not one of this node's, or has expired, or has been used.
    #[error("{0}")]
    Challenge(ChallengeFailure),
    /// There is no such user.
    #[error("there is no such user")]
    NoSuchUser,
    /// There is no such invite.
    #[error("there is no such invite")]
    NoSuchInvite,
    /// The user is of another node, and has no password here.
    #[error("the user belongs to another node")]
    ForeignUser,
    /// Too many passwords wait to be hashed.
    #[error("too many requests are waiting")]
    Busy,
    /// The request for a certificate is not for the caller.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// The KeyManager refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Hashing a password failed.
    #[error("a password could not be hashed: {0}")]
    Hashing(String),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl From<WorkError> for AccountsError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy => Self::Busy,
            WorkError::Stopped => Self::Stopped,
            WorkError::Panicked(_) => Self::Hashing(error.to_string()),
        }
    }
}

impl From<MailboxError> for AccountsError {
    fn from(_: MailboxError) -> Self {
        Self::Stopped
    }
}
