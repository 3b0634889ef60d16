//! Lookups where they are asked: a reader on each HTTP worker, so that an answer costs no other
//! thread's time. It owns nothing; who makes an entry durable tells it how far it may see, the registry which of the
//! timelines that readers share are out of date.

use std::sync::{Arc, PoisonError, RwLock};

use actix::{Actor, Context, Handler};
use antiphon_protocol::{ServerCert, SessionId, Snowflake, Timestamp};

use super::certs_read::CertsRead;
use super::server_timeline::ServerTimeline;
use super::store::{Head, Step, Store};
use super::timelines::{Timeline, Timelines};
use super::{
    InForce, LiveCert, LiveCertOf, RegistryError, ServerCertInForce, SessionCertsInForce,
    SessionLife, SessionRef,
};
use crate::clock::SharedClock;

/// How far ahead of the node's clock, in seconds, a lookup may ask and still mean "now".
const CLOCK_TOLERANCE: u64 = 60;

/// The newest entry on disk: what lookups see. Written by whoever has put it there ([`super::answer`]) alone.
#[derive(Debug, Clone)]
pub(super) struct Durable(Arc<RwLock<Head>>);

impl Durable {
    pub(super) fn new(head: Head) -> Self {
        Self(Arc::new(RwLock::new(head)))
    }

    /// Lets lookups see up to `head`, which comes after what they see: commits complete in order.
    pub(super) fn advance(&self, head: Head) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// The number and the logging time of the newest entry.
    pub(super) fn newest(&self) -> (u64, Timestamp) {
        let newest = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (newest.sequence, newest.at)
    }
}

/// What a lookup means.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// The second.
    at: Timestamp,
    /// The newest entry that it may see.
    newest: u64,
    /// Whether it asked for no second.
    is_now: bool,
    /// Whether all that will ever be logged up to that second can be seen.
    is_final: bool,
}

/// The actor. See the module.
#[derive(Debug, Clone)]
pub struct CertReader {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) durable: Durable,
    pub(super) timelines: Arc<Timelines>,
    pub(super) certs_read: Arc<CertsRead>,
    pub(super) server: Arc<ServerTimeline>,
}

impl CertReader {
    /// The sessions of a user that have a certificate in force now, in the order in which they were first
    /// seen, each with its entry in the log. The certificates themselves are not read.
    pub fn live_entries(&self, user: Snowflake) -> Result<Vec<(SessionRef, u64)>, RegistryError> {
        let Asked { at, newest, .. } = self.resolve(None)?;
        let steps = match self.timeline(user, newest)? {
            Some(timeline) => timeline.read()?.in_force(at)?,
            None => self.store.session_steps_in_force(user, at, newest)?,
        };
        let entries = steps.into_iter().map(|(session, step)| {
            let session = SessionRef { user, session };
            (session, step.sequence)
        });
        Ok(entries.collect())
    }

    /// The log entry of the certificate of one session in force now.
    pub fn live_entry_of(&self, session: SessionRef) -> Result<Option<u64>, RegistryError> {
        let Asked { at, newest, .. } = self.resolve(None)?;
        let at = at.as_secs();
        let step = self.store.newest_step(&session.key(), at, newest)?;
        let step = step.filter(|step| step.is_valid(at));
        Ok(step.map(|step| step.sequence))
    }

    /// All sessions of a user, with the certificate that each has now. For each that has ended a certificate is read,
    /// and there may be many: not for a thread on which others wait.
    pub fn sessions(&self, user: Snowflake) -> Result<Vec<SessionLife>, RegistryError> {
        let Asked { at, newest, .. } = self.resolve(None)?;
        self.store.sessions(user, at, newest)
    }

    /// The newest of a user's sessions, also one that has ended.
    pub fn newest_session(&self, user: Snowflake) -> Result<Option<Snowflake>, RegistryError> {
        self.store.newest_session(user)
    }

    /// Refuses a session with this ID where the user has no such one, and as many as a user may have. (Those who
    /// begin at the same time do not see each other: it is a limit to what others can do, and need not be exact.)
    pub fn check_room(&self, user: Snowflake, session_id: &SessionId) -> Result<(), RegistryError> {
        self.store.check_room(user, session_id)
    }

    /// The newest certificate of the server, on disk or about to be.
    pub fn newest_server_cert(&self) -> Result<Option<ServerCert>, RegistryError> {
        let lives = self.store.server_certs(u64::MAX)?;
        Ok(lives.into_iter().next_back().map(|life| life.cert))
    }

