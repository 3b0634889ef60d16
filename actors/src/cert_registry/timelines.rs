//! What readers keep in memory: of users who were asked about lately, what the index by time says of
//! them, with the newest certificate of each session. It spares a lookup most of its reads.
//!
//! A timeline is good as long as nothing is logged about its user. For that the registry notes each
//! entry before it goes to the disk, so nobody is answered from a timeline that lacks an entry of
//! which somebody was told. Users share places in [`Timelines::changed`]; that another one changed
//! costs a reload, and never an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_protocol::{Snowflake, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::store::Change;

/// How many places there are for users that change: half a mebibyte.
const PLACES: usize = 1 << 16;

/// Users about whom more than this is logged are read from the store each time.
const LONGEST: usize = 256;

/// How many timelines room is made for at first; it grows.
const EXPECTED: usize = 1024;

/// The timelines of many users, in so many bytes.
#[derive(Debug)]
pub(super) struct Timelines {
    kept: Cache<u64, Arc<Timeline>, Bytes>,
    /// The newest entry about any of the users who share the place.
    changed: Box<[AtomicU64]>,
}

/// All that the log says about one user, up to an entry.
#[derive(Debug)]
pub(super) struct Timeline {
    /// That entry.
    as_of: u64,
    sessions: Box<[Session]>,
}

/// What became of one session.
#[derive(Debug)]
struct Session {
    id: u64,
    steps: Box<[Step]>,
    /// The entry of the last step, as stored, if that is a certificate.
    newest: Option<Box<[u8]>>,
}

/// An entry about a session.
#[derive(Debug, Clone, Copy)]
struct Step {
    sequence: u64,
    /// Logging time.
    at: u32,
    /// A certificate, and when it is valid; or the session's end.
    valid: Option<(u32, u32)>,
}

/// A certificate in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct InForce<'a> {
    pub(super) session: Snowflake,
    pub(super) sequence: u64,
    /// Its entry as stored, if that is kept.
    pub(super) stored: Option<&'a [u8]>,
}

/// Gathers what the index by time says of a user, in its order.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    sessions: Vec<(u64, Vec<Step>)>,
    steps: usize,
}

impl Timelines {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            kept: Cache::with_weighter(EXPECTED, bytes, Bytes),
            changed: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// From now on timelines of `user` that end before this entry are not good.
    pub(super) fn note(&self, user: u64, sequence: u64) {
        if let Some(place) = self.place(user) {
            place.fetch_max(sequence, Ordering::AcqRel);
        }
    }

    /// The timeline of a user, if a good one is kept.
    pub(super) fn get(&self, user: Snowflake) -> Option<Arc<Timeline>> {
        let user = user.as_u64();
        let changed = self.place(user)?.load(Ordering::Acquire);
        let timeline = self.kept.get(&user)?;
        (changed <= timeline.as_of).then_some(timeline)
    }

    pub(super) fn keep(&self, user: Snowflake, timeline: &Arc<Timeline>) {
        self.kept.insert(user.as_u64(), Arc::clone(timeline));
    }

    fn place(&self, user: u64) -> Option<&AtomicU64> {
        // Fibonacci hashing: Snowflakes differ in bits that are spread by this.
        let hash = user.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
        self.changed.get(usize::try_from(hash).ok()? % PLACES)
    }
}

impl Gathering {
    /// Adds an entry. False: there are too many, or it does not fit into a timeline.
    pub(super) fn add(&mut self, session: u64, at: u64, sequence: u64, change: Change) -> bool {
        let valid = match change {
            Change::Ended => None,
            Change::Cert {
                not_before,
                not_after,
            } => match (u32::try_from(not_before), u32::try_from(not_after)) {
                (Ok(not_before), Ok(not_after)) => Some((not_before, not_after)),
                _ => return false,
            },
        };
        let Ok(at) = u32::try_from(at) else {
            return false;
        };
        let step = Step {
            sequence,
            at,
            valid,
        };
        match self.sessions.last_mut() {
            Some((last, steps)) if *last == session => steps.push(step),
            _ => self.sessions.push((session, vec![step])),
        }
        self.steps += 1;
        self.steps <= LONGEST
    }

    /// The timeline up to the entry `as_of`; `read` reads an entry as stored.
    pub(super) fn finish<E>(
        self,
        as_of: u64,
        mut read: impl FnMut(u64) -> Result<Vec<u8>, E>,
    ) -> Result<Timeline, E> {
        let sessions = self.sessions.into_iter().map(|(id, steps)| {
            let newest = steps.last().filter(|step| step.valid.is_some());
            let newest = newest.map(|step| read(step.sequence)).transpose()?;
            Ok(Session {
                id,
                steps: steps.into_boxed_slice(),
                newest: newest.map(Vec::into_boxed_slice),
            })
        });
        Ok(Timeline {
            as_of,
            sessions: sessions.collect::<Result<_, E>>()?,
        })
    }
}

impl Timeline {
    /// The certificates in force at `at`, in the order in which the sessions were first seen.
    pub(super) fn in_force(&self, at: Timestamp) -> impl Iterator<Item = InForce<'_>> {
        let sessions = self.sessions.iter();
        sessions.filter_map(move |session| session.in_force(at.as_secs()))
    }

    fn bytes(&self) -> usize {
        let sessions = self.sessions.iter().map(Session::bytes);
        size_of::<Self>() + OVERHEAD + sessions.sum::<usize>()
    }
}

impl Session {
    fn in_force(&self, at: u64) -> Option<InForce<'_>> {
        let before = self.steps.partition_point(|step| u64::from(step.at) <= at);
        let position = before.checked_sub(1)?;
        let step = self.steps.get(position)?;
        let (not_before, not_after) = step.valid?;
        let is_valid = (u64::from(not_before)..=u64::from(not_after)).contains(&at);
        let is_newest = before == self.steps.len();
        is_valid.then(|| InForce {
            session: Snowflake::from_u64(self.id),
            sequence: step.sequence,
            stored: self.newest.as_deref().filter(|_| is_newest),
        })
    }

    fn bytes(&self) -> usize {
        let newest = self.newest.as_ref().map_or(0, |newest| newest.len() + 16);
        size_of::<Self>() + size_of_val(&*self.steps) + 16 + newest
    }
}

/// What the cache itself and the allocator take for a timeline, about.
const OVERHEAD: usize = 96;

/// Weighs timelines in bytes.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl Weighter<u64, Arc<Timeline>> for Bytes {
    fn weight(&self, _: &u64, timeline: &Arc<Timeline>) -> u64 {
        timeline.bytes() as u64
    }
}
