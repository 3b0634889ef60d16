//! Registering users, finding them, and what the operator does with them.

use actix::{ActorFutureExt as _, Context, Handler, WrapFuture as _};
use antiphon_protocol::{Fid, LocalName, TokenHash, UserId};

use super::store::{Store, User};
use super::{
    Accounts, AccountsError, AddUser, Answer, FindUser, ListUsers, NewPassword, Register,
    RegistrationMode, SetAdministrator, SetPassword, UserSummary, refuse,
};
use crate::storage::WriteSet;

impl Handler<Register> for Accounts {
    type Result = Answer<UserSummary>;

    fn handle(&mut self, message: Register, _: &mut Context<Self>) -> Self::Result {
        let Register {
            local_name,
            password,
            invite,
        } = message;
        let invite = match (self.settings.registration, invite) {
            (RegistrationMode::Open, _) => None,
            (RegistrationMode::Invite, Some(invite)) => Some(invite.hash()),
            (RegistrationMode::Invite, None) => return refuse(AccountsError::InviteNeeded),
            (RegistrationMode::Closed, _) => return refuse(AccountsError::RegistrationClosed),
        };
        let wish = local_name.map_err(AccountsError::from);
        match wish.and_then(|name| Ok((name, password?))) {
            Ok((local_name, password)) => self.create(local_name, password, false, invite),
            Err(error) => refuse(error),
        }
    }
}

impl Handler<AddUser> for Accounts {
    type Result = Answer<UserSummary>;

    fn handle(&mut self, message: AddUser, _: &mut Context<Self>) -> Self::Result {
        let AddUser {
            local_name,
            password,
            is_administrator,
        } = message;
        self.create(local_name, password, is_administrator, None)
    }
}

impl Accounts {
    fn create(
        &mut self,
        local_name: LocalName,
        password: NewPassword,
        is_administrator: bool,
        invite: Option<TokenHash>,
    ) -> Answer<UserSummary> {
        let fid = Fid::new(local_name, self.settings.domain.clone());
        // Spares the hashing where the answer is known; what counts is the check after it.
        if let Err(error) = self.check_can_create(&fid, invite) {
            return refuse(error);
        }
        let hashing = self.hasher.clone().hash(password).into_actor(self);
        Box::pin(hashing.then(move |hashed, accounts, _| {
            let created = hashed.and_then(|password| {
                accounts.check_can_create(&fid, invite)?;
                let id = accounts.ids.next(accounts.clock.as_ref());
                let user = User {
                    fid: fid.to_string(),
                    password: Some(password),
                    is_administrator,
                    since: accounts.clock.now().as_secs(),
                };
                let mut writes = Store::put_user(id, &user)?;
                if let Some(invite) = invite {
                    writes.append(Store::remove_invite(invite));
                }
                Ok((writes, user.summary(id)?))
            });
            match created {
                Ok((writes, summary)) => accounts.commit(writes, summary),
                Err(error) => refuse(error),
            }
        }))
    }

    fn check_can_create(&self, fid: &Fid, invite: Option<TokenHash>) -> Result<(), AccountsError> {
        if let Some(invite) = invite
            && !self.store.has_invite(invite)?
        {
            return Err(AccountsError::InviteNeeded);
        }
        match self.store.id_of(fid)? {
            Some(_) => Err(AccountsError::FederationIdTaken),
            None => Ok(()),
        }
    }

    /// Changes a user as `change` says.
    fn change(&mut self, user: &UserId, change: impl FnOnce(&mut User)) -> Answer<UserSummary> {
        let changed = self.store.find(user).and_then(|(id, mut user)| {
            change(&mut user);
            Ok((Store::put_user(id, &user)?, user.summary(id)?))
        });
        match changed {
            Ok((writes, summary)) => self.commit(writes, summary),
            Err(error) => refuse(error),
        }
    }

    /// Answers with `answer` once `writes` are on disk.
    pub(super) fn commit<T: 'static>(&self, writes: WriteSet, answer: T) -> Answer<T> {
        let committed = self.store.commit(writes).into_actor(self);
        Box::pin(committed.map(|committed, _, _| {
            committed?;
            Ok(answer)
        }))
    }
}

impl Handler<FindUser> for Accounts {
    type Result = Result<UserSummary, AccountsError>;

    fn handle(&mut self, message: FindUser, _: &mut Context<Self>) -> Self::Result {
        self.store.summary(&message.user)
    }
}

impl Handler<ListUsers> for Accounts {
    type Result = Result<Vec<UserSummary>, AccountsError>;

    fn handle(&mut self, _: ListUsers, _: &mut Context<Self>) -> Self::Result {
        let users = self.store.users()?;
        users
            .iter()
            .map(|(id, user)| Ok(user.summary(*id)?))
            .collect()
    }
}

impl Handler<SetAdministrator> for Accounts {
    type Result = Answer<UserSummary>;

    fn handle(&mut self, message: SetAdministrator, _: &mut Context<Self>) -> Self::Result {
        self.change(&message.user, |user| {
            user.is_administrator = message.is_administrator;
        })
    }
}

impl Handler<SetPassword> for Accounts {
    type Result = Answer<UserSummary>;

    fn handle(&mut self, message: SetPassword, _: &mut Context<Self>) -> Self::Result {
        let SetPassword { user, password } = message;
        match self.store.find(&user) {
            Ok((_, User { password: None, .. })) => return refuse(AccountsError::ForeignUser),
            Ok(_) => {}
            Err(error) => return refuse(error),
        }
        let hashing = self.hasher.clone().hash(password).into_actor(self);
        Box::pin(hashing.then(move |hashed, accounts, _| match hashed {
            Ok(hashed) => accounts.change(&user, |user| user.password = Some(hashed)),
            Err(error) => refuse(error),
        }))
    }
}
