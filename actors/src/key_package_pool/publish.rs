//! Publishing: one-time packages, and last resorts.

use std::collections::HashMap;

use actix::{Context, Handler};
use antiphon_protocol::KeyPackage;

use super::pools::Left;
use super::store::{Rack, Seen};
use super::{Answer, KeyPackagePool, PoolError, Publish, PutLastResort};
use crate::cert_registry::SessionRef;
use crate::storage::WriteSet;

impl Handler<Publish> for KeyPackagePool {
    type Result = Answer<()>;

    fn handle(&mut self, message: Publish, _: &mut Context<Self>) -> Self::Result {
        let Publish {
            session,
            cert,
            packages,
        } = message;
        self.with_cert(session, move |pool, current| {
            let (mut rack, mut writes) = pool.rack(session, cert, current)?;
            let now = pool.clock.now();
            // All that were there go, with the certificate that they carry.
            let mut left = if writes.is_empty() {
                pool.prune(session, &rack, now, &mut writes)?
            } else {
                Left::NOTHING
            };
            let mut added = HashMap::<_, &KeyPackage>::new();
            for (index, package) in packages.iter().enumerate() {
                let seen = pool.store.package_with(package.init_key_hash())?;
                let before = added.insert(*package.init_key_hash(), package);
                match (seen, before) {
                    (Seen::Never, None) => rack.add(session, package, &mut writes)?,
                    (Seen::Here(there), _) if there == package.as_bytes() => {
                        added.remove(package.init_key_hash());
                    }
                    (Seen::Never, Some(before)) if before == package => {}
                    _ => return Err(PoolError::Reused(index)),
                }
            }
            let most = pool.settings.per_client;
            for package in added.values() {
                let (suite, lifetime) = (package.cipher_suite(), package.lifetime());
                let valid = lifetime.not_before.as_secs()..=lifetime.not_after.as_secs();
                left.add(suite.number(), valid);
            }
            if !added.is_empty() && left.count() > most {
                return Err(PoolError::Full(most));
            }
            rack.put(session, &mut writes)?;
            pool.pools.note_left(session, left);
            Ok((writes, ()))
        })
    }
}

impl Handler<PutLastResort> for KeyPackagePool {
    type Result = Answer<()>;

    fn handle(&mut self, message: PutLastResort, _: &mut Context<Self>) -> Self::Result {
        let PutLastResort {
            session,
            cert,
            package,
        } = message;
        self.with_cert(session, move |pool, current| {
            let (mut rack, mut writes) = pool.rack(session, cert, current)?;
            match pool.store.package_with(package.init_key_hash())? {
                Seen::Here(there) if there == package.as_bytes() => {}
                Seen::Here(_) | Seen::Gone => return Err(PoolError::Reused(0)),
                Seen::Never => rack.put_last_resort(session, &package, &mut writes)?,
            }
            rack.put(session, &mut writes)?;
            Ok((writes, ()))
        })
    }
}

impl KeyPackagePool {
    /// The rack for packages that carry the certificate `cert`, which must be the `current` one.
    /// Packages that carry an earlier one leave it.
    fn rack(
        &mut self,
        session: SessionRef,
        cert: u64,
        current: Option<u64>,
    ) -> Result<(Rack, WriteSet), PoolError> {
        let mut writes = WriteSet::new();
        if current != Some(cert) {
            return Err(PoolError::CertChanged);
        }
        let mut rack = self.store.rack(session)?.unwrap_or(Rack::new(cert));
        if rack.cert > cert {
            return Err(PoolError::CertChanged);
        }
        if rack.cert < cert {
            self.store.clear(session, &mut writes)?;
            self.pools.forget(session);
            rack.cert = cert;
        }
        Ok((rack, writes))
    }
}
