//! What the KeyManager can be asked.

use actix::Message;
use antiphon_protocol::{ActorCert, PrivateKey, ServerCert, VerifiedCsr};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::KeyError;
use crate::cert_registry::SessionRef;
use crate::storage::WriteSet;

/// Makes a new server key and logs its certificate. N of these at once make N keys, each answered
/// with its own certificate. May wait for the next second.
#[derive(Debug, Message)]
#[rtype(result = "Result<ServerCert, KeyError>")]
pub struct RotateServerKey;

/// The same, in the place of the key of this certificate; where that has been rotated already, the
/// answer is the certificate after it.
#[derive(Debug, Message)]
#[rtype(result = "Result<ServerCert, KeyError>")]
pub struct ReplaceServerKey {
    /// The certificate.
    pub cert: ServerCert,
}

/// The current key, to be sealed for a backup, and its certificate.
#[derive(Debug, Message)]
#[rtype(result = "Result<(ServerCert, HeldKey), KeyError>")]
pub struct HoldKey;

/// A key that leaves its owner's hands only encrypted.
pub struct HeldKey(pub(super) Zeroizing<String>);

impl HeldKey {
    /// The key encrypted with a passphrase: PKCS#8 in PEM, PBES2 with scrypt and AES-256-CBC.
    pub async fn seal(self, passphrase: Zeroizing<String>) -> Result<String, KeyError> {
        // Making a key of the passphrase takes long, on purpose.
        let sealing = tokio::task::spawn_blocking(move || {
            let key = PrivateKey::from_pkcs8_pem(&self.0)?;
            key.to_encrypted_pkcs8_pem(&passphrase, &mut OsRng)
        });
        Ok(sealing.await.map_err(|_| KeyError::Stopped)??)
    }
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
