//! What is remembered of pools, so that nobody need look through them each time: where they begin, and
//! how much is left in them. It is in memory only, and may be forgotten at any time; whoever needs it
//! looks again.

use std::collections::HashMap;

use antiphon_protocol::{CipherSuite, Timestamp};

use crate::cert_registry::SessionRef;

/// With more sessions than this all are forgotten.
pub(super) const MANY: usize = 4096;

/// What is remembered, by session.
#[derive(Debug, Default)]
pub(super) struct Pools(HashMap<SessionRef, Pool>);

#[derive(Debug, Default)]
struct Pool {
    /// For a suite, a number below which there is no one-time package.
    fronts: HashMap<CipherSuite, u64>,
    left: Option<Left>,
}

/// The one-time packages of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// How many there are that have not expired.
    pub(super) count: u64,
    /// The first of them to expire does so after this second.
    pub(super) until: Timestamp,
}

impl Left {
    /// None at all.
    pub(super) const NOTHING: Self = Self {
        count: 0,
        until: Timestamp::from_secs(u64::MAX),
    };

    pub(super) fn add(&mut self, not_after: Timestamp) {
        self.count += 1;
        self.until = self.until.min(not_after);
    }
}

impl Pools {
    /// Where to begin to look for a one-time package.
    pub(super) fn front(&self, session: SessionRef, suite: CipherSuite) -> u64 {
        let pool = self.0.get(&session);
        let front = pool.and_then(|pool| pool.fronts.get(&suite));
        front.copied().unwrap_or(0)
    }

    /// Forgets what is left once some of it has expired. Before anything is removed that has: a clock
    /// that is set back does not bring it back.
    pub(super) fn expire(&mut self, session: SessionRef, now: Timestamp) {
        if let Some(pool) = self.0.get_mut(&session) {
            pool.left = pool.left.filter(|left| now <= left.until);
        }
    }

    /// What is left, if that is known.
    pub(super) fn left(&self, session: SessionRef) -> Option<Left> {
        self.0.get(&session)?.left
    }

    /// Takes note of what is left. As all that is noted, only once it is certain to happen.
    pub(super) fn note_left(&mut self, session: SessionRef, left: Left) {
        self.pool(session).left = Some(left);
    }

    /// Takes note of what is left where nobody has done anything: half of the room stays for those who
    /// publish and are asked for packages.
    pub(super) fn note_seen(&mut self, session: SessionRef, left: Left) {
        if self.0.len() < MANY / 2 || self.0.contains_key(&session) {
            self.note_left(session, left);
        }
    }

    /// Takes note of a one-time package that is given out, and of where its suite begins without it.
    pub(super) fn note_taken(&mut self, session: SessionRef, suite: CipherSuite, front: u64) {
        let pool = self.pool(session);
        pool.fronts.insert(suite, front);
        if let Some(left) = &mut pool.left {
            left.count = left.count.saturating_sub(1);
        }
    }

    /// Forgets a session whose packages go.
    pub(super) fn forget(&mut self, session: SessionRef) {
        self.0.remove(&session);
    }

    fn pool(&mut self, session: SessionRef) -> &mut Pool {
        if self.0.len() >= MANY && !self.0.contains_key(&session) {
            self.0.clear();
        }
        self.0.entry(session).or_default()
    }
}
