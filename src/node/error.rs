//! Why a node does not start.

use std::net::SocketAddr;

use actix::MailboxError;
use antiphon_actors::accounts::AccountsError;
use antiphon_actors::cert_registry::RegistryError;
use antiphon_actors::key_manager::{KeyError, StartError};
use antiphon_actors::storage::DataDirError;

use crate::store::StoreError;
use crate::tls::TlsError;

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
