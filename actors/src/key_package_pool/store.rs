//! KeyPackages on disk.

#[cfg(test)]
mod golden;

use std::collections::BTreeSet;
use std::future::Future;

use antiphon_protocol::{CipherSuite, KeyPackage, Snowflake, Timestamp};
use serde::{Deserialize, Serialize};

use super::pools::{Left, Pools};
use super::{Claim, Stock};
use crate::cert_registry::SessionRef;
use crate::storage::{Record, Space, Storage, StorageError, WriteSet};

/// For how long a claim with an idempotency key is repeated, in seconds.
const REPEATED: u64 = 600;

/// The pool's part of the store.
#[derive(Debug)]
pub(super) struct Store {
    storage: Storage,
}

/// What a session has published, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rack {
    /// The log entry of the ID-Cert that all its packages carry.
    pub(super) cert: u64,
    /// The number of the next package.
    pub(super) next: u64,
    /// All suites that were ever published.
    suites: BTreeSet<u16>,
}

impl Record for Rack {
    const VERSION: u8 = 1;
}

/// A package that can be given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Package {
    not_before: u64,
    not_after: u64,
    #[serde(with = "serde_bytes")]
    pub(super) bytes: Vec<u8>,
}

impl Record for Package {
    const VERSION: u8 = 1;
}

/// Where a package with some `init_key` was put when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    user: u64,
    session: u64,
    suite: u16,
    /// Of a one-time package; none for a last resort.
    number: Option<u64>,
}

impl Record for Place {
    const VERSION: u8 = 1;
}

impl Place {
    /// The key of the package that was put there.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = SessionRef::from_numbers(self.user, self.session).key();
        key.extend(self.suite.to_be_bytes());
        key.extend(self.number.map(u64::to_be_bytes).into_iter().flatten());
        key
    }
}

/// What is known of an `init_key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is new.
    Never,
    /// Its package has been given out, or has left the pool in another way.
    Gone,
    /// Its package is there.
    Here(Vec<u8>),
}

/// A one-time package that is given out.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    pub(super) suite: CipherSuite,
    /// Where the pool of its suite begins without it.
    pub(super) front: u64,
}

/// A claim that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claimed {
    at: u64,
    pub(super) count: u32,
}

impl Record for Claimed {
    const VERSION: u8 = 1;
}

impl Package {
    fn of(package: &KeyPackage) -> Self {
        let lifetime = package.lifetime();
        Self {
            not_before: lifetime.not_before.as_secs(),
            not_after: lifetime.not_after.as_secs(),
            bytes: package.as_bytes().to_vec(),
        }
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.not_after < now.as_secs()
    }
}

impl Rack {
    pub(super) fn new(cert: u64) -> Self {
        Self {
            cert,
            next: 0,
            suites: BTreeSet::new(),
        }
    }

    /// Whether a package of this suite was ever published.
    pub(super) fn has_suite(&self, suite: CipherSuite) -> bool {
        self.suites.contains(&suite.number())
    }

    /// The same of a suite as it stands in keys.
    pub(super) fn has(&self, suite: &[u8]) -> bool {
        let suite = suite.try_into().map(u16::from_be_bytes);
        suite.is_ok_and(|suite| self.suites.contains(&suite))
    }

    /// Puts a one-time package behind all others.
    pub(super) fn add(
        &mut self,
        session: SessionRef,
        package: &KeyPackage,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        let number = self.next;
        self.next += 1;
        let suite = package.cipher_suite();
        let key = one_time_key(session, suite, number);
        writes.put(Space::OneTimePackages, &key, &Package::of(package))?;
        self.note(session, package, Some(number), writes)
    }

    /// Makes a package the last resort of its suite.
    pub(super) fn put_last_resort(
        &mut self,
        session: SessionRef,
        package: &KeyPackage,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        let key = suite_key(session, package.cipher_suite());
        writes.put(Space::LastResortPackages, &key, &Package::of(package))?;
        self.note(session, package, None, writes)
    }

