//! The records of a session's packages, and their keys.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use antiphon_protocol::{CipherSuite, KeyPackage, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cert_registry::SessionRef;
use crate::storage::{Record, RecordError, Space, StorageError, WriteSet, numbers};

/// What a session has published, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::key_package_pool) struct Rack {
    /// The log entry of the ID-Cert that all its packages carry.
    pub(in crate::key_package_pool) cert: u64,
    /// The number of the next package.
    pub(in crate::key_package_pool) next: u64,
    /// All suites that were ever published.
    pub(in crate::key_package_pool) suites: BTreeSet<u16>,
}

impl Record for Rack {
    const VERSION: u8 = 1;
}

/// A package that can be given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::key_package_pool) struct Package {
    pub(in crate::key_package_pool) not_before: u64,
    pub(in crate::key_package_pool) not_after: u64,
    #[serde(with = "serde_bytes")]
    pub(in crate::key_package_pool) bytes: Vec<u8>,
}

impl Record for Package {
    const VERSION: u8 = 1;
}

/// Where a package is, or was put when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::key_package_pool) struct Place {
    pub(super) user: u64,
    pub(super) session: u64,
    pub(super) suite: u16,
    /// Of a one-time package; none for a last resort.
    pub(super) number: Option<u64>,
}

impl Record for Place {
    const VERSION: u8 = 1;
}

impl Place {
    pub(in crate::key_package_pool) fn new(
        session: SessionRef,
        suite: CipherSuite,
        number: Option<u64>,
    ) -> Self {
        Self {
            user: session.user.as_u64(),
            session: session.session.as_u64(),
            suite: suite.number(),
            number,
        }
    }

    /// What a package there is stored under: those of a session stand together, in it those of a
    /// suite, and these in the order in which they came.
    pub(in crate::key_package_pool) fn key(&self) -> Vec<u8> {
        let mut key = self.session().key();
        key.extend(self.suite.to_be_bytes());
        key.extend(self.number.map(u64::to_be_bytes).into_iter().flatten());
        key
    }

    /// The place whose packages are stored under `key` in `space`.
    pub(in crate::key_package_pool) fn of_key(
        space: Space,
        key: &[u8],
    ) -> Result<Self, StorageError> {
        let parse = || {
            let (session, rest) = key.split_first_chunk::<16>()?;
            let (suite, number) = rest.split_first_chunk()?;
            let [user, session] = numbers(space, session).ok()?;
            let place = Self {
                user,
                session,
                suite: u16::from_be_bytes(*suite),
                number: match number {
                    [] => None,
                    number => Some(u64::from_be_bytes(number.try_into().ok()?)),
                },
            };
            (place.space() == space).then_some(place)
        };
        parse().ok_or(no_key(space))
    }

    /// Which of its one-time packages a pool has under `key`.
    pub(in crate::key_package_pool) fn one_time_number(key: &[u8]) -> Result<u64, StorageError> {
        let place = Self::of_key(Space::OneTimePackages, key)?;
        place.number.ok_or(no_key(Space::OneTimePackages))
    }

    /// Where it stands in the store.
    pub(in crate::key_package_pool) fn space(&self) -> Space {
        match self.number {
            Some(_) => Space::OneTimePackages,
            None => Space::LastResortPackages,
        }
    }

    /// Whose packages are there.
    pub(in crate::key_package_pool) fn session(&self) -> SessionRef {
        SessionRef::from_numbers(self.user, self.session)
    }
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

    /// The seconds at which it may be given out: none for those that are too long, which versions before took.
    pub(in crate::key_package_pool) fn valid(&self) -> RangeInclusive<u64> {
        if self.bytes.len() > KeyPackage::LONGEST {
            return u64::MAX..=self.not_after;
        }
        self.not_before..=self.not_after
    }

    /// Whether it may be given out.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.valid().contains(&now.as_secs())
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.not_after < now.as_secs()
    }
}

impl Rack {
    pub(in crate::key_package_pool) fn new(cert: u64) -> Self {
        Self {
            cert,
            next: 0,
            suites: BTreeSet::new(),
        }
    }

    /// Whether a package of this suite was ever published.
    pub(in crate::key_package_pool) fn has_suite(&self, suite: CipherSuite) -> bool {
        self.suites.contains(&suite.number())
    }

    /// Whether a package can have been put there.
    pub(in crate::key_package_pool) fn has(&self, place: &Place) -> bool {
        let is_given = |number| number < self.next;
        self.suites.contains(&place.suite) && place.number.is_none_or(is_given)
    }

    /// Puts a one-time package behind all others.
    pub(in crate::key_package_pool) fn add(
        &mut self,
        session: SessionRef,
        package: &KeyPackage,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        let place = Place::new(session, package.cipher_suite(), Some(self.next));
        self.next += 1;
        self.put_at(&place, package, writes)
    }

    /// Makes a package the last resort of its suite.
    pub(in crate::key_package_pool) fn put_last_resort(
        &mut self,
        session: SessionRef,
        package: &KeyPackage,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        let place = Place::new(session, package.cipher_suite(), None);
        self.put_at(&place, package, writes)
    }

    fn put_at(
        &mut self,
        place: &Place,
        package: &KeyPackage,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        self.suites.insert(place.suite);
        writes.put(place.space(), &place.key(), &Package::of(package))?;
        writes.put(Space::InitKeys, package.init_key_hash(), place)
    }

    /// Writes the rack itself.
    pub(in crate::key_package_pool) fn put(
        &self,
        session: SessionRef,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        writes.put(Space::Racks, &session.key(), self)
    }
}

fn no_key(space: Space) -> StorageError {
    let error = RecordError::Key;
    StorageError::Damaged { space, error }
}
