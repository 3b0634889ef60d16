//! Tidying up: packages that can never be given out any more, and answers nobody will repeat.

use std::time::Duration;
use std::vec;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use tokio::time::timeout;

use super::{KeyPackagePool, PoolError};
use crate::cert_registry::SessionRef;
use crate::storage::{Space, StorageError, WriteSet};

/// How often a sweep happens, in seconds.
const EVERY: u64 = 60;

/// How many sessions one sweep looks at, and how many remembered claims each of its steps.
const AT_ONCE: usize = 256;

impl KeyPackagePool {
    /// Sweeps in a minute, and from then on each minute.
    pub(super) fn sweep_later(&mut self, context: &mut Context<Self>) {
        let due = self.clock.now().plus_secs(EVERY);
        // Somebody may set the clock back meanwhile.
        let reached = timeout(Duration::from_secs(EVERY), self.clock.reached(due));
        context.spawn(reached.into_actor(self).map(|_, pool, context| {
            pool.sweep(context);
        }));
    }

    /// Looks at the next sessions.
    fn sweep(&mut self, context: &mut Context<Self>) {
        let sessions = self.store.sessions_after(self.swept, AT_ONCE);
        let sessions = sessions.unwrap_or_else(|error| {
            tracing::error!(%error, "the KeyPackages could not be tidied up");
            Vec::new()
        });
        // After the last, from the beginning.
        self.swept = (sessions.len() == AT_ONCE)
            .then(|| sessions.last().copied())
            .flatten();
        self.sweep_sessions(sessions.into_iter(), context);
    }

    /// Looks at sessions, one after the other, with what is asked in between: each may have many packages.
    fn sweep_sessions(
        &mut self,
        mut sessions: vec::IntoIter<SessionRef>,
        context: &mut Context<Self>,
    ) {
        let Some(session) = sessions.next() else {
            return self.sweep_claims(&[], context);
        };
        let decided = self.tidy(session).map(|writes| (writes, ()));
        let committed = self.commit(decided);
        context.spawn(committed.map(|tidied, pool, context| match tidied {
            Ok(()) => pool.sweep_sessions(sessions, context),
            Err(error) => {
                tracing::error!(%error, "the KeyPackages of a session could not be tidied up");
                // What is damaged is one session's trouble; a disk that refuses is everybody's.
                if error == PoolError::Storage(StorageError::WritesRefused) {
                    pool.sweep_claims(&[], context);
                } else {
                    pool.sweep_sessions(sessions, context);
                }
            }
        }));
    }

    /// Looks at all remembered claims, some after the others, with what is asked in between.
    fn sweep_claims(&mut self, from: &[u8], context: &mut Context<Self>) {
        let mut writes = WriteSet::new();
        let now = self.clock.now();
        let forgotten = self.store.forget_claims(from, AT_ONCE, now, &mut writes);
        let committed = self.commit(
            forgotten
                .map(|rest| (writes, rest))
                .map_err(PoolError::from),
        );
        context.spawn(committed.map(|forgotten, pool, context| match forgotten {
            Ok(Some(rest)) => pool.sweep_claims(&rest, context),
            Ok(None) => pool.sweep_later(context),
            Err(error) => {
                tracing::error!(%error, "old claims could not be forgotten");
                pool.sweep_later(context);
            }
        }));
    }

    /// Removes the packages of a session that have expired, and all if its certificate is another one by now
    /// or none.
    fn tidy(&mut self, session: SessionRef) -> Result<WriteSet, PoolError> {
        let now = self.clock.now();
        let mut writes = WriteSet::new();
        let Some(rack) = self.store.rack(session)? else {
            return Ok(writes);
        };
        if self.certs.live_entry_of(session)? != Some(rack.cert) {
            self.store.clear(session, &mut writes)?;
            self.pools.forget(session);
            return Ok(writes);
        }
        let last_resorts = Space::LastResortPackages;
        self.store
            .prune(last_resorts, session, &rack, now, &mut writes)?;
        let left = self.prune(session, &rack, now, &mut writes)?;
        self.pools.note_seen(session, left);
        Ok(writes)
    }
}
