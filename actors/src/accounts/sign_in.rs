//! Signing in with an ID-Cert and its key, from this node or another.

use actix::{ActorFutureExt as _, Context, Handler, WrapFuture as _};
use antiphon_protocol::{ActorCert, Fid, Token, UserId};
use rand_core::OsRng;

use super::store::{Store, User};
use super::{Accounts, AccountsError, Answer, SignIn, SignedIn, UserSummary, refuse};
use crate::cert_registry::{RegistryError, SessionRider, SignInWithCert, Standing};
use crate::storage::WriteSet;

impl Handler<SignIn> for Accounts {
    type Result = Answer<SignedIn>;

    fn handle(&mut self, message: SignIn, _: &mut Context<Self>) -> Self::Result {
        let SignIn { challenge, cert } = message;
        // One commit spends the challenge and makes an actor known that was not; it is applied
        // before the next message is looked at. What follows may fail: then an actor is known who
        // has no certificate here.
        let now = self.clock.now();
        let admitted = self
            .challenges
            .spend(&challenge, now)
            .and_then(|mut spent| {
                let (user, made) = self.find_or_make(cert.fid())?;
                spent.append(made);
                Ok((spent, user))
            });
        let (writes, user) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return refuse(error),
        };
        let admitted = self.store.commit(writes).into_actor(self);
        Box::pin(admitted.then(move |admitted, accounts, _| match admitted {
            Ok(()) => accounts.sign_in(user, cert),
            Err(error) => refuse(error),
        }))
    }
}

impl Accounts {
    /// The user, and what is written if the node has never heard of them.
    fn find_or_make(&mut self, fid: &Fid) -> Result<(UserSummary, WriteSet), AccountsError> {
        match self.store.find(&UserId::Fid(fid.clone())) {
            Ok((id, user)) => Ok((user.summary(id)?, WriteSet::new())),
            Err(AccountsError::NoSuchUser) if *fid.domain() != self.settings.domain => {
                let id = self.ids.next(self.clock.as_ref());
                let user = User {
                    fid: fid.to_string(),
                    password: None,
                    is_administrator: false,
                    since: self.clock.now().as_secs(),
                };
                Ok((user.summary(id)?, Store::put_user(id, &user)?))
            }
            // No certificate of this node's own can be for somebody it does not know.
            Err(AccountsError::NoSuchUser) => Err(RegistryError::NotCurrent.into()),
            Err(error) => Err(error),
        }
    }

    /// Has the certificate noted, and the session given a token with it.
    fn sign_in(&mut self, user: UserSummary, cert: ActorCert) -> Answer<SignedIn> {
        let new_session = match self.new_session(user.id, cert.session_id()) {
            Ok(session) => session,
            Err(error) => return refuse(error),
        };
        let token = Token::random(&mut OsRng);
        let (hash, expires) = (token.hash(), self.token_expiry());
        let store = self.store.clone();
        let session_id = cert.session_id().clone();
        let rider = move |session| store.put_token(hash, session, &session_id, expires);
        let standing = Standing::of(&cert, &self.settings.domain);
        let noting = self.registry.send(SignInWithCert {
            new_session,
            cert,
            standing,
            rider: SessionRider(Box::new(rider)),
        });
        Box::pin(
            async move {
                noting.await??;
                Ok(SignedIn { user, token })
            }
            .into_actor(self),
        )
    }
}
