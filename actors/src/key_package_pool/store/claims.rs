//! What claims got, for as long as they may be repeated.

use antiphon_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use super::Store;
use super::records::Package;
use crate::key_package_pool::Claim;
use crate::storage::{Record, Space, StorageError, WriteSet};

/// For how long a claim with an idempotency key is repeated, in seconds.
const REPEATED: u64 = 600;

/// A claim that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::key_package_pool) struct Claimed {
    pub(super) at: u64,
    pub(in crate::key_package_pool) count: u32,
}

impl Record for Claimed {
    const VERSION: u8 = 1;
}

impl Claimed {
    /// Both seconds have begun already: where they are exactly that far apart, less time may have passed. A clock
    /// that was set back does not make it last: it is over where it is farther ahead, too.
    fn is_over(&self, now: Timestamp) -> bool {
        self.at.abs_diff(now.as_secs()) > REPEATED
    }
}

impl Store {
    /// What the same claim got before, if that is not too long ago.
    pub(in crate::key_package_pool) fn repeated(
        &self,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Option<Vec<Vec<u8>>>, StorageError> {
        let Some(key) = claim_key(claim) else {
            return Ok(None);
        };
        let claimed = self.storage.get::<Claimed>(Space::Claims, &key)?;
        let Some(claimed) = claimed.filter(|claimed| !claimed.is_over(now)) else {
            return Ok(None);
        };
        let packages = self
            .storage
            .scan::<Package>(Space::ClaimedPackages, &key)
            .take(claimed.count as usize);
        let packages = packages.map(|found| found.map(|(_, package)| package.bytes));
        packages.collect::<Result<_, _>>().map(Some)
    }

    /// Keeps what a claim got.
    pub(in crate::key_package_pool) fn remember(
        &self,
        claim: &Claim,
        packages: &[Vec<u8>],
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        let Some(key) = claim_key(claim) else {
            return Ok(());
        };
        self.forget_claim(&key, writes)?;
        let mut count: u32 = 0;
        for bytes in packages {
            let package = Package {
                not_before: 0,
                not_after: 0,
                bytes: bytes.clone(),
            };
            let position = [&key[..], &count.to_be_bytes()].concat();
            writes.put(Space::ClaimedPackages, &position, &package)?;
            count += 1;
        }
        let at = now.as_secs();
        writes.put(Space::Claims, &key, &Claimed { at, count })
    }

    fn forget_claim(&self, key: &[u8], writes: &mut WriteSet) -> Result<(), StorageError> {
        writes.remove(Space::Claims, key);
        for found in self.storage.scan_bytes(Space::ClaimedPackages, key) {
            writes.remove(Space::ClaimedPackages, &found?.0);
        }
        Ok(())
    }

    /// Looks at the next `at_once` claims from the key `from` on, and forgets those that are not
    /// repeated any more; returns where the others begin.
    pub(in crate::key_package_pool) fn forget_claims(
        &self,
        from: &[u8],
        at_once: usize,
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let keys = self.storage.keys(Space::Claims, from, &[0xff; 17]);
        for (position, key) in keys.enumerate() {
            let key = key?;
            if position == at_once {
                return Ok(Some(key));
            }
            match self.storage.get::<Claimed>(Space::Claims, &key) {
                Ok(Some(claimed)) if claimed.is_over(now) => self.forget_claim(&key, writes)?,
                Ok(_) => {}
                // One that is damaged does not keep those behind it.
                Err(error @ StorageError::Damaged { .. }) => {
                    tracing::error!(%error, "an old claim could not be forgotten");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// No key is the beginning of another: the length of its only varying part stands before it.
fn claim_key(claim: &Claim) -> Option<Vec<u8>> {
    let text = claim.idempotency_key.as_ref()?;
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let user = claim.user.as_u64().to_be_bytes();
    Some([&claim.asker.key()[..], &user, &[length], text.as_bytes()].concat())
}
