//! A node: its start and its stop.

mod error;
mod owners;
mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actix_web::dev::ServerHandle;
use antiphon_actors::accounts::UserReader;
use antiphon_actors::clock::SharedClock;
use antiphon_actors::key_manager::ReplaceServerKey;
use antiphon_actors::storage::{DataDir, Storage};
use antiphon_actors::workers::Workers;
use antiphon_protocol::ServerCert;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control;
use crate::http::{self, Bodies, Doors};
use crate::store;
use crate::tls::Tls;

pub use error::NodeError;
use owners::Owners;

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
    threads: Vec<Arbiter>,
    storage: Storage,
    // Dropped last: the lock is held until everything else is closed.
    data_dir: Arc<DataDir>,
}

impl Node {
    /// Starts a node; it answers once this returns. To be called within an actix system.
    pub async fn start(config: &Config, clock: SharedClock) -> Result<Self, NodeError> {
        // What needs no data comes first: a mistake here must leave nothing behind.
        let tls = config.listen.tls.as_ref().map(Tls::read).transpose()?;
        if let Some(ended) = tls.as_ref().and_then(|tls| tls.ended(clock.now())) {
            let ended = ended.to_utc();
            tracing::warn!(ended, "the TLS certificate has ended: nobody will connect");
        }
        let bound =
            http::bind(config.listen.address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(listening_on(config.listen.address))?;

        // The data directory is for this process alone. Whoever asks from here on waits for the end of
        // the start; operators first, since who finds the port open gives orders.
        let data_dir = Arc::new(DataDir::open(&config.data_dir, &config.domain)?);
        let operators = control::Socket::listen(&data_dir.control_socket());
        let operators = operators.map_err(NodeError::Control)?;
        let listener = http::listen(socket).map_err(listening_on(address))?;

        let storage = store::open(&data_dir, config, &*clock).await?;
        let owners = Owners::start(config, &clock, &data_dir, &storage).await?;
        data_dir.stamp(&config.domain)?;
        let mut cert = owners.cert;
        if cert.validity().not_after < clock.now() {
            let ended = ReplaceServerKey { cert };
            cert = owners.key_manager.send(ended).await??;
        }

        let doors = Doors {
            accounts: owners.accounts,
            home_servers: owners.home_servers,
            key_manager: owners.key_manager,
            key_packages: owners.key_packages,
            registry: owners.registry,
            cert_reader: owners.cert_reader,
            user_reader: UserReader::new(storage.clone(), Arc::clone(&clock)),
            storage: storage.clone(),
            workers: Workers::on_all_cores(CHECKS_WAITING),
            clock,
            domain: config.domain.clone(),
            bodies: Bodies::new(config.body_bytes),
        };
        let control = operators.open(doors.clone());
        let server = http::server(listener, tls.map(|tls| tls.config), doors.clone())
            .map_err(listening_on(address))?;
        Ok(Self {
            address,
            cert,
            doors,
            server: server.handle(),
            serving: tokio::task::spawn(server),
            control,
            threads: owners.threads,
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
            threads,
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
            for thread in threads {
                thread.stop();
                if thread.join().is_err() {
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

fn listening_on(address: SocketAddr) -> impl FnOnce(std::io::Error) -> NodeError {
    move |error| NodeError::Listen { address, error }
}
