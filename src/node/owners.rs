//! The owners of the node's state, each on its thread.

use std::sync::Arc;

use actix::{Addr, Arbiter, ArbiterHandle, Context};
use antiphon_actors::accounts::Accounts;
use antiphon_actors::cert_registry::{AppendServerCert, CertReader, CertRegistry};
use antiphon_actors::clock::SharedClock;
use antiphon_actors::home_servers::{HomeServers, SystemNames};
use antiphon_actors::key_manager::{KeyManager, Serials};
use antiphon_actors::key_package_pool::KeyPackagePool;
use antiphon_actors::storage::{DataDir, Storage};
use antiphon_protocol::ServerCert;

use super::NodeError;
use super::settings;
use crate::config::Config;
use crate::store::StoreError;

/// All of them.
pub(super) struct Owners {
    pub(super) accounts: Addr<Accounts>,
    pub(super) home_servers: Addr<HomeServers>,
    pub(super) key_manager: Addr<KeyManager>,
    pub(super) key_packages: Addr<KeyPackagePool>,
    pub(super) registry: Addr<CertRegistry>,
    pub(super) cert_reader: CertReader,
    /// The server's certificate: the newest in the log.
    pub(super) cert: ServerCert,
    pub(super) threads: Vec<Arbiter>,
}

impl Owners {
    /// Starts them, from the log upwards. The first start in a directory makes the server's
    /// identity.
    pub(super) async fn start(
        config: &Config,
        clock: &SharedClock,
        data_dir: &DataDir,
        storage: &Storage,
    ) -> Result<Self, NodeError> {
        let mut threads = Vec::new();
        let log = CertRegistry::open(storage.clone(), Arc::clone(clock))?;
        let (newest, log_time) = (log.newest_server_cert()?, log.log_time());
        let is_first_start = newest.is_none();
        let cert_reader = log.reader();
        // Log and keys share a thread: each certificate goes through both, one after the other.
        let shared = thread(&mut threads);
        let registry = start(log, &shared);
        let serials = Serials::begin(storage, &**clock).await;
        let keys = KeyManager::open(
            settings::keys(config),
            Arc::clone(clock),
            &data_dir.keys(),
            serials.map_err(StoreError::from)?,
            newest.map(|life| life.cert),
            log_time,
            registry.clone(),
        )?;
        let cert = keys.current_cert().clone();
        let key_manager = start(keys, &shared);

        let accounts = Accounts::open(
            settings::accounts(config),
            Arc::clone(clock),
            storage.clone(),
            key_manager.clone(),
            registry.clone(),
            cert_reader.clone(),
        )
        .await?;
        let home_servers = HomeServers::new(
            settings::federation(config),
            Arc::clone(clock),
            Arc::new(SystemNames),
        )?;
        let key_packages = KeyPackagePool::new(
            settings::key_packages(config),
            Arc::clone(clock),
            storage.clone(),
            cert_reader.clone(),
        );
        let owners = Self {
            accounts: start(accounts, &thread(&mut threads)),
            home_servers: start(home_servers, &thread(&mut threads)),
            key_manager,
            key_packages: start(key_packages, &thread(&mut threads)),
            registry,
            cert_reader,
            cert,
            threads,
        };
        if is_first_start {
            let cert = owners.cert.clone();
            owners.registry.send(AppendServerCert { cert }).await??;
        }
        Ok(owners)
    }
}

/// A thread for actors.
fn thread(threads: &mut Vec<Arbiter>) -> ArbiterHandle {
    let thread = Arbiter::new();
    let handle = thread.handle();
    threads.push(thread);
    handle
}

/// Starts an actor on a thread.
fn start<A>(actor: A, thread: &ArbiterHandle) -> Addr<A>
where
    A: actix::Actor<Context = Context<A>> + Send,
{
    A::start_in_arbiter(thread, move |_| actor)
}
