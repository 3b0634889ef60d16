//! A node: its start and its stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter, ArbiterHandle, Context, MailboxError};
use actix_web::dev::ServerHandle;
use antiphon_actors::accounts::{self, Accounts, AccountsError, UserReader};
use antiphon_actors::cert_registry::{AppendServerCert, CertRegistry, RegistryError};
use antiphon_actors::clock::SharedClock;
use antiphon_actors::home_servers::{self, HomeServers, SystemNames};
use antiphon_actors::key_manager::{
    self, KeyError, KeyManager, ReplaceServerKey, Serials, StartError,
};
use antiphon_actors::key_package_pool::{self, KeyPackagePool};
use antiphon_actors::storage::{DataDir, DataDirError, Storage};
use antiphon_actors::workers::Workers;
use antiphon_protocol::ServerCert;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control;
use crate::http::{self, Doors};
use crate::store::{self, StoreError};
use crate::tls::{self, TlsError};

/// How many requests may wait to have their KeyPackages checked. A hundred packages take about
/// 60 ms, so this is a wait of a few seconds.
const CHECKS_WAITING: usize = 128;

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its identity.
    pub cert: ServerCert,
    doors: Doors,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    control: control::Server,
    arbiters: Vec<Arbiter>,
    storage: Storage,
    // Dropped last: the lock is held until everything else is closed.
    data_dir: Arc<DataDir>,
}