    /// The server's certificate in force.
    fn server_cert(&self, asked: Asked) -> Result<Option<Vec<u8>>, RegistryError> {
        let Asked { at, newest, .. } = asked;
        let recent = match self.server.get() {
            Some(recent) => recent,
            None => match self.store.recent_server_certs(newest)? {
                Some(recent) => self.server.keep(recent),
                None => return Ok(None),
            },
        };
        let Some(step) = recent.step_at(at) else {
            return self.store.server_cert_in_force(at, newest);
        };
        if !step.is_valid(at.as_secs()) {
            return Ok(None);
        }
        match recent.cert(step.sequence) {
            Some(der) => Ok(Some(der)),
            None => self.store.cert(step.sequence).map(Some),
        }
    }

    /// The certificates of a user's sessions in force.
    fn session_certs(&self, user: Snowflake, asked: Asked) -> Result<Vec<Vec<u8>>, RegistryError> {
        let Asked { at, newest, .. } = asked;
        let Some(timeline) = self.timeline(user, newest)? else {
            let steps = self.store.session_steps_in_force(user, at, newest)?;
            let sequences = steps.iter().map(|(_, step)| step.sequence);
            return sequences
                .map(|sequence| self.store.cert(sequence))
                .collect();
        };
        let told = timeline.read()?;
        let (mut certs, mut has_all) = (Vec::new(), true);
        for (_, Step { sequence, .. }) in told.in_force(at)? {
            let kept = self.timelines.cert(&told, sequence)?;
            has_all &= kept.is_some();
            let der = match kept {
                Some(der) => der,
                // What is in force now is kept in memory.
                None => self.certs_read.cert(&self.store, sequence, !asked.is_now)?,
            };
            certs.push((sequence, der));
        }
        // What is in force now is asked for again; of the past, each second is another question.
        if asked.is_now && !has_all {
            let certs = certs.iter().map(|(sequence, der)| (*sequence, &**der));
            self.timelines.keep_with_certs(user, &told, certs)?;
        }
        Ok(certs.into_iter().map(|(_, der)| der).collect())
    }

    /// The timeline of a user, which is kept from then on; none of one that is too long.
    fn timeline(&self, user: Snowflake, newest: u64) -> Result<Option<Timeline>, RegistryError> {
        if let Some(kept) = self.timelines.get(user) {
            return Ok(Some(kept));
        }
        let timeline = self.store.timeline(user, newest)?;
        Ok(timeline.inspect(|timeline| self.timelines.keep(user, timeline.clone())))
    }

    /// What a lookup means.
    fn resolve(&self, at: Option<Timestamp>) -> Result<Asked, RegistryError> {
        let (newest, logged) = self.durable.newest();
        // Never before the newest entry.
        let now = self.clock.now().max(logged);
        if at.is_some_and(|at| at > now.plus_secs(CLOCK_TOLERANCE)) {
            return Err(RegistryError::InFuture);
        }
        Ok(Asked {
            at: at.map_or(now, |at| at.min(now)),
            newest,
            is_now: at.is_none(),
            is_final: at.is_some_and(|at| at < logged),
        })
    }
}

impl Actor for CertReader {
    type Context = Context<Self>;
}

impl Handler<ServerCertInForce> for CertReader {
    type Result = Result<InForce<Vec<u8>>, RegistryError>;

    fn handle(&mut self, message: ServerCertInForce, _: &mut Context<Self>) -> Self::Result {
        let asked = self.resolve(message.at)?;
        let cert = self.server_cert(asked)?;
        Ok(InForce {
            certs: cert.ok_or(RegistryError::NoneInForce)?,
            is_final: asked.is_final,
        })
    }
}

impl Handler<SessionCertsInForce> for CertReader {
    type Result = Result<InForce<Vec<Vec<u8>>>, RegistryError>;

    fn handle(&mut self, message: SessionCertsInForce, _: &mut Context<Self>) -> Self::Result {
        let asked = self.resolve(message.at)?;
        Ok(InForce {
            certs: self.session_certs(message.user, asked)?,
            is_final: asked.is_final,
        })
    }
}

impl Handler<LiveCertOf> for CertReader {
    type Result = Result<Option<LiveCert>, RegistryError>;

    fn handle(&mut self, message: LiveCertOf, _: &mut Context<Self>) -> Self::Result {
        let Asked { at, newest, .. } = self.resolve(None)?;
        self.store.live_cert_of(message.session, at, newest)
    }
}
