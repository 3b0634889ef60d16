//! Who somebody is, asked where it is asked for: a reader on each HTTP worker. It owns nothing.

use std::sync::Arc;

use actix::{Actor, Context, Handler};
use antiphon_protocol::{Snowflake, UserId};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use smallvec::SmallVec;

use super::store::Store;
use super::{AccountsError, Authenticate, Caller, FindUser, FindUserId, UserSummary};
use crate::clock::SharedClock;
use crate::storage::Storage;

/// How many names room is made for at first; it grows.
const EXPECTED: usize = 1024;

/// One part of this many of what is allowed for caches is for names.
const PART: u64 = 8;

/// The actor. See the module.
#[derive(Debug, Clone)]
pub struct UserReader {
    store: Store,
    clock: SharedClock,
    /// Names that were asked for lately. A user keeps name and Snowflake for ever, so nothing of it
    /// is ever out of date.
    names: Arc<Cache<Name, Snowflake, Bytes>>,
}

impl UserReader {
    /// Reads the accounts in `storage`.
    pub fn new(storage: Storage, clock: SharedClock) -> Self {
        let bytes = storage.cache_bytes() / PART;
        Self {
            store: Store::new(storage),
            clock,
            names: Arc::new(Cache::with_weighter(EXPECTED, bytes, Bytes)),
        }
    }

    fn find_id(&self, user: &UserId) -> Result<Snowflake, AccountsError> {
        let name = user.to_string();
        if let Some(id) = self.names.get(name.as_bytes()) {
            return Ok(id);
        }
        let id = match user {
            // That a federation ID has a Snowflake says that there is a user.
            UserId::Fid(_) => self.store.find_id(user)?,
            UserId::Snowflake(_) => self.store.find(user)?.0,
        };
        self.names.insert(Name::from_slice(name.as_bytes()), id);
        Ok(id)
    }
}

impl Actor for UserReader {
    type Context = Context<Self>;
}

impl Handler<Authenticate> for UserReader {
    type Result = Result<Caller, AccountsError>;

    fn handle(&mut self, message: Authenticate, _: &mut Context<Self>) -> Self::Result {
        self.store.holder(&message.token, self.clock.now())
    }
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
        self.find_id(&message.user)
    }
}

/// A federation ID or a Snowflake as text. Where the cache has it, unless it is long: a piece of memory
/// of its own would be one more wait for memory in a lookup.
type Name = SmallVec<[u8; 24]>;

/// What the cache takes for a name, about.
const OVERHEAD: usize = 72;

/// Weighs names in bytes.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl Weighter<Name, Snowflake> for Bytes {
    fn weight(&self, name: &Name, _: &Snowflake) -> u64 {
        let apart = if name.spilled() { name.len() } else { 0 };
        (OVERHEAD + apart) as u64
    }
}