/// Why a node could not start. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server's identity.
    #[error(transparent)]
    Identity(#[from] StartError),
    /// The key of a certificate that has ended could not be rotated.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The HTTP client with which other nodes are asked.
    #[error("other servers cannot be asked: {0}")]
    HomeServers(#[from] reqwest::Error),
    /// An actor ended while the node started.
    #[error("a part of the node ended while it started")]
    Mailbox(#[from] MailboxError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The operator's socket.
    #[error("cannot make the control socket: {0}")]
    Control(std::io::Error),
}

impl Node {
    /// Starts a node; it answers once this returns. To be called within an actix system.
    pub async fn start(config: &Config, clock: SharedClock) -> Result<Self, NodeError> {
        // 1. What needs no data: a mistake here must leave nothing behind.
        let tls = config
            .listen
            .tls
            .as_ref()
            .map(tls::server_config)
            .transpose()?;
        let address = config.listen.address;
        let listening = |error| NodeError::Listen { address, error };
        let socket = http::bind(address).map_err(listening)?;
        let address = socket.local_addr().map_err(listening)?;

        // 2. The data directory, for this process alone, and the store in it. Whoever asks from here
        // on waits for the end of the start; operators first, since who finds the port open gives
        // orders.
        let data_dir = Arc::new(DataDir::open(&config.data_dir, &config.domain)?);
        let operators = control::Socket::listen(&data_dir.control_socket());
        let operators = operators.map_err(NodeError::Control)?;
        let listener = http::listen(socket).map_err(listening_on(address))?;
        let storage = store::open(&data_dir, config, &*clock).await?;

        // 3. The owners, from the log upwards.
        let mut arbiters = Vec::new();
        let log = CertRegistry::open(storage.clone(), Arc::clone(&clock))?;
        let (newest, log_time) = (log.newest_server_cert()?, log.log_time());
        let is_first_start = newest.is_none();
        let cert_reader = log.reader();
        // Log and keys share a thread: each certificate goes through both, one after the other.
        let owners = arbiter(&mut arbiters);
        let registry = start(log, &owners);
        let keys = KeyManager::open(
            key_settings(config),
            Arc::clone(&clock),
            &data_dir.keys(),
            Serials::begin(&storage, &*clock)
                .await
                .map_err(StoreError::from)?,
            newest.map(|life| life.cert),
            log_time,
            registry.clone(),
        )?;
        let mut cert = keys.current_cert().clone();
        let key_manager = start(keys, &owners);
        let accounts = Accounts::open(
            account_settings(config),
            Arc::clone(&clock),
            storage.clone(),
            key_manager.clone(),
            registry.clone(),
            cert_reader.clone(),
        )
        .await?;
        let accounts = start(accounts, &arbiter(&mut arbiters));
        let homes = HomeServers::new(
            federation_settings(config),
            Arc::clone(&clock),
            Arc::new(SystemNames),
        )?;
        let home_servers = start(homes, &arbiter(&mut arbiters));

        let pool = KeyPackagePool::new(
            key_package_settings(config),
            Arc::clone(&clock),
            storage.clone(),
            cert_reader.clone(),
        );
        let key_packages = start(pool, &arbiter(&mut arbiters));

        // 4. An identity that is in force: logged, if it is new, and rotated, if it has ended.
        if is_first_start {
            registry
                .send(AppendServerCert { cert: cert.clone() })
                .await??;
        }
        data_dir.stamp(&config.domain)?;
        if cert.validity().not_after < clock.now() {
            cert = key_manager.send(ReplaceServerKey { cert }).await??;
        }

        // 5. The doors.
        let doors = Doors {
            accounts,
            home_servers,
            key_manager,
            key_packages,
            registry,
            cert_reader,
            user_reader: UserReader::new(storage.clone(), Arc::clone(&clock)),
            storage: storage.clone(),
            workers: Workers::on_all_cores(CHECKS_WAITING),
            clock,
            domain: config.domain.clone(),
            body_bytes: config.body_bytes,
        };
        let control = operators.open(doors.clone());
        let server = http::server(listener, tls, doors.clone()).map_err(listening_on(address))?;
        let handle = server.handle();
        Ok(Self {
            address,
            cert,
            doors,
            server: handle,
            serving: tokio::task::spawn(server),
            control,
            arbiters,
            storage,
            data_dir,
        })
    }

    /// Completes when the node can serve no longer: its server or one of its owners has ended,
    /// which none of them does by itself. Whoever watches over the process starts it again.
    pub async fn failed(&mut self) -> std::io::Error {
        let doors = &self.doors;
        tokio::select! {
            ended = &mut self.serving => match ended {
                Ok(Ok(())) => std::io::Error::other("the server ended"),
                Ok(Err(error)) => error,
                Err(error) => std::io::Error::other(error),
            },
            () = owner_ended(doors) => std::io::Error::other("a part of the node has ended"),
        }
    }

    /// Stops accepting, finishes what is in flight, closes the store.
    pub async fn stop(self) {
        let Self {
            doors,
            server,
            serving,
            control,
            arbiters,
            storage,
            data_dir,
            ..
        } = self;
        server.stop(true).await;
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server did not close well");
        }
        control.stop().await;
        drop(doors);
        let closing = tokio::task::spawn_blocking(move || {
            for arbiter in arbiters {
                arbiter.stop();
                if arbiter.join().is_err() {
                    tracing::error!("an actor ended in a panic");
                }
            }
            if let Err(error) = storage.close() {
                tracing::error!(%error, "the store did not close well; the next start looks closer");
            }
            drop(data_dir);
        });
        if let Err(error) = closing.await {
            tracing::error!(%error, "the node did not close well");
        }
    }
}

/// Completes when an actor is gone. There is no event to wait for, so it looks every second.
async fn owner_ended(doors: &Doors) {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    while doors.accounts.connected()
        && doors.home_servers.connected()
        && doors.key_manager.connected()
        && doors.key_packages.connected()
        && doors.registry.connected()
    {
        look.tick().await;
    }
}

/// A thread for actors.
fn arbiter(arbiters: &mut Vec<Arbiter>) -> ArbiterHandle {
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    arbiters.push(arbiter);
    handle
}

/// Starts an actor on a thread.
fn start<A>(actor: A, thread: &ArbiterHandle) -> Addr<A>
where
    A: actix::Actor<Context = Context<A>> + Send,
{
    A::start_in_arbiter(thread, move |_| actor)
}

fn listening_on(address: SocketAddr) -> impl FnOnce(std::io::Error) -> NodeError {
    move |error| NodeError::Listen { address, error }
}

fn key_settings(config: &Config) -> key_manager::Settings {
    key_manager::Settings {
        domain: config.domain.clone(),
        algorithm: config.identity.algorithm,
        server_cert_days: config.identity.server_cert_days,
        session_cert_days: config.identity.session_cert_days,
    }
}

fn account_settings(config: &Config) -> accounts::Settings {
    accounts::Settings {
        domain: config.domain.clone(),
        registration: config.registration,
        token_days: config.token_days,
    }
}

fn federation_settings(config: &Config) -> home_servers::Settings {
    let federation = config.federation.clone();
    home_servers::Settings {
        enabled: federation.enabled,
        allow_private_addresses: federation.allow_private_addresses,
        cache_seconds: federation.cache_seconds,
        block: federation.block.into_iter().collect(),
        allow: federation.allow.into_iter().collect(),
        hosts: federation.hosts,
        https_port: 443,
    }
}

fn key_package_settings(config: &Config) -> key_package_pool::Settings {
    key_package_pool::Settings {
        per_client: config.key_packages.per_client,
        claims_per_minute: config.key_packages.claims_per_minute,
    }
}
