//! Accounts on disk.

#[cfg(test)]
mod golden;

use std::future::Future;

use antiphon_protocol::{Fid, SessionId, Snowflake, Timestamp, TokenHash, UserId};
use serde::{Deserialize, Serialize};

use super::{AccountsError, Caller, UserSummary};
use crate::cert_registry::SessionRef;
use crate::storage::{Record, RecordError, Space, Storage, StorageError, WriteSet, numbers};

/// The accounts' part of the store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    storage: Storage,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) fid: String,
    /// Argon2id as a PHC string; users of other nodes have none.
    pub(super) password: Option<String>,
    pub(super) is_administrator: bool,
    /// When the node first knew of the user, UNIX seconds.
    pub(super) since: u64,
}

impl Record for User {
    const VERSION: u8 = 1;
}

/// Makes a user known who has no password, so can sign in with a certificate only: what a bench
/// fills a store with.
pub fn new_user(id: Snowflake, fid: &Fid, since: Timestamp) -> Result<WriteSet, StorageError> {
    let user = User {
        fid: fid.to_string(),
        password: None,
        is_administrator: false,
        since: since.as_secs(),
    };
    Store::put_user(id, &user)
}

/// The ID of a user.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Id(pub(super) u64);

impl Record for Id {
    const VERSION: u8 = 1;
}

/// Who holds a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holder {
    user: u64,
    session: u64,
    session_id: String,
    /// The first UNIX second at which the token is no longer good.
    expires: u64,
}

impl Record for Holder {
    const VERSION: u8 = 1;
}

impl Holder {
    pub(super) fn session(&self) -> SessionRef {
        SessionRef::from_numbers(self.user, self.session)
    }
}

/// The token of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Held(pub(super) [u8; 32]);

impl Record for Held {
    const VERSION: u8 = 1;
}

/// An invite that has not been used.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Invite {
    since: u64,
}

impl Record for Invite {
    const VERSION: u8 = 1;
}

impl Store {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Makes `writes` durable.
    pub(super) fn commit(
        &self,
        writes: WriteSet,
    ) -> impl Future<Output = Result<(), StorageError>> + use<> {
        self.storage.commit(writes)
    }

    /// The user that the node came to know last.
    pub(super) fn newest_user(&self) -> Result<Option<Snowflake>, StorageError> {
        let newest = self.storage.scan::<User>(Space::Users, &[]).next_back();
        let newest = newest.transpose()?;
        newest.map(|(key, _)| id_in(&key)).transpose()
    }

    pub(super) fn users(&self) -> Result<Vec<(Snowflake, User)>, StorageError> {
        let users = self.storage.scan::<User>(Space::Users, &[]);
        users
            .map(|found| {
                let (key, user) = found?;
                Ok((id_in(&key)?, user))
            })
            .collect()
    }

    /// The user with this ID, of either kind.
    pub(super) fn find(&self, user: &UserId) -> Result<(Snowflake, User), AccountsError> {
        let id = self.find_id(user)?;
        let user = self.storage.get(Space::Users, &key(id))?;
        Ok((id, user.ok_or(AccountsError::NoSuchUser)?))
    }

    /// The same, as others see it.
    pub(super) fn summary(&self, user: &UserId) -> Result<UserSummary, AccountsError> {
        let (id, user) = self.find(user)?;
        Ok(user.summary(id)?)
    }

    /// The Snowflake of the user with this ID, of either kind; one that is given may be nobody's.
    pub(super) fn find_id(&self, user: &UserId) -> Result<Snowflake, AccountsError> {
        let id = match user {
            UserId::Snowflake(id) => Some(*id),
            UserId::Fid(fid) => self.id_of(fid)?,
        };
        id.ok_or(AccountsError::NoSuchUser)
    }

    pub(super) fn id_of(&self, fid: &Fid) -> Result<Option<Snowflake>, StorageError> {
        let id = self
            .storage
            .get_one_of_many::<Id>(Space::UsersByFid, fid.to_string().as_bytes())?;
        Ok(id.map(|Id(id)| Snowflake::from_u64(id)))
    }

    /// Writes a user down, new or changed.
    pub(super) fn put_user(id: Snowflake, user: &User) -> Result<WriteSet, StorageError> {
        let mut writes = WriteSet::new();
        writes.put(Space::Users, &key(id), user)?;
        writes.put(Space::UsersByFid, user.fid.as_bytes(), &Id(id.as_u64()))?;
        Ok(writes)
    }

