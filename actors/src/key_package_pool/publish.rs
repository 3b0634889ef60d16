//! Publishing: one-time packages, and last resorts.

use std::collections::HashMap;

use actix::{Context, Handler};
use antiphon_protocol::KeyPackage;

use super::store::Shelf;
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
            let (mut shelf, mut writes) = pool.shelf(session, cert, current)?;
            let there = pool
                .store
                .prune(session, &shelf, pool.clock.now(), &mut writes)?;
            let mut added = HashMap::<_, &KeyPackage>::new();
            for (index, package) in packages.iter().enumerate() {
                let seen = pool.store.package_with(package.init_key_hash())?;
                let before = added.insert(*package.init_key_hash(), package);
                match (seen, before) {
                    (None, None) => shelf.add(session, package, &mut writes)?,
                    (Some(Some(there)), _) if there == package.as_bytes() => {
                        added.remove(package.init_key_hash());
                    }
                    (None, Some(before)) if before == package => {}
                    _ => return Err(PoolError::Reused(index)),
                }
            }
            let most = pool.settings.per_client;
            let new = u64::try_from(added.len()).unwrap_or(u64::MAX);
            if new > 0 && there.saturating_add(new) > most {
                return Err(PoolError::Full(most));
            }
            shelf.put(session, &mut writes)?;
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
            let (mut shelf, mut writes) = pool.shelf(session, cert, current)?;
            match pool.store.package_with(package.init_key_hash())? {
                Some(Some(there)) if there == package.as_bytes() => {}
                Some(_) => return Err(PoolError::Reused(0)),
                None => shelf.put_last_resort(session, &package, &mut writes)?,
            }
            shelf.put(session, &mut writes)?;
            Ok((writes, ()))
        })
    }
}

impl KeyPackagePool {
    /// The shelf for packages that carry the certificate `cert`, which must be the `current` one.
    /// Packages that carry an earlier one leave it.
    fn shelf(
        &self,
        session: SessionRef,
        cert: u64,
        current: Option<LiveCert>,
    ) -> Result<(Shelf, WriteSet), PoolError> {
        let mut writes = WriteSet::new();
        if current.is_none_or(|current| current.sequence != cert) {
            return Err(PoolError::CertChanged);
        }
        let mut shelf = self.store.shelf(session)?.unwrap_or(Shelf::new(cert));
        if shelf.cert > cert {
            return Err(PoolError::CertChanged);
        }
        if shelf.cert < cert {
            self.store.clear(session, &mut writes)?;
            shelf.cert = cert;
        }
        Ok((shelf, writes))
    }
}
