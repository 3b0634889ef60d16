//! The CertRegistry: the log of every ID-Cert and of every end of a session, and who was in force
//! at any second of it.
//!
//! The log only grows. Each entry carries a sequence number, a logging time that never goes back
//! even if the clock does, and the hash of the entry before. Everything else the registry keeps is
//! derived from the log and written with it in one commit.
//!
//! It is the single writer: whether a session ID is taken is decided here. That no serial number is
//! drawn twice is the KeyManager's care; refused are only those in entries of version 1, from before
//! it took that care. Lookups see only what is on disk, so nobody is told of a certificate that a
//! power cut could still take back.

mod answer;
mod certs_read;
mod error;
mod export;
mod messages;
mod new_event;
mod reader;
mod rebuild;
mod sample;
mod server_timeline;
mod shown;
mod store;
#[cfg(test)]
mod tests;
mod timelines;
mod verify;

use std::sync::Arc;

use actix::{Actor, Context, Handler};
use antiphon_protocol::{SerialNumber, Timestamp};

use answer::Answer;
use certs_read::CertsRead;
pub use error::RegistryError;
pub use export::{ExportEnd, Exported, export};
pub use messages::{
    AppendServerCert, EndSession, Event, InForce, LiveCert, LiveCertOf, LiveSession, Logged,
    NewestEntry, OpenSession, PresentCert, RenewSession, ServerCertInForce, ServerCertLife,
    ServerCerts, SessionCertsInForce, SessionLife, SessionRef, SessionRider, SignInWithCert,
    Standing,
};
use new_event::NewEvent;
pub use reader::CertReader;
use reader::Durable;
pub(crate) use rebuild::{check_entries, rebuild_indexes};
use sample::Sample;
use server_timeline::ServerTimeline;
use store::{Head, Store};
use timelines::Timelines;
pub(crate) use verify::verify;

use crate::clock::SharedClock;
use crate::storage::{Storage, WriteSet};

/// How much of what is allowed for caches timelines get: this many parts of [`PARTS`].
const TIMELINES: u64 = 6;
const PARTS: u64 = 8;

/// The actor. See the module.
#[derive(Debug)]
pub struct CertRegistry {
    store: Store,
    clock: SharedClock,
    /// The newest entry written.
    head: Head,
    /// The newest entry on disk.
    durable: Durable,
    /// Whether serial numbers are indexed. None have been since data format 3, and what changes the index
    /// has the data directory for itself.
    has_serial_numbers: bool,
    /// What readers keep of users. The registry notes there whom a new entry is about.
    timelines: Arc<Timelines>,
    /// The same of the server's own certificates.
    server: Arc<ServerTimeline>,
    /// What readers have read of the log.
    certs_read: Arc<CertsRead>,
}

impl CertRegistry {
    /// Reads the end of the log in `storage`.
    pub fn open(storage: Storage, clock: SharedClock) -> Result<Self, RegistryError> {
        let slots = storage.slots();
        let store = Store::new(storage);
        let head = store.head()?;
        if clock.now() < head.at {
            tracing::warn!(
                clock = clock.now().as_secs(),
                log = head.at.as_secs(),
                "the clock is behind the log: until it catches up, time stands still in the log"
            );
        }
        let sample = Arc::new(Sample::default());
        let timelines_bytes = store.cache_bytes() / PARTS * TIMELINES;
        Ok(Self {
            has_serial_numbers: store.has_serial_numbers()?,
            store,
            timelines: Arc::new(Timelines::new(timelines_bytes, Arc::clone(&sample))),
            certs_read: Arc::new(CertsRead::new(slots, sample)),
            server: Arc::default(),
            clock,
            durable: Durable::new(head.clone()),
            head,
        })
    }

    /// A reader of what is on disk, now and later.
    pub fn reader(&self) -> CertReader {
        CertReader {
            store: self.store.clone(),
            clock: self.clock.clone(),
            durable: self.durable.clone(),
            timelines: Arc::clone(&self.timelines),
            certs_read: Arc::clone(&self.certs_read),
            server: Arc::clone(&self.server),
        }
    }

    /// The newest server certificate, if the log has one, with its logging time.
    pub fn newest_server_cert(&self) -> Result<Option<ServerCertLife>, RegistryError> {
        Ok(self.store.server_certs(self.newest())?.pop())
    }

    /// The time of the newest entry.
    pub fn log_time(&self) -> Timestamp {
        self.head.at
    }

