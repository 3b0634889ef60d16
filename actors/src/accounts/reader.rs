//! Finding users where they are asked for: a reader on each HTTP worker. It owns nothing.

use actix::{Actor, Context, Handler};

use super::store::Store;
use super::{AccountsError, FindUser, UserSummary};
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
        let (id, user) = self.store.find(&message.user)?;
        Ok(user.summary(id)?)
    }
}
