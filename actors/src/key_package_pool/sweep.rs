//! Tidying up: packages that can never be given out any more, and answers nobody will repeat.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use tokio::time::timeout;

use super::{KeyPackagePool, PoolError};
use crate::cert_registry::SessionRef;
use crate::storage::WriteSet;

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
            pool.sweep_claims(&[], context);
        }));
    }

    /// Looks at the next sessions, and clears the racks of those whose certificate is another
    /// one by now or none.
    fn sweep(&mut self, context: &mut Context<Self>) {
        let sessions = match self.store.sessions_after(self.swept, AT_ONCE) {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::error!(%error, "the KeyPackages could not be tidied up");
                return;
            }
        };
        // After the last, from the beginning.
        self.swept = (sessions.len() == AT_ONCE)
            .then(|| sessions.last().copied())
            .flatten();
        let decided = self.tidy(&sessions).map(|writes| (writes, ()));
        let committed = self.commit(decided);
        context.spawn(committed.map(|tidied, _, _| {
            if let Err(error) = tidied {
                tracing::error!(%error, "the KeyPackages could not be tidied up");
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

    fn tidy(&mut self, sessions: &[SessionRef]) -> Result<WriteSet, PoolError> {
        let now = self.clock.now();
        let mut writes = WriteSet::new();
        for session in sessions {
            let Some(rack) = self.store.rack(*session)? else {
                continue;
            };
            let cert = self.certs.live_cert_of(*session)?;
            if cert.is_some_and(|cert| cert.sequence == rack.cert) {
                self.pools.expire(*session, now);
                self.store.prune(*session, &rack, now, &mut writes)?;
            } else {
                self.store.clear(*session, &mut writes)?;
                self.pools.forget(*session);
            }
        }
        Ok(writes)
    }
}
