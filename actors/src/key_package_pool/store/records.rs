//! The records of a session's packages, and their keys.

use std::collections::BTreeSet;

use antiphon_protocol::{CipherSuite, KeyPackage, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cert_registry::SessionRef;
use crate::storage::{Record, Space, StorageError, WriteSet};

/// What a session has published, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::key_package_pool) struct Rack {
    /// The log entry of the ID-Cert that all its packages carry.
    pub(in crate::key_package_pool) cert: u64,
    /// The number of the next package.
    pub(in crate::key_package_pool) next: u64,
    /// All suites that were ever published.
    pub(super) suites: BTreeSet<u16>,
}

impl Record for Rack {
    const VERSION: u8 = 1;
}

/// A package that can be given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::key_package_pool) struct Package {
    pub(super) not_before: u64,
    pub(super) not_after: u64,
    #[serde(with = "serde_bytes")]
    pub(in crate::key_package_pool) bytes: Vec<u8>,
}

impl Record for Package {
    const VERSION: u8 = 1;
}

/// Where a package with some `init_key` was put when it came.
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
    /// The key of the package that was put there.
    pub(in crate::key_package_pool) fn key(&self) -> Vec<u8> {
        let mut key = SessionRef::from_numbers(self.user, self.session).key();
        key.extend(self.suite.to_be_bytes());
        key.extend(self.number.map(u64::to_be_bytes).into_iter().flatten());
        key
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

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
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

    /// The same of a suite as it stands in keys.
    pub(in crate::key_package_pool) fn has(&self, suite: &[u8]) -> bool {
        let suite = suite.try_into().map(u16::from_be_bytes);
        suite.is_ok_and(|suite| self.suites.contains(&suite))
    }

    /// Puts a one-time package behind all others.
    pub(in crate::key_package_pool) fn add(
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
    pub(in crate::key_package_pool) fn put_last_resort(
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
    pub(in crate::key_package_pool) fn put(
        &self,
        session: SessionRef,
        writes: &mut WriteSet,
    ) -> Result<(), StorageError> {
        writes.put(Space::Racks, &session.key(), self)
    }
}

pub(super) fn suite_key(session: SessionRef, suite: CipherSuite) -> Vec<u8> {
    [&session.key()[..], &suite.number().to_be_bytes()].concat()
}

pub(super) fn one_time_key(session: SessionRef, suite: CipherSuite, number: u64) -> Vec<u8> {
    [&suite_key(session, suite)[..], &number.to_be_bytes()].concat()
}
