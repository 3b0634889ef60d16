//! Finding users where they are asked for: a reader on each HTTP worker. It owns nothing.

use actix::{Actor, Context, Handler};
use antiphon_protocol::{Snowflake, UserId};

use super::store::Store;
use super::{AccountsError, FindUser, FindUserId, UserSummary};
use crate::storage::Storage;

/// The actor. See the module.
#[derive(Debug, Clone)]
pub struct UserReader {
    store: Store,
}

impl UserReader {
    /// Reads the accounts in `storage`.
    pub fn new(storage: Storage) -> Self {
        Self {
            store: Store::new(storage),
        }
    }
}

impl Actor for UserReader {
    type Context = Context<Self>;
}

impl Handler<FindUser> for UserReader {
    type Result = Result<UserSummary, AccountsError>;

    fn handle(&mut self, message: FindUser, _: &mut Context<Self>) -> Self::Result {
        self.store.summary(&message.user)
    }
}

impl Handler<FindUserId> for UserReader {
    type Result = Result<Snowflake, AccountsError>;

    fn handle(&mut self, message: FindUserId, _: &mut Context<Self>) -> Self::Result {
        match &message.user {
            // That a federation ID has a Snowflake says that there is a user.
            UserId::Fid(_) => self.store.find_id(&message.user),
            UserId::Snowflake(_) => Ok(self.store.find(&message.user)?.0),
        }
    }
}