    fn note(
        &mut self,
        session: SessionRef,
        package: &KeyPackage,
        number: Option<u64>,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        let suite = package.cipher_suite().number();
        self.suites.insert(suite);
        let place = Place {
            user: session.user.as_u64(),
            session: session.session.as_u64(),
            suite,
            number,
        };
        writes.put(Space::InitKeys, package.init_key_hash(), &place)
    }

    /// Writes the rack itself.
    pub(super) fn put(
        &self,
        session: SessionRef,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        writes.put(Space::Racks, &session.key(), self)
    }
}

impl Store {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Makes `writes` durable.
    pub(super) fn commit(
        &self,
        writes: WriteSet,
    ) -> impl Future<Output = Result<(), StorageError>> + use<> {
        self.storage.commit(writes)
    }

    pub(super) fn rack(&self, session: SessionRef) -> Result<Option<Rack>, StorageError> {
        self.storage.get(Space::Racks, &session.key())
    }

    /// What is known of an `init_key`.
    pub(super) fn package_with(&self, init_key: &[u8; 32]) -> Result<Seen, StorageError> {
        let Some(place) = self.storage.get::<Place>(Space::InitKeys, init_key)? else {
            return Ok(Seen::Never);
        };
        let space = match place.number {
            Some(_) => Space::OneTimePackages,
            None => Space::LastResortPackages,
        };
        let package = self.storage.get::<Package>(space, &place.key())?;
        Ok(package.map_or(Seen::Gone, |package| Seen::Here(package.bytes)))
    }

