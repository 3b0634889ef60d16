//! Tidying up: packages that can never be given out any more, and answers nobody will repeat.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context};

use super::{KeyPackagePool, PoolError};
use crate::cert_registry::SessionRef;
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
        let decided = self.tidy(&sessions).map(|writes| (writes, ()));
        let committed = self.commit(decided);
        context.spawn(committed.map(|tidied, _, _| {
            if let Err(error) = tidied {
                tracing::error!(%error, "the KeyPackages could not be tidied up");
            }
        }));
    }

    fn tidy(&mut self, sessions: &[SessionRef]) -> Result<WriteSet, PoolError> {
        let now = self.clock.now();
        let mut writes = WriteSet::new();
        self.store.forget_claims(now, AT_ONCE, &mut writes)?;
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
