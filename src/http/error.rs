//! The only place where an error becomes a status.

use actix::MailboxError;
use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use antiphon_actors::accounts::{AccountsError, ChallengeFailure};
use antiphon_actors::cert_registry::RegistryError;
use antiphon_actors::home_servers::{HomeServerError, NotFederated};
use antiphon_actors::key_manager::KeyError;
use antiphon_actors::key_package_pool::PoolError;
use antiphon_actors::storage::StorageError;
use antiphon_actors::workers::WorkError;
use antiphon_protocol::{CsrError, KeyPackageError};
use serde::Serialize;

/// Everything that a request can be refused with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("There is nothing here.")]
    NotFound,
    #[error("This path does not take that method.")]
    MethodNotAllowed,
    #[error("The body is larger than {0} bytes.")]
    PayloadTooLarge(usize),
    #[error("{0}")]
    BadRequest(String),
    /// Where it ends, and the next request begins, nobody knows.
    #[error("The body could not be read.")]
    BrokenBody,
    #[error("A valid bearer token is needed.")]
    Unauthorized,
    #[error("Only administrators may do this.")]
    NotAdministrator,
    #[error("No such user is known here.")]
    UserNotFound,
    #[error("A user ID is a Snowflake or a federation ID such as alice@a.example.")]
    InvalidUserId,
    #[error(
        "A timestamp is a whole number of UNIX seconds, at most 60 s ahead of this server's clock."
    )]
    InvalidTimestamp,
    #[error("No server ID-Cert was in force at that time.")]
    NoCertAtTime,
    #[error("That federation ID is taken.")]
    FederationIdTaken,
    #[error("{0}")]
    RegistrationClosed(&'static str),
    #[error("The user name or the password is wrong.")]
    InvalidCredentials,
    #[error("A session with that ID exists; end it first or choose another ID.")]
    SessionIdTaken,
    #[error("A user may have {0} live sessions at most; end one first.")]
    SessionLimit(usize),
    #[error("The certification request was refused: {0}.")]
    InvalidCsr(CsrError),
    #[error("{0}.")]
    ChallengeFailed(&'static str),
    #[error("The ID-Cert was refused: {0}.")]
    InvalidIdCert(String),
    #[error("{0}")]
    NotFederated(NotFederated),
    #[error("The home server of the ID-Cert could not be asked, or did not answer as it should.")]
    HomeServerUnreachable,
    #[error("KeyPackage {index} was refused: {error}.")]
    InvalidKeyPackage {
        index: usize,
        error: KeyPackageError,
    },
    #[error("KeyPackage {0} was refused: its init_key has been published before.")]
    KeyPackageReused(usize),
    #[error("A client may have {0} KeyPackages in its pool at most.")]
    KeyPackageLimit(u64),
    #[error("Too many KeyPackages of this user were claimed; try again in {0} s.")]
    RateLimited(u64),
    #[error("Only sessions of this server's own users may do this.")]
    NotLocal,
    #[error("The server is busy; try again shortly.")]
    Busy,
    #[error("The server has more large bodies to read than it can; try again shortly.")]
    NoRoom,
    #[error("The server cannot store anything at the moment.")]
    StorageFailed,
    /// The same of a file of its own. It goes where the database goes, and fails with it.
    #[error("The server cannot store anything at the moment.")]
    FileFailed(Fault),
    #[error("The server failed; its log says more under this answer's X-Request-Id.")]
    Internal(Fault),
}

/// What went wrong within the node: for the log, not for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(String);

/// The body of every refusal.
#[derive(Serialize)]
struct Refusal<'a> {
    errcode: u16,
    error: &'a str,
    message: String,
}