    /// Gives a session a token, in the place of the one it has.
    pub(super) fn put_token(
        &self,
        token: TokenHash,
        session: SessionRef,
        session_id: &SessionId,
        expires: Timestamp,
    ) -> Result<WriteSet, StorageError> {
        let mut writes = self.remove_token(session)?;
        let holder = Holder {
            user: session.user.as_u64(),
            session: session.session.as_u64(),
            session_id: session_id.as_str().to_owned(),
            expires: expires.as_secs(),
        };
        writes.put(Space::Tokens, token.as_bytes(), &holder)?;
        let held = Held(*token.as_bytes());
        writes.put(Space::TokensBySession, &session.key(), &held)?;
        Ok(writes)
    }

    /// Takes a session's token away.
    pub(super) fn remove_token(&self, session: SessionRef) -> Result<WriteSet, StorageError> {
        let mut writes = WriteSet::new();
        let by_session = session.key();
        if let Some(Held(token)) = self.storage.get(Space::TokensBySession, &by_session)? {
            writes.remove(Space::Tokens, &token);
            writes.remove(Space::TokensBySession, &by_session);
        }
        Ok(writes)
    }

    /// Who holds a token at `now`.
    pub(super) fn holder(
        &self,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<Caller, AccountsError> {
        let holder = self
            .storage
            .get::<Holder>(Space::Tokens, token.as_bytes())?;
        let holder = holder
            .filter(|holder| now.as_secs() < holder.expires)
            .ok_or(AccountsError::InvalidToken)?;
        let session = holder.session();
        // The session says which token is its own: one that was replaced or ended while another
        // was on its way is good for nothing.
        let held = self
            .storage
            .get::<Held>(Space::TokensBySession, &session.key())?;
        if held.is_none_or(|Held(held)| held != *token.as_bytes()) {
            return Err(AccountsError::InvalidToken);
        }
        let (id, user) = self.find(&UserId::Snowflake(session.user))?;
        let session_id = SessionId::parse(&holder.session_id);
        Ok(Caller {
            user: user.summary(id)?,
            session,
            session_id: session_id.map_err(|error| damaged(Space::Tokens, &error))?,
        })
    }

    pub(super) fn put_invite(
        invite: TokenHash,
        since: Timestamp,
    ) -> Result<WriteSet, StorageError> {
        let since = since.as_secs();
        let mut writes = WriteSet::new();
        writes.put(Space::Invites, invite.as_bytes(), &Invite { since })?;
        Ok(writes)
    }

    pub(super) fn has_invite(&self, invite: TokenHash) -> Result<bool, StorageError> {
        self.storage.contains(Space::Invites, invite.as_bytes())
    }

    pub(super) fn remove_invite(invite: TokenHash) -> WriteSet {
        let mut writes = WriteSet::new();
        writes.remove(Space::Invites, invite.as_bytes());
        writes
    }

    /// All invites: hash, and when each was made.
    pub(super) fn invites(&self) -> Result<Vec<(TokenHash, Timestamp)>, StorageError> {
        let mut invites = Vec::new();
        for found in self.storage.scan::<Invite>(Space::Invites, &[]) {
            let (hash, invite) = found?;
            let hash = <[u8; 32]>::try_from(hash.as_slice())
                .map_err(|error| damaged(Space::Invites, &error))?;
            let since = Timestamp::from_secs(invite.since);
            invites.push((TokenHash::from_bytes(hash), since));
        }
        Ok(invites)
    }
}

impl User {
    pub(super) fn summary(&self, id: Snowflake) -> Result<UserSummary, StorageError> {
        Ok(UserSummary {
            id,
            fid: Fid::parse(&self.fid).map_err(|error| damaged(Space::Users, &error))?,
            is_administrator: self.is_administrator,
            since: Timestamp::from_secs(self.since),
        })
    }
}

fn damaged(space: Space, error: &dyn ToString) -> StorageError {
    StorageError::Damaged {
        space,
        error: RecordError::Fields(error.to_string()),
    }
}

fn key(id: Snowflake) -> [u8; 8] {
    id.as_u64().to_be_bytes()
}

/// The user whose record is stored under `key`.
pub(super) fn id_in(key: &[u8]) -> Result<Snowflake, StorageError> {
    let [id] = numbers(Space::Users, key)?;
    Ok(Snowflake::from_u64(id))
}
