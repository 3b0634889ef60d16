//! KeyPackages on disk.

mod claims;
#[cfg(test)]
mod golden;
mod records;

use std::future::Future;

use antiphon_protocol::{CipherSuite, Timestamp};

use super::Stock;
use super::pools::{Left, Pools};
use crate::cert_registry::SessionRef;
use crate::storage::{Space, Storage, StorageError, WriteSet};

pub(super) use claims::Claimed;
pub(super) use records::{Package, Place, Rack};

/// The pool's part of the store.
#[derive(Debug)]
pub(super) struct Store {
    storage: Storage,
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
        let package = self.storage.get::<Package>(place.space(), &place.key())?;
        Ok(package.map_or(Seen::Gone, |package| Seen::Here(package.bytes)))
    }

    /// Removes a session's packages in one space that have expired; returns which are left.
    pub(super) fn prune(
        &self,
        space: Space,
        session: SessionRef,
        rack: &Rack,
        now: Timestamp,
        writes: &mut WriteSet,
    ) -> Result<Left, StorageError> {
        let mut left = Left::NOTHING;
        for suite in &rack.suites {
            let prefix = [&session.key()[..], &suite.to_be_bytes()].concat();
            for found in self.storage.scan::<Package>(space, &prefix) {
                let (key, package) = found?;
                if package.has_expired(now) {
                    writes.remove(space, &key);
                } else {
                    left.add(*suite, package.valid());
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
            // Also those that cannot be read.
            for found in self.storage.scan_bytes(space, &session.key()) {
                writes.remove(space, &found?.0);
            }
        }
        Ok(())
    }

    /// What a session could have given out for it, if `cert` is in force for it; `left` are its one-time
    /// packages, if they are known and all valid.
    pub(super) fn stock(
        &self,
        session: SessionRef,
        cert: Option<u64>,
        left: Option<&Left>,
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
            let available = match left {
                _ if !is_in_force => 0,
                Some(left) => left.of_suite(suite),
                None => self.available(session, suite, now)?,
            };
            stock.one_time.insert(suite, available);
            if is_in_force && self.last_resort(session, &[suite], now)?.is_some() {
                stock.last_resort.insert(suite);
            }
        }
        Ok(stock)
    }

    /// How many one-time packages of a suite could be given out.
    fn available(
        &self,
        session: SessionRef,
        suite: CipherSuite,
        now: Timestamp,
    ) -> Result<u64, StorageError> {
        let pool = Place::new(session, suite, None).key();
        let mut available = 0;
        for found in self.storage.scan::<Package>(Space::OneTimePackages, &pool) {
            available += u64::from(found?.1.is_valid(now));
        }
        Ok(available)
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
                .map(|number| Place::new(session, *suite, Some(number)).key());
            // Of those that stay for now, because they are not valid yet.
            let mut first = None;
            for found in self
                .storage
                .range::<Package>(Space::OneTimePackages, &from, &to)
            {
                let (key, package) = found?;
                let number = Place::one_time_number(&key)?;
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
            let place = Place::new(session, *suite, None);
            let package = self.storage.get::<Package>(place.space(), &place.key())?;
            if let Some(package) = package.filter(|package| package.is_valid(now)) {
                return Ok(Some(package.bytes));
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
        let keys = self.storage.keys(Space::Racks, &from, &[0xff; 17]);
        let sessions = keys.take(at_once);
        let sessions = sessions.map(|key| SessionRef::of_key(Space::Racks, &key?));
        sessions.collect()
    }
}