    /// Removes a session's packages that have expired; returns which one-time packages are left.
    pub(super) fn prune(
        &self,
        session: SessionRef,
        rack: &Rack,
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<Left, StorageError> {
        let mut left = Left::NOTHING;
        for suite in &rack.suites {
            let prefix = [&session.key()[..], &suite.to_be_bytes()].concat();
            for space in [Space::OneTimePackages, Space::LastResortPackages] {
                for found in self.storage.scan::<Package>(space, &prefix) {
                    let (key, package) = found?;
                    if package.has_expired(now) {
                        writes.remove(space, &key);
                    } else if space == Space::OneTimePackages {
                        left.add(Timestamp::from_secs(package.not_after));
                    }
                }
            }
        }
        Ok(left)
    }

    /// Removes all packages of a session.
    pub(super) fn clear(
        &self,
        session: SessionRef,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        for space in [Space::OneTimePackages, Space::LastResortPackages] {
            for found in self.storage.scan::<Package>(space, &session.key()) {
                writes.remove(space, &found?.0);
            }
        }
        Ok(())
    }

    /// What a session could have given out for it, if `cert` is in force for it.
    pub(super) fn stock(
        &self,
        session: SessionRef,
        cert: Option<u64>,
        now: Timestamp,
    ) -> Result<Stock, StorageError> {
        let rack = self.rack(session)?;
        let mut stock = Stock {
            one_time: [].into(),
            last_resort: [].into(),
        };
        let Some(rack) = rack else {
            return Ok(stock);
        };
        let is_in_force = cert == Some(rack.cert);
        for suite in CipherSuite::ALL {
            if !rack.has_suite(suite) {
                continue;
            }
            let mut available = 0;
            for found in self
                .storage
                .scan::<Package>(Space::OneTimePackages, &suite_key(session, suite))
            {
                available += u64::from(is_in_force && found?.1.is_valid(now));
            }
            stock.one_time.insert(suite, available);
            if is_in_force && self.last_resort(session, &[suite], now)?.is_some() {
                stock.last_resort.insert(suite);
            }
        }
        Ok(stock)
    }

    /// Takes the oldest valid one-time package of any of `suites`; those before it that have
    /// expired go with it.
    pub(super) fn take_oldest(
        &self,
        session: SessionRef,
        suites: &[CipherSuite],
        pools: &Pools,
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<Option<Taken>, StorageError> {
        let mut oldest: Option<(u64, Vec<u8>, Taken)> = None;
        for suite in suites {
            let [from, to] = [pools.front(session, *suite), u64::MAX]
                .map(|number| one_time_key(session, *suite, number));
            // Of those that stay for now, because they are not valid yet.
            let mut first = None;
            for found in self
                .storage
                .range::<Package>(Space::OneTimePackages, &from, &to)
            {
                let (key, package) = found?;
                let number = key.last_chunk().copied().map_or(0, u64::from_be_bytes);
                if package.has_expired(now) {
                    writes.remove(Space::OneTimePackages, &key);
                } else if !package.is_valid(now) {
                    first.get_or_insert(number);
                } else {
                    if oldest.as_ref().is_none_or(|(before, ..)| number < *before) {
                        let taken = Taken {
                            bytes: package.bytes,
                            suite: *suite,
                            front: first.unwrap_or(number.saturating_add(1)),
                        };
                        oldest = Some((number, key, taken));
                    }
                    break;
                }
            }
        }
        Ok(oldest.map(|(_, key, taken)| {
            writes.remove(Space::OneTimePackages, &key);
            taken
        }))
    }

    /// The last resort package of the first of `suites` that has one.
    pub(super) fn last_resort(
        &self,
        session: SessionRef,
        suites: &[CipherSuite],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        for suite in suites {
            let key = suite_key(session, *suite);
            let package = self
                .storage
                .get::<Package>(Space::LastResortPackages, &key)?;
            if let Some(package) = package.filter(|package| package.is_valid(now)) {
                return Ok(Some(package.bytes));
            }
        }
        Ok(None)
    }

    /// What the same claim got before, if that is not too long ago.
    pub(super) fn repeated(
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
    pub(super) fn remember(
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
        for found in self.storage.scan::<Package>(Space::ClaimedPackages, key) {
            writes.remove(Space::ClaimedPackages, &found?.0);
        }
        Ok(())
    }

    /// Looks at the next `at_once` claims from the key `from` on, and forgets those that are not
    /// repeated any more; returns where the others begin.
    pub(super) fn forget_claims(
        &self,
        from: &[u8],
        at_once: usize,
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let claims = self
            .storage
            .range::<Claimed>(Space::Claims, from, &[0xff; 17]);
        for (position, found) in claims.enumerate() {
            let (key, claimed) = found?;
            if position == at_once {
                return Ok(Some(key));
            }
            if claimed.is_over(now) {
                self.forget_claim(&key, writes)?;
            }
        }
        Ok(None)
    }

    /// The next sessions that have a rack, in the order of their keys.
    pub(super) fn sessions_after(
        &self,
        after: Option<SessionRef>,
        at_once: usize,
    ) -> Result<Vec<SessionRef>, StorageError> {
        let from = after.map_or_else(Vec::new, |session| [&session.key()[..], &[0]].concat());
        let racks = self.storage.range::<Rack>(Space::Racks, &from, &[0xff; 17]);
        let sessions = racks.take(at_once).map(|found| {
            let (key, _) = found?;
            let user = key.first_chunk().copied().map_or(0, u64::from_be_bytes);
            let session = key.last_chunk().copied().map_or(0, u64::from_be_bytes);
            Ok(SessionRef {
                user: Snowflake::from_u64(user),
                session: Snowflake::from_u64(session),
            })
        });
        sessions.collect()
    }
}

impl Claimed {
    /// A clock that was set back does not make it last: it is over where it is that far ahead, too.
    fn is_over(&self, now: Timestamp) -> bool {
        self.at.abs_diff(now.as_secs()) >= REPEATED
    }
}

fn suite_key(session: SessionRef, suite: CipherSuite) -> Vec<u8> {
    [&session.key()[..], &suite.number().to_be_bytes()].concat()
}

fn one_time_key(session: SessionRef, suite: CipherSuite, number: u64) -> Vec<u8> {
    [&suite_key(session, suite)[..], &number.to_be_bytes()].concat()
}

/// No key is the beginning of another: the length of its only varying part stands before it.
fn claim_key(claim: &Claim) -> Option<Vec<u8>> {
    let text = claim.idempotency_key.as_ref()?;
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let user = claim.user.as_u64().to_be_bytes();
    Some([&claim.asker.key()[..], &user, &[length], text.as_bytes()].concat())
}
