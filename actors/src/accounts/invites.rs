//! Invites: tokens that are good for one registration.

use actix::{Context, Handler};
use antiphon_protocol::{Token, TokenHash};
use rand_core::OsRng;

use super::store::Store;
use super::{
    Accounts, AccountsError, Answer, CreateInvite, InviteCode, InviteSummary, ListInvites,
    RevokeInvite, refuse,
};

impl Handler<CreateInvite> for Accounts {
    type Result = Answer<InviteCode>;

    fn handle(&mut self, _: CreateInvite, _: &mut Context<Self>) -> Self::Result {
        let code = Token::random(&mut OsRng);
        let registration = self.settings.registration;
        match Store::put_invite(code.hash(), self.clock.now()) {
            Ok(writes) => self.commit(writes, InviteCode { code, registration }),
            Err(error) => refuse(error),
        }
    }
}

impl Handler<ListInvites> for Accounts {
    type Result = Result<Vec<InviteSummary>, AccountsError>;

    fn handle(&mut self, _: ListInvites, _: &mut Context<Self>) -> Self::Result {
        let mut invites = self.store.invites()?;
        invites.sort_by_key(|(_, since)| *since);
        let summary = |(hash, since): (TokenHash, _)| InviteSummary {
            id: id_of(&hash),
            since,
        };
        Ok(invites.into_iter().map(summary).collect())
    }
}

impl Handler<RevokeInvite> for Accounts {
    type Result = Answer<()>;

    fn handle(&mut self, message: RevokeInvite, _: &mut Context<Self>) -> Self::Result {
        let invites = match self.store.invites() {
            Ok(invites) => invites,
            Err(error) => return refuse(error),
        };
        let mut matching = invites.iter().filter(|(hash, _)| id_of(hash) == message.id);
        match matching.next() {
            Some((hash, _)) => self.commit(Store::remove_invite(*hash), ()),
            None => refuse(AccountsError::NoSuchInvite),
        }
    }
}

/// An invite's ID: the first four bytes of its hash, which say nothing about the code.
fn id_of(hash: &TokenHash) -> String {
    let first = hash.as_bytes().first_chunk::<4>();
    format!(
        "{:08x}",
        first.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    )
}
