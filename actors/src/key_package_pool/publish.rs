//! Publishing: one-time packages, and last resorts.

use std::collections::HashMap;

use actix::{Context, Handler};
use antiphon_protocol::KeyPackage;

use super::store::{Rack, Seen};
use super::{Answer, KeyPackagePool, PoolError, Publish, PutLastResort};
use crate::cert_registry::{LiveCert, SessionRef};
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
            let there = pool
                .store
                .prune(session, &rack, pool.clock.now(), &mut writes)?;
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
            let new = u64::try_from(added.len()).unwrap_or(u64::MAX);
            if new > 0 && there.saturating_add(new) > most {
                return Err(PoolError::Full(most));
            }
            rack.put(session, &mut writes)?;
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
        &self,
        session: SessionRef,
        cert: u64,
        current: Option<LiveCert>,
    ) -> Result<(Rack, WriteSet), PoolError> {
        let mut writes = WriteSet::new();
        if current.is_none_or(|current| current.sequence != cert) {
            return Err(PoolError::CertChanged);
        }
        let mut rack = self.store.rack(session)?.unwrap_or(Rack::new(cert));
        if rack.cert > cert {
            return Err(PoolError::CertChanged);
        }
        if rack.cert < cert {
            self.store.clear(session, &mut writes)?;
            rack.cert = cert;
        }
        Ok((rack, writes))
    }
}
