//! What can go wrong in the KeyPackagePool.

use crate::cert_registry::RegistryError;
use crate::storage::StorageError;

/// Why the pool refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The session has another ID-Cert by now than the one that the packages were checked against.
    #[error("the ID-Cert in the packages is not the session's current one")]
    CertChanged,
    /// A package with the same `init_key` has been published before.
    #[error("the init_key of package {0} has been seen before")]
    Reused(usize),
    /// The client would have too many packages.
    #[error("the pool of the client would be larger than {0} packages")]
    Full(u64),
    /// The asking session has had all one-time packages of this minute.
    #[error("too many one-time packages for one minute; the next in {0} s")]
    RateLimited(u64),
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
