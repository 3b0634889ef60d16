//! Tidying up: packages that can never be given out any more, and answers nobody will repeat.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};

use super::{KeyPackagePool, PoolError};
use crate::cert_registry::{LiveCert, LiveCertOf, SessionRef};
use crate::storage::WriteSet;

/// How often a sweep happens.
pub(super) const EVERY: Duration = Duration::from_mins(1);

/// How many sessions, and how many remembered claims, one sweep looks at.
const AT_ONCE: usize = 256;

impl KeyPackagePool {
    /// Looks at the next sessions, and clears the racks of those whose certificate is another
    /// one by now or none.
    pub(super) fn sweep(&mut self, context: &mut Context<Self>) {
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
        let registry = self.registry.clone();
        let asking = async move {
            let mut found = Vec::new();
            for session in sessions {
                found.push((session, registry.send(LiveCertOf { session }).await??));
            }
            Ok::<_, PoolError>(found)
        };
        let asking = asking.into_actor(self);
        context.spawn(asking.then(|found, pool, _| {
            let decided = found.and_then(|found| pool.tidy(&found));
            let committed = pool.commit(decided.map(|writes| (writes, ())));
            committed.map(|tidied, _, _| {
                if let Err(error) = tidied {
                    tracing::error!(%error, "the KeyPackages could not be tidied up");
                }
            })
        }));
    }

    fn tidy(&self, found: &[(SessionRef, Option<LiveCert>)]) -> Result<WriteSet, PoolError> {
        let now = self.clock.now();
        let mut writes = WriteSet::new();
        self.store.forget_claims(now, AT_ONCE, &mut writes)?;
        for (session, cert) in found {
            let Some(rack) = self.store.rack(*session)? else {
                continue;
            };
            match cert {
                Some(cert) if cert.sequence == rack.cert => {
                    self.store.prune(*session, &rack, now, &mut writes)?;
                }
                // Published since the question was asked.
                Some(cert) if cert.sequence < rack.cert => {}
                Some(_) | None => self.store.clear(*session, &mut writes)?,
            }
        }
        Ok(writes)
    }
}