impl ApiError {
    /// A fault of the node's own.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        Self::Internal(Fault(error.to_string()))
    }

    /// The fault that the log is told of.
    pub(super) fn fault(&self) -> Option<&str> {
        match self {
            Self::Internal(Fault(fault)) | Self::FileFailed(Fault(fault)) => Some(fault),
            _ => None,
        }
    }

    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "P2CORE_NOT_FOUND"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "P2CORE_METHOD_NOT_ALLOWED"),
            Self::PayloadTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "P2CORE_PAYLOAD_TOO_LARGE"),
            Self::BadRequest(_) | Self::BrokenBody => {
                (StatusCode::BAD_REQUEST, "P2CORE_BAD_REQUEST")
            }
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "P2CORE_UNAUTHORIZED"),
            Self::NotAdministrator => (StatusCode::FORBIDDEN, "P2CORE_NOT_ADMINISTRATOR"),
            Self::UserNotFound => (StatusCode::NOT_FOUND, "P2CORE_USER_NOT_FOUND"),
            Self::InvalidUserId => (StatusCode::BAD_REQUEST, "P2CORE_INVALID_USER_ID"),
            Self::InvalidTimestamp => (StatusCode::BAD_REQUEST, "P2CORE_INVALID_TIMESTAMP"),
            Self::NoCertAtTime => (StatusCode::NOT_FOUND, "P2CORE_NO_CERT_AT_TIME"),
            Self::FederationIdTaken => (StatusCode::CONFLICT, "P2CORE_FEDERATION_ID_TAKEN"),
            Self::RegistrationClosed(_) => (StatusCode::FORBIDDEN, "P2CORE_REGISTRATION_CLOSED"),
            Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, "P2CORE_INVALID_CREDENTIALS"),
            Self::SessionIdTaken => (StatusCode::CONFLICT, "P2CORE_SESSION_ID_TAKEN"),
            Self::SessionLimit(_) => (StatusCode::CONFLICT, "P2CORE_SESSION_LIMIT"),
            Self::InvalidCsr(_) => (StatusCode::BAD_REQUEST, "P2CORE_INVALID_CSR"),
            Self::ChallengeFailed(_) => (StatusCode::UNAUTHORIZED, "P2CORE_CHALLENGE_FAILED"),
            Self::InvalidIdCert(_) => (StatusCode::BAD_REQUEST, "P2CORE_INVALID_ID_CERT"),
            Self::NotFederated(_) => (StatusCode::NOT_FOUND, "P2CORE_NOT_FEDERATED"),
            Self::HomeServerUnreachable => {
                (StatusCode::BAD_GATEWAY, "P2CORE_HOME_SERVER_UNREACHABLE")
            }
            Self::InvalidKeyPackage { .. } => {
                (StatusCode::BAD_REQUEST, "P2CORE_INVALID_KEY_PACKAGE")
            }
            Self::KeyPackageReused(_) => (StatusCode::CONFLICT, "P2CORE_KEY_PACKAGE_REUSED"),
            Self::KeyPackageLimit(_) => (StatusCode::CONFLICT, "P2CORE_KEY_PACKAGE_LIMIT"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "P2CORE_RATE_LIMITED"),
            Self::NotLocal => (StatusCode::FORBIDDEN, "P2CORE_NOT_LOCAL"),
            Self::Busy | Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "P2CORE_BUSY"),
            Self::StorageFailed | Self::FileFailed(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "P2CORE_STORAGE_FAILED")
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "P2CORE_INTERNAL"),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, error) = self.code();
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "5"));
        }
        if let Self::RateLimited(seconds) = self {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if matches!(self, Self::BrokenBody | Self::NoRoom) {
            // After the first, the HTTP library answers once more, with a 400 of its own, which is not for the
            // next request; after the second, the rest of the body may still come.
            response.force_close();
        }
        response.json(Refusal {
            errcode: status.as_u16(),
            error,
            message: self.to_string(),
        })
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::RegistrationClosed => {
                Self::RegistrationClosed("Registration is closed on this server.")
            }
            AccountsError::InviteNeeded => {
                Self::RegistrationClosed("Registration on this server needs a valid invite.")
            }
            AccountsError::Name(error) => {
                Self::BadRequest(format!("The username is refused: {error}."))
            }
            AccountsError::Password(error) => {
                Self::BadRequest(format!("The password is refused: {error}."))
            }
            AccountsError::FederationIdTaken => Self::FederationIdTaken,
            AccountsError::InvalidCredentials => Self::InvalidCredentials,
            AccountsError::InvalidToken => Self::Unauthorized,
            AccountsError::Challenge(failure) => Self::ChallengeFailed(match failure {
                ChallengeFailure::NotOurs => "The challenge is not one of this server",
                ChallengeFailure::Expired => "The challenge has expired",
                ChallengeFailure::Used => "The challenge has been used",
            }),
            AccountsError::NoSuchUser => Self::UserNotFound,
            AccountsError::Busy | AccountsError::Stopped => Self::Busy,
            AccountsError::Csr(error) => Self::InvalidCsr(error),
            AccountsError::Key(error) => error.into(),
            AccountsError::Registry(error) => error.into(),
            AccountsError::Storage(error) => error.into(),
            // Nothing over HTTP asks for the first two; a password that cannot be hashed is a fault of
            // the node's own.
            AccountsError::NoSuchInvite
            | AccountsError::ForeignUser
            | AccountsError::Hashing(_) => Self::internal(&error),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NoSerialNumber | KeyError::Stopped => Self::Busy,
            // It has ended since its token was looked at.
            KeyError::Registry(RegistryError::NoSuchSession) => Self::Unauthorized,
            KeyError::Registry(error) => error.into(),
            KeyError::File { .. } => Self::FileFailed(Fault(error.to_string())),
            KeyError::Issue(_) | KeyError::Encoding(_) => Self::internal(&error),
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::InFuture => Self::InvalidTimestamp,
            RegistryError::NoneInForce => Self::NoCertAtTime,
            RegistryError::SessionIdTaken => Self::SessionIdTaken,
            RegistryError::TooManySessions(most) => Self::SessionLimit(most),
            RegistryError::NoSuchSession => Self::NotFound,
            RegistryError::NotCurrent | RegistryError::OlderCert => {
                Self::InvalidIdCert(error.to_string())
            }
            RegistryError::Storage(error) => error.into(),
            RegistryError::SessionTaken
            | RegistryError::SerialNumberTaken
            | RegistryError::DamagedEntry(_) => Self::internal(&error),
        }
    }
}

