//! What the KeyManager can be asked.

use actix::Message;
use antiphon_protocol::{ActorCert, ServerCert, VerifiedCsr};

use zeroize::Zeroizing;

use super::KeyError;
use crate::cert_registry::SessionRef;
use crate::storage::WriteSet;

/// Makes a new server key and logs its certificate. N of these at once make N keys, each answered
/// with its own certificate. May wait for the next second.
#[derive(Debug, Message)]
#[rtype(result = "Result<ServerCert, KeyError>")]
pub struct RotateServerKey;

/// The current key, encrypted for a backup (PKCS#8 in PEM, PBES2 with scrypt and AES-256-CBC), and
/// its certificate.
#[derive(Message)]
#[rtype(result = "Result<(ServerCert, String), KeyError>")]
pub struct SealKey {
    /// With what.
    pub passphrase: Zeroizing<String>,
}

/// Signs a session's certificate and logs it.
#[derive(Debug, Message)]
#[rtype(result = "Result<ActorCert, KeyError>")]
pub struct CertifySession {
    /// What is asked for, by whom.
    pub csr: VerifiedCsr,
    /// The session.
    pub session: SessionRef,
    /// Whether it begins with this.
    pub purpose: Purpose,
}

/// What a session's certificate is for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// The session begins.
    Open {
        /// What else is part of the operation.
        rider: WriteSet,
    },
    /// The session goes on with another certificate.
    Renew,
}
