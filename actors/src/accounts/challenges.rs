//! Challenges: made without cost, remembered once used, until they expire.

use actix::{Context, Handler};
use antiphon_protocol::{Challenge, ChallengeSecret, Domain, Timestamp};
use rand_core::OsRng;
use serde::{Deserialize, Serialize};

use super::{Accounts, AccountsError, ChallengeFailure, CheckChallenge, MakeChallenge};
use crate::storage::{Record, Space, Storage, StorageError, WriteSet};

/// How long a challenge is good, in seconds.
const LIFETIME: u64 = 300;

/// How many expired ones are forgotten for each that is used: enough to catch up.
const FORGOTTEN_AT_ONCE: usize = 16;

/// The challenges of a node.
#[derive(Debug)]
pub(super) struct Challenges {
    storage: Storage,
    domain: Domain,
    secret: ChallengeSecret,
}

/// The secret, in the store: a challenge outlives a restart.
#[derive(Serialize, Deserialize)]
pub(super) struct Secret(pub(super) [u8; 32]);

impl Record for Secret {
    const VERSION: u8 = 1;
}

/// A challenge that has been used.
#[derive(Serialize, Deserialize)]
pub(super) struct Used;

impl Record for Used {
    const VERSION: u8 = 1;
}

/// All challenges that expire at this UNIX second or before may have been forgotten.
#[derive(Serialize, Deserialize)]
pub(super) struct Forgotten(pub(super) u64);

impl Record for Forgotten {
    const VERSION: u8 = 1;
}

impl Challenges {
    /// Takes up the secret in `storage`, or makes one.
    pub(super) async fn open(storage: Storage, domain: Domain) -> Result<Self, StorageError> {
        let kept = storage.get::<Secret>(Space::ChallengeSecret, &[])?;
        let secret = if let Some(Secret(bytes)) = kept {
            ChallengeSecret::from_bytes(bytes)
        } else {
            let secret = ChallengeSecret::random(&mut OsRng);
            let mut writes = WriteSet::new();
            let record = Secret(*secret.as_bytes());
            writes.put(Space::ChallengeSecret, &[], &record)?;
            storage.commit(writes).await?;
            secret
        };
        Ok(Self {
            storage,
            domain,
            secret,
        })
    }

    fn make(&self, now: Timestamp) -> Result<Challenge, StorageError> {
        let expires = self.not_forgotten(now)?.plus_secs(LIFETIME);
        Ok(self.secret.challenge(&self.domain, expires, &mut OsRng))
    }

    fn recognise(&self, text: &str) -> Result<Challenge, AccountsError> {
        self.secret
            .recognise(&self.domain, text)
            .map_err(|_| AccountsError::Challenge(ChallengeFailure::NotOurs))
    }

    /// Refuses a challenge that cannot be used at `now`.
    pub(super) fn check(&self, challenge: &Challenge, now: Timestamp) -> Result<(), AccountsError> {
        let failure = if challenge.expires() <= self.not_forgotten(now)? {
            ChallengeFailure::Expired
        } else if self
            .storage
            .contains(Space::UsedChallenges, &key(challenge))?
        {
            ChallengeFailure::Used
        } else {
            return Ok(());
        };
        Err(AccountsError::Challenge(failure))
    }

    /// What using a challenge writes.
    pub(super) fn spend(
        &self,
        challenge: &Challenge,
        now: Timestamp,
    ) -> Result<WriteSet, AccountsError> {
        self.check(challenge, now)?;
        let mut writes = WriteSet::new();
        writes.put(Space::UsedChallenges, &key(challenge), &Used)?;
        let expired = self
            .storage
            .range::<Used>(Space::UsedChallenges, &[], &until(now));
        let mut newest = None;
        for found in expired.take(FORGOTTEN_AT_ONCE) {
            let (key, _) = found?;
            writes.remove(Space::UsedChallenges, &key);
            newest = key.first_chunk().copied().map(u64::from_be_bytes);
        }
        if let Some(newest) = newest {
            writes.put(Space::ForgottenChallenges, &[], &Forgotten(newest))?;
        }
        Ok(writes)
    }

    /// `now`, or the time up to which used challenges have been forgotten, if the clock has been
    /// set back to before it: what expired once never becomes good again.
    fn not_forgotten(&self, now: Timestamp) -> Result<Timestamp, StorageError> {
        let forgotten = self.storage.get(Space::ForgottenChallenges, &[])?;
        let Forgotten(forgotten) = forgotten.unwrap_or(Forgotten(0));
        Ok(now.max(Timestamp::from_secs(forgotten)))
    }
}

/// Expiry first, so that what has expired stands together.
fn key(challenge: &Challenge) -> Vec<u8> {
    let expires = challenge.expires().as_secs().to_be_bytes();
    [&expires[..], challenge.nonce()].concat()
}

/// The greatest key of a challenge that has expired at `now`.
fn until(now: Timestamp) -> Vec<u8> {
    [&now.as_secs().to_be_bytes()[..], &[0xff; 16]].concat()
}

impl Handler<MakeChallenge> for Accounts {
    type Result = Result<Challenge, AccountsError>;

    fn handle(&mut self, _: MakeChallenge, _: &mut Context<Self>) -> Self::Result {
        Ok(self.challenges.make(self.clock.now())?)
    }
}

impl Handler<CheckChallenge> for Accounts {
    type Result = Result<Challenge, AccountsError>;

    fn handle(&mut self, message: CheckChallenge, _: &mut Context<Self>) -> Self::Result {
        let challenge = self.challenges.recognise(&message.text)?;
        self.challenges.check(&challenge, self.clock.now())?;
        Ok(challenge)
    }
}