impl From<HomeServerError> for ApiError {
    fn from(error: HomeServerError) -> Self {
        match error {
            HomeServerError::NotFederated(reason) => Self::NotFederated(reason),
            HomeServerError::Unreachable(_) => Self::HomeServerUnreachable,
            HomeServerError::Cert(_)
            | HomeServerError::NotYetValid
            | HomeServerError::Expired
            | HomeServerError::NoServerCert
            | HomeServerError::NotInForce => Self::InvalidIdCert(error.to_string()),
            HomeServerError::Busy | HomeServerError::Stopped => Self::Busy,
        }
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::CertChanged => Self::InvalidKeyPackage {
                index: 0,
                error: KeyPackageError::OtherCert,
            },
            PoolError::Reused(index) => Self::KeyPackageReused(index),
            PoolError::Full(most) => Self::KeyPackageLimit(most),
            PoolError::RateLimited(seconds) => Self::RateLimited(seconds),
            PoolError::Registry(error) => error.into(),
            PoolError::Storage(error) => error.into(),
        }
    }
}

impl From<WorkError> for ApiError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy | WorkError::Stopped => Self::Busy,
            WorkError::Panicked(_) => Self::internal(&error),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::WritesRefused => Self::StorageFailed,
            StorageError::Unreadable(_) | StorageError::Damaged { .. } => Self::internal(&error),
        }
    }
}

impl From<CsrError> for ApiError {
    fn from(error: CsrError) -> Self {
        Self::InvalidCsr(error)
    }
}

impl From<MailboxError> for ApiError {
    fn from(_: MailboxError) -> Self {
        // An actor is gone only while the node stops.
        Self::Busy
    }
}
