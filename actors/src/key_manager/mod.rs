//! The KeyManager: the server's identity key, its rotation, and the signing of ID-Certs.
//!
//! What it guarantees: the server certificate in force at a session certificate's notBefore is the
//! one whose key signed it. So
//!
//! - a session certificate's notBefore is never before the logging time of the server certificate
//!   that signs it, and
//! - a rotation is never logged in a second in which the key that it retires has signed. It waits
//!   for the next second, and signing meanwhile keeps its notBefore out of that next second, so
//!   that a busy node still gets to rotate.
//!
//! The private key is on disk before any certificate that needs it, and is destroyed once its
//! successor's certificate is logged: what it signed stays verifiable with its certificate.

mod error;
mod messages;
mod rotation;
mod serials;
mod store;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::VecDeque;
use std::path::Path;

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, ResponseFuture, SpawnHandle};
use antiphon_protocol::issue;
use antiphon_protocol::{
    ActorCert, Domain, KeyAlgorithm, PrivateKey, ServerCert, Timestamp, Validity, VerifiedCsr,
};
use rand_core::OsRng;
use tokio::sync::oneshot;

pub use error::{KeyError, StartError};
pub use messages::{CertifySession, HeldKey, HoldKey, Purpose, ReplaceServerKey, RotateServerKey};
pub use serials::Serials;
pub(crate) use serials::verify as verify_serials;
use store::KeyFiles;
pub(crate) use verify::verify;

use crate::cert_registry::{self, CertRegistry, RegistryError};
use crate::clock::SharedClock;

/// Before this program was there (2025-01-01), no clock that says the truth has seen a node's first start.
const EARLIEST: Timestamp = Timestamp::from_secs(1_735_689_600);

/// What the operator chooses about keys and certificates.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's domain.
    pub domain: Domain,
    /// The kind of the keys made from now on.
    pub algorithm: KeyAlgorithm,
    /// How long a server certificate is valid, in days.
    pub server_cert_days: u64,
    /// How long a session certificate is valid at most, in days.
    pub session_cert_days: u64,
}

/// The actor. See the module.
#[derive(Debug)]
pub struct KeyManager {
    settings: Settings,
    clock: SharedClock,
    registry: Addr<CertRegistry>,
    files: KeyFiles,
    serials: Serials,
    current: Identity,
    /// The latest notBefore given to anybody: time does not go back behind it.
    last_not_before: Timestamp,
    /// Whether `current` has signed a session certificate with that notBefore.
    has_signed: bool,
    /// Those who wait for a rotation, in order.
    waiting: VecDeque<Waiting>,
    /// The second that belongs to the rotation that waits for it.
    reserved: Option<Timestamp>,
    /// The timer of the next rotation that nobody asked for.
    next_rotation: Option<SpawnHandle>,
}

/// Somebody who waits for a rotation.
#[derive(Debug)]
struct Waiting {
    asker: oneshot::Sender<Result<ServerCert, KeyError>>,
    /// The certificate that is to be replaced, if not whichever is current.
    instead_of: Option<ServerCert>,
}

/// A server key with its certificate.
#[derive(Debug)]
struct Identity {
    key: PrivateKey,
    cert: ServerCert,
}

impl KeyManager {
    /// Takes up the server's identity: the key in `directory` that goes with `newest`, the newest
    /// server certificate of a log that ends at `log_time`; or a new one for an empty log. A key
    /// that is missing, unreadable or does not match is an error; no new one is ever made in its
    /// place.
    pub fn open(
        settings: Settings,
        clock: SharedClock,
        directory: &Path,
        mut serials: Serials,
        newest: Option<ServerCert>,
        log_time: Timestamp,
        registry: Addr<CertRegistry>,
    ) -> Result<Self, StartError> {
        let files = KeyFiles::new(directory);
        // Whether the newest entries were signed by the newest key is not worth looking up.
        let has_signed = newest.is_some();
        let current = match newest {
            Some(cert) if *cert.domain() != settings.domain => {
                return Err(StartError::OtherDomain(cert.domain().clone()));
            }
            Some(cert) => {
                let key = files.read(cert.public_key())?;
                files.remove_all_but(cert.public_key())?;
                Identity { key, cert }
            }
            None if clock.now() < EARLIEST => {
                return Err(StartError::ClockUnset(clock.now()));
            }
            None => make_identity(&settings, &files, &mut serials, clock.now())?,
        };
        Ok(Self {
            settings,
            clock,
            registry,
            files,
            serials,
            last_not_before: log_time.max(current.cert.validity().not_before),
            current,
            has_signed,
            waiting: VecDeque::new(),
            reserved: None,
            next_rotation: None,
        })
    }

