//! The readers of one HTTP worker. A message to an actor on the same thread costs a fifth of one to
//! another thread (docs/performance.md).

use actix::{Actor as _, Addr};
use antiphon_actors::accounts::UserReader;
use antiphon_actors::cert_registry::CertReader;

/// Where lookups go.
#[derive(Debug)]
pub(super) struct Readers {
    pub(super) certs: Addr<CertReader>,
    pub(super) users: Addr<UserReader>,
}

impl Readers {
    /// Starts readers on this thread.
    pub(super) fn start(certs: CertReader, users: UserReader) -> Self {
        Self {
            certs: certs.start(),
            users: users.start(),
        }
    }
}
