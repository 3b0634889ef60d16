//! The Accounts: users, their passwords, who is an administrator, invites, and tokens.
//!
//! It is the single writer of names: whether one is taken is decided here. Passwords are hashed on
//! other threads, a bounded number at a time (`passwords`). A challenge costs nothing until it is
//! used (`challenges`). A token dies with its session
//! because both ends are written in one commit.

mod challenges;
mod error;
mod ids;
mod invites;
mod messages;
mod passwords;
mod reader;
mod sessions;
mod sign_in;
mod store;
mod users;
mod verify;

use std::fmt::{self, Display, Formatter};

use actix::{Actor, Addr, Context, ResponseActFuture};
use antiphon_protocol::{Domain, SessionId, Snowflake, Timestamp};

pub use error::{AccountsError, ChallengeFailure};
pub use messages::{
    AddUser, Authenticate, Caller, CheckChallenge, CreateInvite, EndNamedSession, EndOwnSession,
    EndSessionOf, FindUser, FindUserId, InviteCode, InviteSummary, ListInvites, ListUsers,
    MakeChallenge, OpenSession, Opened, Register, RevokeInvite, SetAdministrator, SetPassword,
    SignIn, SignedIn, UserSummary,
};
pub use passwords::{NewPassword, Password, PasswordLength};
pub use reader::UserReader;

use crate::cert_registry::{CertReader, CertRegistry, SessionRef};
use crate::clock::SharedClock;
use crate::key_manager::KeyManager;
use crate::storage::Storage;
use challenges::Challenges;
use ids::Ids;
use passwords::Hasher;
use store::Store;
pub use store::new_user;
pub(crate) use verify::{Verifier, check_users, rebuild_indexes};

/// Who may register over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Nobody; the operator adds users.
    Closed,
    /// Who has an invite.
    Invite,
    /// Everybody.
    Open,
}

impl Display for RegistrationMode {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "closed",
            Self::Invite => "invite",
            Self::Open => "open",
        })
    }
}

/// What the operator chooses about accounts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's domain.
    pub domain: Domain,
    /// Who may register over the network.
    pub registration: RegistrationMode,
    /// How long a token is good, in days.
    pub token_days: u64,
}

/// The actor. See the module.
#[derive(Debug)]
pub struct Accounts {
    settings: Settings,
    clock: SharedClock,
    store: Store,
    ids: Ids,
    hasher: Hasher,
    challenges: Challenges,
    key_manager: Addr<KeyManager>,
    registry: Addr<CertRegistry>,
    cert_reader: CertReader,
}

type Answer<T> = ResponseActFuture<Accounts, Result<T, AccountsError>>;

impl Accounts {
    /// Takes up the accounts in `storage`.
    pub async fn open(
        settings: Settings,
        clock: SharedClock,
        storage: Storage,
        key_manager: Addr<KeyManager>,
        registry: Addr<CertRegistry>,
        cert_reader: CertReader,
    ) -> Result<Self, AccountsError> {
        let store = Store::new(storage.clone());
        let ids = Ids::after(store.newest_user()?);
        let challenges = Challenges::open(storage, settings.domain.clone()).await?;
        Ok(Self {
            settings,
            clock,
            store,
            ids,
            hasher: Hasher::new()?,
            challenges,
            key_manager,
            registry,
            cert_reader,
        })
    }

    /// What a new session of a user is called within the node.
    fn new_session(
        &mut self,
        user: Snowflake,
        session_id: &SessionId,
    ) -> Result<SessionRef, AccountsError> {
        self.cert_reader.check_room(user, session_id)?;
        let newest = self.cert_reader.newest_session(user)?;
        let session = self.ids.next_after(newest, self.clock.as_ref());
        Ok(SessionRef { user, session })
    }

    /// The first second in which a token made now is no longer good.
    fn token_expiry(&self) -> Timestamp {
        let seconds = self.settings.token_days * Timestamp::DAY;
        self.clock.now().plus_secs(seconds)
    }
}

impl Actor for Accounts {
    type Context = Context<Self>;
}

/// An answer that is known at once.
fn refuse<T: 'static>(error: impl Into<AccountsError>) -> Answer<T> {
    Box::pin(actix::fut::ready(Err(error.into())))
}
