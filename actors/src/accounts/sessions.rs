//! Beginning and ending sessions, and the tokens they hold.

use actix::{ActorFutureExt as _, Addr, Context, Handler, WrapFuture as _};
use antiphon_protocol::{CsrError, Fid, Token, UserId, VerifiedCsr};
use rand_core::OsRng;

use super::{
    Accounts, AccountsError, Answer, EndNamedSession, EndOwnSession, EndSessionOf, OpenSession,
    Opened, UserSummary, refuse,
};
use crate::cert_registry::{self, CertRegistry, LiveSession, SessionRef, SessionRider};
use crate::key_manager::{CertifySession, Purpose};

impl Handler<OpenSession> for Accounts {
    type Result = Answer<Opened>;

    fn handle(&mut self, message: OpenSession, _: &mut Context<Self>) -> Self::Result {
        let OpenSession {
            local_name,
            password,
            csr,
        } = message;
        let fid = local_name.map(|name| Fid::new(name, self.settings.domain.clone()));
        let found = fid.map(|fid| self.store.find(&UserId::Fid(fid)));
        let user = match found.transpose() {
            Ok(user) => user,
            Err(AccountsError::NoSuchUser) => None,
            Err(error) => return refuse(error),
        };
        let kept = user.as_ref().and_then(|(_, user)| user.password.clone());
        let verifying = self.hasher.clone().verify(password, kept).into_actor(self);
        Box::pin(verifying.then(move |verified, accounts, _| {
            let summary = match (verified, user) {
                (Ok(true), Some((id, user))) => user.summary(id),
                (Ok(_), _) => return refuse(AccountsError::InvalidCredentials),
                (Err(error), _) => return refuse(error),
            };
            match summary {
                Ok(user) => accounts.open_session(user, csr),
                Err(error) => refuse(error),
            }
        }))
    }
}

impl Accounts {
    /// Has the session certified and logged, its token with it.
    fn open_session(
        &mut self,
        user: UserSummary,
        csr: Result<VerifiedCsr, CsrError>,
    ) -> Answer<Opened> {
        let checked = csr.and_then(|csr| csr.expect_fid(&user.fid).map(|()| csr));
        let csr = match checked {
            Ok(csr) => csr,
            Err(error) => return refuse(error),
        };
        let session = match self.new_session(user.id, csr.session_id()) {
            Ok(session) => session,
            Err(error) => return refuse(error),
        };
        let token = Token::random(&mut OsRng);
        let (hash, expires) = (token.hash(), self.token_expiry());
        let rider = self
            .store
            .put_token(hash, session, csr.session_id(), expires);
        let purpose = match rider {
            Ok(rider) => Purpose::Open { rider },
            Err(error) => return refuse(error),
        };
        let certifying = self.key_manager.send(CertifySession {
            csr,
            session,
            purpose,
        });
        Box::pin(
            async move {
                let cert = certifying.await??;
                Ok(Opened { user, cert, token })
            }
            .into_actor(self),
        )
    }

    /// Has the end of a session logged, and its token removed with it.
    fn end_session(&mut self, session: SessionRef) -> Answer<()> {
        // Which token that is, the registry asks at its turn: one may be on its way there.
        let store = self.store.clone();
        let rider = SessionRider(Box::new(move |session| store.remove_token(session)));
        let ending = self
            .registry
            .send(cert_registry::EndSession { session, rider });
        Box::pin(
            async move {
                ending.await??;
                Ok(())
            }
            .into_actor(self),
        )
    }

    /// The same for a session that is known by its ID.
    fn end_named_session(&mut self, named: LiveSession) -> Answer<()> {
        let finding = find_session(self.registry.clone(), named).into_actor(self);
        Box::pin(finding.then(|found, accounts, _| match found {
            Ok(session) => accounts.end_session(session),
            Err(error) => refuse(error),
        }))
    }
}

async fn find_session(
    registry: Addr<CertRegistry>,
    named: LiveSession,
) -> Result<SessionRef, AccountsError> {
    Ok(registry.send(named).await??)
}

impl Handler<EndOwnSession> for Accounts {
    type Result = Answer<()>;

    fn handle(&mut self, message: EndOwnSession, _: &mut Context<Self>) -> Self::Result {
        self.end_session(message.session)
    }
}

impl Handler<EndNamedSession> for Accounts {
    type Result = Answer<()>;

    fn handle(&mut self, message: EndNamedSession, _: &mut Context<Self>) -> Self::Result {
        let EndNamedSession { user, session_id } = message;
        self.end_named_session(LiveSession { user, session_id })
    }
}

impl Handler<EndSessionOf> for Accounts {
    type Result = Answer<()>;

    fn handle(&mut self, message: EndSessionOf, _: &mut Context<Self>) -> Self::Result {
        let EndSessionOf { user, session_id } = message;
        match self.store.find(&user) {
            Ok((user, _)) => self.end_named_session(LiveSession { user, session_id }),
            Err(error) => refuse(error),
        }
    }
}
