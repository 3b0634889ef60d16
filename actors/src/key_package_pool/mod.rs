//! The KeyPackagePool: MLS KeyPackages, given out once (RFC 9420 §10, §16.8).
//!
//! It is the single writer of pools: which package goes to whom is decided in one turn of this
//! actor, which sees what was decided before, on disk or not yet, and nobody is answered before
//! the consumption is on disk. A package is tied to the log entry of the ID-Cert that it carries,
//! and is given out only while that entry is in force; that it leaves the store when the
//! certificate does is tidiness, and nothing relies on it.
//!
//! What is kept in memory may be lost: the budgets of who asks, and what spares another look.

mod budget;
mod claim;
mod error;
mod messages;
mod pools;
mod publish;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod verify;

use actix::WrapFuture as _;
use actix::{Actor, ActorFutureExt as _, Context, Handler, ResponseActFuture};
use antiphon_protocol::Timestamp;

use budget::Budgets;
pub use error::PoolError;
pub use messages::{Claim, Count, Publish, PutLastResort, Stock};
use pools::{Left, Pools};
use store::{Rack, Store};
pub(crate) use verify::verify;

use crate::cert_registry::{CertReader, SessionRef};
use crate::clock::SharedClock;
use crate::storage::{Space, Storage, StorageError, WriteSet};

/// What the operator chooses about KeyPackages.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most one-time packages that a client may have.
    pub per_client: u64,
    /// One-time packages a minute for one asking session and one user; 0 for no limit.
    pub claims_per_minute: u64,
}

/// The actor. See the module.
#[derive(Debug)]
pub struct KeyPackagePool {
    settings: Settings,
    clock: SharedClock,
    store: Store,
    budgets: Budgets,
    pools: Pools,
    certs: CertReader,
    /// Where the next sweep goes on.
    swept: Option<SessionRef>,
}

type Answer<T> = ResponseActFuture<KeyPackagePool, Result<T, PoolError>>;

impl KeyPackagePool {
    /// Takes up the packages in `storage`.
    pub fn new(
        settings: Settings,
        clock: SharedClock,
        storage: Storage,
        certs: CertReader,
    ) -> Self {
        Self {
            budgets: Budgets::new(settings.claims_per_minute),
            pools: Pools::default(),
            settings,
            clock,
            store: Store::new(storage),
            certs,
            swept: None,
        }
    }

    /// Decides something about a session that has the certificate of the given log entry, and answers once
    /// that is on disk.
    fn with_cert<T: 'static>(
        &mut self,
        session: SessionRef,
        decide: impl FnOnce(&mut Self, Option<u64>) -> Result<(WriteSet, T), PoolError>,
    ) -> Answer<T> {
        let cert = self.certs.live_entry_of(session).map_err(PoolError::from);
        let decided = cert.and_then(|cert| decide(self, cert));
        self.commit(decided)
    }

    /// Removes a session's one-time packages that have expired, unless it is known that none have; returns
    /// which are left.
    fn prune(
        &mut self,
        session: SessionRef,
        rack: &Rack,
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<Left, StorageError> {
        self.pools.expire(session, now);
        if let Some(left) = self.pools.left(session) {
            return Ok(left.clone());
        }
        let space = Space::OneTimePackages;
        self.store.prune(space, session, rack, now, writes)
    }

    /// Answers once what was decided is on disk, and everything that was decided before.
    fn commit<T: 'static>(&self, decided: Result<(WriteSet, T), PoolError>) -> Answer<T> {
        let (writes, answer) = match decided {
            Ok(decided) => decided,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        let committed = self.store.commit(writes).into_actor(self);
        Box::pin(committed.map(|committed, _, _| {
            committed?;
            Ok(answer)
        }))
    }
}

impl Actor for KeyPackagePool {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.sweep_later(context);
    }
}

impl Handler<Count> for KeyPackagePool {
    type Result = Answer<Stock>;

    fn handle(&mut self, message: Count, _: &mut Context<Self>) -> Self::Result {
        let Count { session } = message;
        self.with_cert(session, move |pool, cert| {
            let now = pool.clock.now();
            let left = pool.pools.left(session);
            let left = left.filter(|left| left.is_valid(now));
            let stock = pool.store.stock(session, cert, left, now)?;
            Ok((WriteSet::new(), stock))
        })
    }
}
