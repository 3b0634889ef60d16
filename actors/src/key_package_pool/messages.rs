//! What the KeyPackagePool can be asked.

use std::collections::{BTreeMap, BTreeSet};

use actix::Message;
use antiphon_protocol::{CipherSuite, KeyPackage, Snowflake};

use super::PoolError;
use crate::cert_registry::SessionRef;

/// Adds one-time packages to a session's pool: all or none. One that is there already, byte for
/// byte, is passed over.
///
/// [`PoolError::Reused`] says at which index of `packages` the first stands whose `init_key` was seen
/// before, or earlier among them. [`PoolError::Full`] if the session would have more than
/// [`per_client`](super::Settings::per_client) that have not expired.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PoolError>")]
pub struct Publish {
    /// Whose.
    pub session: SessionRef,
    /// The log entry of the ID-Cert that the packages were checked against.
    pub cert: u64,
    /// The packages.
    pub packages: Vec<KeyPackage>,
}

/// Makes a package the session's last resort for its suite, in the place of the one before.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PoolError>")]
pub struct PutLastResort {
    /// Whose.
    pub session: SessionRef,
    /// The log entry of the ID-Cert that the package was checked against.
    pub cert: u64,
    /// The package.
    pub package: KeyPackage,
}

/// What a session has in its pool.
#[derive(Debug, Message)]
#[rtype(result = "Result<Stock, PoolError>")]
pub struct Count {
    /// Whose.
    pub session: SessionRef,
}

/// What a session has in its pool, as far as it could be given out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// One-time packages, for every suite of which the session ever published any.
    pub one_time: BTreeMap<CipherSuite, u64>,
    /// Suites with a last resort package.
    pub last_resort: BTreeSet<CipherSuite>,
}

/// Takes a package for each live session of a user but the one that asks: the oldest one-time
/// package, or, where there is none, the last resort.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Vec<u8>>, PoolError>")]
pub struct Claim {
    /// Who asks.
    pub asker: SessionRef,
    /// Whose packages.
    pub user: Snowflake,
    /// The only suite that will do, by number, whether this node knows it or not.
    pub cipher_suite: Option<u16>,
    /// What a repeat of this request will carry, too, in at most 255 bytes. For 600 s the same session
    /// with the same key gets for the same user what it got before, whatever suite it names, and
    /// nothing is consumed; a refusal is not remembered.
    pub idempotency_key: Option<String>,
}