    /// The certificate of the key that signs, which on the first start is not logged yet.
    pub fn current_cert(&self) -> &ServerCert {
        &self.current.cert
    }

    /// The notBefore of a session certificate signed now.
    fn not_before(&self) -> Timestamp {
        let now = self.clock.now().max(self.last_not_before);
        match self.reserved {
            Some(reserved) => now.min(reserved.minus_secs(1)),
            None => now,
        }
    }

    /// Whether the current certificate has ended, as when the clock was just set past its end.
    fn has_ended(&self) -> bool {
        self.current.cert.validity().not_after < self.not_before()
    }

    fn sign(&mut self, csr: &VerifiedCsr) -> Result<ActorCert, KeyError> {
        let not_before = self.not_before();
        let issuer = &self.current.cert;
        let not_after = not_before.plus_secs(self.settings.session_cert_days * Timestamp::DAY);
        let validity = Validity {
            not_before,
            not_after: not_after.min(issuer.validity().not_after),
        };
        let serial_number = self.serials.draw().ok_or(KeyError::NoSerialNumber)?;
        let cert = issue::actor_cert(&self.current.key, issuer, csr, serial_number, validity)?;
        self.last_not_before = not_before;
        self.has_signed = true;
        Ok(cert)
    }
}

/// Keeps a key from elsewhere in `directory`; it is on disk when this returns.
pub(crate) fn keep_key(directory: &Path, key: &PrivateKey) -> Result<(), KeyError> {
    KeyFiles::new(directory).write(key)
}

/// Makes a key, keeps it, and certifies it from `now` on.
fn make_identity(
    settings: &Settings,
    files: &KeyFiles,
    serials: &mut Serials,
    now: Timestamp,
) -> Result<Identity, KeyError> {
    let key = PrivateKey::generate(settings.algorithm, &mut OsRng);
    files.write(&key)?;
    let validity = Validity {
        not_before: now,
        not_after: now.plus_secs(settings.server_cert_days * Timestamp::DAY),
    };
    let serial_number = serials.draw().ok_or(KeyError::NoSerialNumber)?;
    let cert = issue::server_cert(&key, &settings.domain, serial_number, validity)?;
    Ok(Identity { key, cert })
}

impl Actor for KeyManager {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.schedule_rotation(context);
    }
}

impl Handler<CertifySession> for KeyManager {
    type Result = ResponseFuture<Result<ActorCert, KeyError>>;

    fn handle(&mut self, message: CertifySession, context: &mut Context<Self>) -> Self::Result {
        let myself = context.address();
        if self.has_ended() {
            let ended = Some(self.current.cert.clone());
            let replaced = self.wait_for_rotation(ended, context);
            return Box::pin(async move {
                replaced.await?;
                myself.send(message).await?
            });
        }
        let CertifySession {
            csr,
            session,
            purpose,
        } = message;
        let cert = match self.sign(&csr) {
            Ok(cert) => cert,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let registry = self.registry.clone();
        Box::pin(async move {
            let again = purpose.clone();
            let logged = match purpose {
                Purpose::Open { rider } => {
                    let cert = cert.clone();
                    let open = cert_registry::OpenSession {
                        session,
                        cert,
                        rider,
                    };
                    registry.send(open).await
                }
                Purpose::Renew => {
                    let cert = cert.clone();
                    registry
                        .send(cert_registry::RenewSession { session, cert })
                        .await
                }
            };
            match logged? {
                Ok(_) => Ok(cert),
                // By a certificate from before serial numbers were drawn like this: one chance in
                // 2^63 for each of them. The next draw is another number.
                Err(RegistryError::SerialNumberTaken) => {
                    let message = CertifySession {
                        csr,
                        session,
                        purpose: again,
                    };
                    myself.send(message).await?
                }
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl Handler<HoldKey> for KeyManager {
    type Result = Result<(ServerCert, HeldKey), KeyError>;

    fn handle(&mut self, _: HoldKey, _: &mut Context<Self>) -> Self::Result {
        let Identity { key, cert } = &self.current;
        Ok((cert.clone(), HeldKey(key.to_pkcs8_pem()?)))
    }
}

impl Handler<RotateServerKey> for KeyManager {
    type Result = ResponseFuture<Result<ServerCert, KeyError>>;

    fn handle(&mut self, _: RotateServerKey, context: &mut Context<Self>) -> Self::Result {
        self.wait_for_rotation(None, context)
    }
}

impl Handler<ReplaceServerKey> for KeyManager {
    type Result = ResponseFuture<Result<ServerCert, KeyError>>;

    fn handle(&mut self, message: ReplaceServerKey, context: &mut Context<Self>) -> Self::Result {
        self.wait_for_rotation(Some(message.cert), context)
    }
}
