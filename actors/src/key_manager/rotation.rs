//! Rotations, one after the other.

use std::time::Duration;

use actix::fut::{ActorStreamExt as _, LocalBoxActorFuture};
use actix::{
    ActorFutureExt as _, AsyncContext as _, AtomicResponse, Context, Handler, MailboxError,
    Message, ResponseFuture, WrapFuture as _, WrapStream as _,
};
use antiphon_protocol::{ServerCert, Timestamp};
use futures_util::stream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Identity, KeyError, KeyManager, ReplaceServerKey, Waiting, make_identity};
use crate::cert_registry::{AppendServerCert, Logged, RegistryError};

/// How long to wait, in seconds, before a rotation that nobody asked for is tried again.
const RETRY_AFTER: u64 = 60;

/// How long to wait for the next second before looking at the clock again: somebody may have set
/// it back.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// It is the turn of those who wait for a rotation.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Turn;

type Logging = Result<Result<Logged, RegistryError>, MailboxError>;

impl Handler<Turn> for KeyManager {
    /// Nothing else is handled, and so nothing signed, between the making of a key and the answer
    /// of the log.
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Turn, context: &mut Context<Self>) -> Self::Result {
        let earliest = self.earliest_rotation();
        // Where the log is ahead of a clock that was set back, waiting could take for ever, and
        // one second more ahead does no harm.
        let is_log_ahead = self.last_not_before > self.clock.now();
        if earliest > self.clock.now() && !is_log_ahead {
            self.reserved = Some(earliest);
            let reached = timeout(LOOK_AGAIN, self.clock.reached(earliest)).into_actor(self);
            context.spawn(reached.map(|_, _, context| context.notify(Turn)));
            return AtomicResponse::new(Box::pin(actix::fut::ready(())));
        }
        self.reserved = None;
        // A stream, since futures that hold the next one would nest as deep as many wait.
        let waiting = stream::iter(std::mem::take(&mut self.waiting)).into_actor(self);
        let rotated = waiting.then(|one, manager: &mut Self, _| manager.rotate_for(one));
        AtomicResponse::new(Box::pin(rotated.finish()))
    }
}

impl KeyManager {
    /// The first second in which a rotation may be logged: not one in which the current key has
    /// signed.
    fn earliest_rotation(&self) -> Timestamp {
        self.last_not_before.plus_secs(u64::from(self.has_signed))
    }

    /// The certificate after the next rotation, or after that of `instead_of`.
    pub(super) fn wait_for_rotation(
        &mut self,
        instead_of: Option<ServerCert>,
        context: &mut Context<Self>,
    ) -> ResponseFuture<Result<ServerCert, KeyError>> {
        let (asker, rotated) = oneshot::channel();
        self.waiting.push_back(Waiting { asker, instead_of });
        if self.reserved.is_none() {
            context.notify(Turn);
        }
        Box::pin(async move { rotated.await.map_err(|_| KeyError::Stopped)? })
    }

    /// Rotates, and answers who asked for it; whoever has stopped waiting does not need to know.
    fn rotate_for(&mut self, waiting: Waiting) -> LocalBoxActorFuture<Self, ()> {
        let Waiting { asker, instead_of } = waiting;
        let current = &self.current.cert;
        if instead_of.as_ref().is_some_and(|cert| cert != current) {
            let _ = asker.send(Ok(current.clone()));
            return Box::pin(actix::fut::ready(()));
        }
        let at = self.clock.now().max(self.earliest_rotation());
        let identity = match make_identity(&self.settings, &self.files, &mut self.serials, at) {
            Ok(identity) => identity,
            Err(error) => {
                let _ = asker.send(Err(error));
                return Box::pin(actix::fut::ready(()));
            }
        };
        let append = AppendServerCert {
            cert: identity.cert.clone(),
        };
        let logging = self.registry.send(append).into_actor(self);
        Box::pin(logging.then(move |logging: Logging, manager, context| {
            if matches!(logging, Ok(Err(RegistryError::SerialNumberTaken))) {
                return manager.rotate_for(Waiting { asker, instead_of });
            }
            let rotated = manager.finish_rotation(identity, logging, context);
            let _ = asker.send(rotated);
            Box::pin(actix::fut::ready(()))
        }))
    }

    fn finish_rotation(
        &mut self,
        identity: Identity,
        logging: Logging,
        context: &mut Context<Self>,
    ) -> Result<ServerCert, KeyError> {
        // A failed commit may be on disk all the same, so both keys stay; the next start knows
        // which of them is needed.
        let logged = logging??;
        let retired = std::mem::replace(&mut self.current, identity);
        self.last_not_before = logged.at;
        self.has_signed = false;
        self.schedule_rotation(context);
        if let Err(error) = self.files.remove(retired.cert.public_key()) {
            tracing::warn!(%error, "the retired private key could not be destroyed");
        }
        Ok(self.current.cert.clone())
    }

    /// Sees to it that the key rotates before its certificate ends: early enough for session
    /// certificates to get their full time, but not before two thirds of its own.
    pub(super) fn schedule_rotation(&mut self, context: &mut Context<Self>) {
        let server_cert_seconds = self.settings.server_cert_days * Timestamp::DAY;
        let session_cert_seconds = self.settings.session_cert_days * Timestamp::DAY;
        let lead = session_cert_seconds.min(server_cert_seconds / 3);
        let due = self.current.cert.validity().not_after.minus_secs(lead);
        self.rotate_at(due, context);
    }

    fn rotate_at(&mut self, due: Timestamp, context: &mut Context<Self>) {
        if let Some(earlier) = self.next_rotation.take() {
            context.cancel_future(earlier);
        }
        let reached = self.clock.reached(due).into_actor(self);
        self.next_rotation = Some(context.spawn(reached.map(|(), manager, context| {
            // Success sets the timer anew, for the certificate after this one.
            manager.next_rotation = None;
            let retry = manager.clock.now().plus_secs(RETRY_AFTER);
            manager.rotate_at(retry, context);
            let cert = manager.current.cert.clone();
            let replacing = context.address().send(ReplaceServerKey { cert });
            let rotating = replacing.into_actor(manager);
            context.spawn(rotating.map(|rotated, _, _| log_rotation(rotated)));
        })));
    }
}

/// Tells the operator of a rotation that nobody asked for.
fn log_rotation(rotated: Result<Result<ServerCert, KeyError>, MailboxError>) {
    match rotated.map_err(KeyError::from) {
        Ok(Ok(cert)) => tracing::info!(
            new_not_after = cert.validity().not_after.as_secs(),
            "the server key has been rotated: its certificate was about to end, or had ended"
        ),
        Ok(Err(error)) | Err(error) => tracing::error!(
            %error,
            "the server key, whose certificate is about to end, could not be rotated; \
             the node tries again every minute"
        ),
    }
}
