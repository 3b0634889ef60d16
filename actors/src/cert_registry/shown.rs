//! Certificates that sessions show: those of other nodes' users are logged as of when they were
//! verified, those of this node's own are compared with what it issued.

use actix::{Context, Handler};
use antiphon_protocol::ActorCert;

use super::store::LastRun;
use super::{
    Answer, CertRegistry, NewEvent, PresentCert, RegistryError, SessionRef, SignInWithCert,
    Standing,
};
use crate::storage::WriteSet;

impl Handler<PresentCert> for CertRegistry {
    type Result = Answer<()>;

    fn handle(&mut self, message: PresentCert, _: &mut Context<Self>) -> Self::Result {
        let PresentCert {
            session,
            cert,
            standing,
        } = message;
        self.take(session, &cert, standing, WriteSet::new())
    }
}

impl Handler<SignInWithCert> for CertRegistry {
    type Result = Answer<()>;

    fn handle(&mut self, message: SignInWithCert, _: &mut Context<Self>) -> Self::Result {
        let SignInWithCert {
            new_session,
            cert,
            standing,
            rider,
        } = message;
        let live = self.store.live_session(new_session.user, cert.session_id());
        let session = match live {
            Ok(live) => live.unwrap_or(new_session),
            Err(error) => return Answer::refused(error),
        };
        let begins = session == new_session && standing == Standing::Foreign;
        let begun = begins
            .then(|| self.store.check_may_begin(session, cert.session_id()))
            .transpose();
        match begun.and_then(|begun| Ok((begun, (rider.0)(session)?))) {
            Ok((Some(last), rider)) => self.log_foreign(session, &cert, last, rider),
            Ok((None, rider)) => self.take(session, &cert, standing, rider),
            Err(error) => Answer::refused(error),
        }
    }
}

impl CertRegistry {
    /// Judges the certificate that a session shows against the one that it has.
    fn take(
        &mut self,
        session: SessionRef,
        cert: &ActorCert,
        standing: Standing,
        rider: WriteSet,
    ) -> Answer<()> {
        let live = self.store.check_is_live(session);
        let newest = live.and_then(|last| Ok((self.store.newest_session_cert(&last)?, last)));
        let (newest, last) = match newest {
            Ok(newest) => newest,
            Err(RegistryError::NoSuchSession) => return Answer::refused(RegistryError::NotCurrent),
            Err(error) => return Answer::refused(error),
        };
        let is_known = newest.is_same_as(cert);
        let (from, until) = (cert.validity().not_before, newest.validity().not_before);
        match standing {
            Standing::Own if !is_known || !newest.validity().covers(self.now()) => {
                Answer::refused(RegistryError::NotCurrent)
            }
            Standing::Own => self.commit_alone(rider),
            Standing::Foreign if is_known => self.commit_alone(rider),
            Standing::Foreign if from < until => Answer::refused(RegistryError::OlderCert),
            Standing::Foreign => self.log_foreign(session, cert, last, rider),
        }
    }

    fn log_foreign(
        &mut self,
        session: SessionRef,
        cert: &ActorCert,
        last: LastRun,
        rider: WriteSet,
    ) -> Answer<()> {
        let new = NewEvent::foreign_cert(session, cert, last);
        self.append_and_tell(new, self.head.at, rider, |_| ())
    }

    /// Makes `writes` durable, and with them the entry that they are about.
    fn commit_alone(&self, writes: WriteSet) -> Answer<()> {
        Answer::once_durable(self.store.clone(), writes, None, ())
    }
}
