//! Claiming: a package for each client of a user.

use actix::{Context, Handler};
use antiphon_protocol::CipherSuite;

use super::{Answer, Claim, KeyPackagePool, PoolError};
use crate::cert_registry::SessionRef;
use crate::storage::WriteSet;

impl Handler<Claim> for KeyPackagePool {
    type Result = Answer<Vec<Vec<u8>>>;

    fn handle(&mut self, claim: Claim, _: &mut Context<Self>) -> Self::Result {
        let entries = self.certs.live_entries(claim.user);
        let decided = entries.map_err(PoolError::from);
        let decided = decided.and_then(|entries| self.take(&claim, &entries));
        self.commit(decided)
    }
}

impl KeyPackagePool {
    /// Decides which packages answer a claim, and what is consumed by that. `entries` are the user's sessions,
    /// each with the entry of its certificate in force.
    fn take(
        &mut self,
        claim: &Claim,
        entries: &[(SessionRef, u64)],
    ) -> Result<(WriteSet, Vec<Vec<u8>>), PoolError> {
        let now = self.clock.now();
        if let Some(repeated) = self.store.repeated(claim, now)? {
            return Ok((WriteSet::new(), repeated));
        }
        let suites = match claim.cipher_suite {
            Some(number) => CipherSuite::from_number(number).into_iter().collect(),
            None => CipherSuite::ALL.to_vec(),
        };
        let budget = self.budgets.left(claim.asker, claim.user, now);
        let mut writes = WriteSet::new();
        let (mut packages, mut taken) = (Vec::new(), Vec::new());
        for &(session, cert) in entries {
            if session == claim.asker {
                continue;
            }
            let Some(rack) = self.store.rack(session)? else {
                continue;
            };
            if rack.cert != cert {
                continue;
            }
            self.pools.expire(session, now);
            let suites = suites.iter().copied();
            let suites: Vec<_> = suites.filter(|suite| rack.has_suite(*suite)).collect();
            let oldest = if budget.is_ok_and(|left| left > taken.len() as u64) {
                self.store
                    .take_oldest(session, &suites, &self.pools, now, &mut writes)?
            } else {
                None
            };
            if let Some(oldest) = oldest {
                packages.push(oldest.bytes);
                taken.push((session, oldest.suite, oldest.front));
            } else if let Some(package) = self.store.last_resort(session, &suites, now)? {
                packages.push(package);
            }
        }
        if let (true, Err(seconds)) = (packages.is_empty(), budget) {
            return Err(PoolError::RateLimited(seconds));
        }
        self.store.remember(claim, &packages, now, &mut writes)?;
        let one_time = taken.len() as u64;
        self.budgets.note(claim.asker, claim.user, one_time, now);
        for (session, suite, front) in taken {
            self.pools.note_taken(session, suite, front);
        }
        Ok((writes, packages))
    }
}