    /// "Now" for lookups: never before the newest entry.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.durable.newest().1)
    }

    /// The newest entry that lookups see.
    fn newest(&self) -> u64 {
        self.durable.newest().0
    }

    /// Appends an event, with whatever else is part of the operation, and answers when it is on
    /// disk. It is logged no earlier than at `no_earlier`.
    fn append(&mut self, new: NewEvent, no_earlier: Timestamp, rider: WriteSet) -> Answer<Logged> {
        self.append_and_tell(new, no_earlier, rider, |at| Logged { at })
    }

    /// The same; what is answered depends on when it was logged.
    fn append_and_tell<T>(
        &mut self,
        new: NewEvent,
        no_earlier: Timestamp,
        rider: WriteSet,
        tell: impl FnOnce(Timestamp) -> T,
    ) -> Answer<T> {
        // The first certificate is in force from its first second on, also if the clock has moved
        // since it was signed.
        let at = match self.head.sequence {
            0 => no_earlier,
            _ => self.clock.now().max(self.head.at).max(no_earlier),
        };
        let session = new.event.session();
        let (mut writes, head) = match self.store.append(&self.head, at, new) {
            Ok(appended) => appended,
            Err(error) => return Answer::refused(error),
        };
        writes.append(rider);
        self.head = head.clone();
        match session {
            Some(SessionRef { user, .. }) => self.timelines.note(user, head.sequence),
            None => self.server.note(head.sequence),
        }
        let told = tell(head.at);
        let entry = Some((self.durable.clone(), head));
        Answer::once_durable(self.store.clone(), writes, entry, told)
    }

    /// Refuses a serial number that the node has used before, among those that are indexed.
    fn check_serial_number(&self, serial: Option<SerialNumber>) -> Result<(), RegistryError> {
        if self.has_serial_numbers {
            self.store.check_serial_number(serial)?;
        }
        Ok(())
    }
}

impl Actor for CertRegistry {
    type Context = Context<Self>;
}

impl Handler<AppendServerCert> for CertRegistry {
    type Result = Answer<Logged>;

    fn handle(&mut self, message: AppendServerCert, _: &mut Context<Self>) -> Self::Result {
        let AppendServerCert { cert } = message;
        match self.check_serial_number(cert.serial_number()) {
            Ok(()) => {
                let not_before = cert.validity().not_before;
                self.append(NewEvent::server_cert(&cert), not_before, WriteSet::new())
            }
            Err(error) => Answer::refused(error),
        }
    }
}

impl Handler<OpenSession> for CertRegistry {
    type Result = Answer<Logged>;

    fn handle(&mut self, message: OpenSession, _: &mut Context<Self>) -> Self::Result {
        let OpenSession {
            session,
            cert,
            rider,
        } = message;
        let checked = self
            .check_serial_number(cert.serial_number())
            .and_then(|()| self.store.check_may_begin(session, cert.session_id()));
        match checked {
            Ok(last) => {
                let not_before = cert.validity().not_before;
                let new = NewEvent::session_cert(session, &cert, last);
                self.append(new, not_before, rider)
            }
            Err(error) => Answer::refused(error),
        }
    }
}

impl Handler<RenewSession> for CertRegistry {
    type Result = Answer<Logged>;

    fn handle(&mut self, message: RenewSession, _: &mut Context<Self>) -> Self::Result {
        let RenewSession { session, cert } = message;
        let checked = self
            .check_serial_number(cert.serial_number())
            .and_then(|()| self.store.check_is_live(session));
        match checked {
            Ok(last) => {
                let not_before = cert.validity().not_before;
                let new = NewEvent::session_cert(session, &cert, last);
                self.append(new, not_before, WriteSet::new())
            }
            Err(error) => Answer::refused(error),
        }
    }
}

impl Handler<EndSession> for CertRegistry {
    type Result = Answer<Logged>;

    fn handle(&mut self, message: EndSession, _: &mut Context<Self>) -> Self::Result {
        let EndSession { session, rider } = message;
        let live = self.store.check_is_live(session);
        match live.and_then(|last| Ok((last, (rider.0)(session)?))) {
            Ok((last, rider)) => {
                self.append(NewEvent::session_ended(session, last), self.head.at, rider)
            }
            Err(error) => Answer::refused(error),
        }
    }
}

impl Handler<NewestEntry> for CertRegistry {
    type Result = u64;

    fn handle(&mut self, _: NewestEntry, _: &mut Context<Self>) -> Self::Result {
        self.newest()
    }
}

impl Handler<LiveSession> for CertRegistry {
    type Result = Result<SessionRef, RegistryError>;

    fn handle(&mut self, message: LiveSession, _: &mut Context<Self>) -> Self::Result {
        self.store
            .live_session(message.user, &message.session_id)?
            .ok_or(RegistryError::NoSuchSession)
    }
}

impl Handler<ServerCerts> for CertRegistry {
    type Result = Result<Vec<ServerCertLife>, RegistryError>;

    fn handle(&mut self, _: ServerCerts, _: &mut Context<Self>) -> Self::Result {
        self.store.server_certs(self.newest())
    }
}
