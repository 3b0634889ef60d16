//! What is remembered of pools, so that nobody need look through them each time: where they begin, and
//! how much is left in them. It is in memory only, and may be forgotten at any time; whoever needs it
//! looks again.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

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

/// The one-time packages of a session that have not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    /// How many there are, by the number of their suite.
    counts: BTreeMap<u16, u64>,
    /// From this second on all of them are valid.
    from: u64,
    /// The first of them to expire does so after this second.
    until: u64,
}

impl Left {
    /// None at all.
    pub(super) const NOTHING: Self = Self {
        counts: BTreeMap::new(),
        from: 0,
        until: u64::MAX,
    };

    /// Adds a package that may be given out at the seconds in `valid`.
    pub(super) fn add(&mut self, suite: u16, valid: RangeInclusive<u64>) {
        *self.counts.entry(suite).or_default() += 1;
        self.from = self.from.max(*valid.start());
        self.until = self.until.min(*valid.end());
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many of a suite there are.
    pub(super) fn of_suite(&self, suite: CipherSuite) -> u64 {
        self.counts
            .get(&suite.number())
            .copied()
            .unwrap_or_default()
    }

    /// Whether all of them may be given out now.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        (self.from..=self.until).contains(&now.as_secs())
    }

    fn take(&mut self, suite: CipherSuite) {
        if let Some(count) = self.counts.get_mut(&suite.number()) {
            *count = count.saturating_sub(1);
        }
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
            pool.left.take_if(|left| left.until < now.as_secs());
        }
    }

    /// What is left, if that is known.
    pub(super) fn left(&self, session: SessionRef) -> Option<&Left> {
        self.0.get(&session)?.left.as_ref()
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
            left.take(suite);
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
