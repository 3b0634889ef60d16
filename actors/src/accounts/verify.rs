//! Reading everything about users.

use antiphon_protocol::{Domain, Fid};

use super::challenges::{Forgotten, Secret, Used};
use super::store::{Held, Holder, Id, Invite, Store, User, id_in};
use crate::storage::{Space, Storage, StorageError, WriteSet};
use crate::verify::{Report, hex};

/// How many changes are made at once while indexes are rebuilt.
const AT_ONCE: usize = 1024;

/// Looks through the accounts.
pub(crate) struct Verifier {
    storage: Storage,
}

impl Verifier {
    pub(crate) fn new(storage: &Storage) -> Self {
        Self {
            storage: storage.clone(),
        }
    }

    /// The federation ID of a user.
    pub(crate) fn fid_of(&self, user: u64) -> Result<Option<String>, StorageError> {
        let user = self
            .storage
            .get::<User>(Space::Users, &user.to_be_bytes())?;
        Ok(user.map(|user| user.fid))
    }

    pub(crate) fn verify(&self, domain: &Domain, report: &mut Report) {
        let storage = &self.storage;
        let (mut users, mut by_fid) = (0_u64, 0_u64);
        report.each(storage, Space::Users, |report, key, user: User| {
            users += 1;
            report.count("users");
            let Some(user_id) = report.read(id_in(key)) else {
                return;
            };
            let is_local = match Fid::parse(&user.fid) {
                Ok(fid) => fid.domain() == domain,
                Err(error) => return report.finding(format!("user {user_id}: {error}")),
            };
            if is_local != user.password.is_some() {
                report.finding(format!(
                    "user {user_id}: {} should {}have a password",
                    user.fid,
                    if is_local { "" } else { "not " }
                ));
            }
            let id = storage.get::<Id>(Space::UsersByFid, user.fid.as_bytes());
            if report.read(id).flatten().map(|Id(id)| id) != Some(user_id.as_u64()) {
                report.finding(format!(
                    "user {user_id}: UsersByFid does not have {}",
                    user.fid
                ));
            }
        });
        report.each(storage, Space::UsersByFid, |_, _, Id(_)| by_fid += 1);
        if by_fid != users {
            report.finding(format!(
                "UsersByFid: it has {by_fid} records, and there are {users} users"
            ));
        }
        // A token that its session does not name is good for nothing, and no fault.
        report.each(storage, Space::Tokens, |_, _, _: Holder| ());
        report.each(
            storage,
            Space::TokensBySession,
            |report, key, Held(token)| {
                report.count("tokens");
                let holder = storage.get::<Holder>(Space::Tokens, &token);
                let holds = report.read(holder).flatten();
                if holds.is_none_or(|holder| holder.session().key() != key) {
                    report.finding(format!("session {}: its token is not there", hex(key)));
                }
            },
        );
        report.each(storage, Space::Invites, |report, _, _: Invite| {
            report.count("invites");
        });
        report.each(storage, Space::UsedChallenges, |_, _, Used| ());
        report.each(storage, Space::ChallengeSecret, |_, _, Secret(_)| ());
        report.each(storage, Space::ForgottenChallenges, |_, _, Forgotten(_)| ());
    }
}

/// Whether every user can be read.
pub(crate) fn check_users(storage: &Storage) -> Result<(), StorageError> {
    let mut users = storage.scan::<User>(Space::Users, &[]);
    users.try_for_each(|user| user.map(drop))
}

/// Writes the index of users anew.
pub(crate) async fn rebuild_indexes(storage: &Storage) -> Result<(), StorageError> {
    storage.clear(Space::UsersByFid).await?;
    let mut writes = WriteSet::new();
    for (id, user) in Store::new(storage.clone()).users()? {
        writes.append(Store::put_user(id, &user)?);
        if writes.len() >= AT_ONCE {
            storage.commit(std::mem::take(&mut writes)).await?;
        }
    }
    storage.commit(writes).await
}
