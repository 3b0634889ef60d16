//! What readers keep in memory: of users who were asked about lately, what the index by time says of
//! them, and of those who were asked about now, the certificates in force. It spares a lookup most of
//! its reads.
//!
//! A timeline is good as long as nothing is logged about its user. For that the registry notes each
//! entry before it goes to the disk, so nobody is answered from a timeline that lacks an entry of
//! which somebody was told. Users share places in [`Timelines::changed`]; that another one changed
//! costs a reload, and never an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_protocol::{Snowflake, Timestamp};
use bincode::config::{self, Configuration};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::sample::Sample;
use super::store::{Run, Step};
use crate::storage::{Record as _, RecordError, Space, StorageError};

/// How many places there are for users that change: half a mebibyte.
const PLACES: usize = 1 << 16;

/// Users about whom more than this is logged are read from the store each time. In tests of this crate some
/// soon are.
const LONGEST: usize = if cfg!(test) { 24 } else { 256 };

/// How many timelines room is made for at first; it grows.
const EXPECTED: usize = 1024;

/// The timelines of many users, in so many bytes.
#[derive(Debug)]
pub(super) struct Timelines {
    kept: Cache<u64, Timeline, Bytes>,
    /// The newest entry about any of the users who share the place.
    changed: Box<[AtomicU64]>,
    sample: Arc<Sample>,
}

/// All that the log says about one user, up to an entry, in one piece of memory: each piece would be
/// one more wait for memory in a lookup. That entry's number, then [`Pieces`] twice, in bincode: runs
/// as they are stored, since that is shortest, by session, and compressed certificates by entry.
#[derive(Debug, Clone)]
pub(super) struct Timeline(Arc<[u8]>);

/// What a timeline says.
#[derive(Debug)]
pub(super) struct Told<'a> {
    as_of: u64,
    runs: Pieces<'a>,
    certs: Pieces<'a>,
}

type Pieces<'a> = Vec<(u64, &'a [u8])>;

/// Numbers and lengths are mostly short.
const BINCODE: Configuration = config::standard();

impl Timelines {
    pub(super) fn new(bytes: u64, sample: Arc<Sample>) -> Self {
        Self {
            kept: Cache::with_weighter(EXPECTED, bytes, Bytes),
            changed: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            sample,
        }
    }

    /// From now on timelines of `user` that end before this entry are not good.
    pub(super) fn note(&self, user: Snowflake, sequence: u64) {
        if let Some(place) = self.place(user.as_u64()) {
            place.fetch_max(sequence, Ordering::AcqRel);
        }
    }

    /// The timeline of a user, if a good one is kept.
    pub(super) fn get(&self, user: Snowflake) -> Option<Timeline> {
        let user = user.as_u64();
        let changed = self.place(user)?.load(Ordering::Acquire);
        let timeline = self.kept.get(&user)?;
        let (as_of, _) = timeline.split()?;
        (changed <= as_of).then_some(timeline)
    }

    pub(super) fn keep(&self, user: Snowflake, timeline: Timeline) {
        self.kept.insert(user.as_u64(), timeline);
    }

    /// The certificate of an entry, if it is kept.
    pub(super) fn cert(
        &self,
        told: &Told<'_>,
        sequence: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let kept = told.certs.iter().find(|(entry, _)| *entry == sequence);
        let der = kept.map(|(_, compressed)| self.sample.decompress(compressed));
        der.transpose()
    }

    /// Keeps the same timeline with the certificates of these entries, and no others; but without those
    /// that are too long, which are read each time.
    pub(super) fn keep_with_certs<'c>(
        &self,
        user: Snowflake,
        told: &Told<'_>,
        certs: impl Iterator<Item = (u64, &'c [u8])>,
    ) -> Result<(), StorageError> {
        let compressed = certs.filter_map(|(entry, der)| Some((entry, self.sample.compress(der)?)));
        let compressed: Vec<_> = compressed.collect();
        let timeline = Timeline::new(told.as_of, &told.runs, &pieces(&compressed))?;
        self.keep(user, timeline);
        Ok(())
    }

    fn place(&self, user: u64) -> Option<&AtomicU64> {
        // Fibonacci hashing: Snowflakes differ in bits that are spread by this.
        let hash = user.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
        self.changed.get(usize::try_from(hash).ok()? % PLACES)
    }
}

impl Timeline {
    /// The timeline of what is logged up to the entry `as_of`: the runs of a user with their sessions,
    /// in order. None if that is too long.
    pub(super) fn gather(
        as_of: u64,
        runs: impl Iterator<Item = Result<(u64, Vec<u8>), StorageError>>,
    ) -> Result<Option<Self>, StorageError> {
        let (mut gathered, mut steps) = (Vec::new(), 0);
        for found in runs {
            let (session, bytes) = found?;
            steps += read(&bytes)?.steps().len();
            if steps > LONGEST {
                return Ok(None);
            }
            gathered.push((session, bytes));
        }
        Self::new(as_of, &pieces(&gathered), &Vec::new()).map(Some)
    }

    fn new(as_of: u64, runs: &Pieces<'_>, certs: &Pieces<'_>) -> Result<Self, StorageError> {
        let mut bytes = as_of.to_le_bytes().to_vec();
        bincode::encode_into_std_write((runs, certs), &mut bytes, BINCODE)
            .map_err(|error| unreadable(&error))?;
        Ok(Self(bytes.into()))
    }

    /// The number of the entry up to which it goes, and the pieces.
    fn split(&self) -> Option<(u64, &[u8])> {
        let (as_of, pieces) = self.0.split_first_chunk()?;
        Some((u64::from_le_bytes(*as_of), pieces))
    }

    pub(super) fn read(&self) -> Result<Told<'_>, StorageError> {
        let (as_of, pieces) = self.split().ok_or_else(|| unreadable(&"no number"))?;
        let ((runs, certs), _) = bincode::borrow_decode_from_slice(pieces, BINCODE)
            .map_err(|error| unreadable(&error))?;
        Ok(Told { as_of, runs, certs })
    }
}

impl Told<'_> {
    /// The certificates in force at `at`, in the order in which the sessions were first seen.
    pub(super) fn in_force(&self, at: Timestamp) -> Result<Vec<(Snowflake, Step)>, StorageError> {
        let at = at.as_secs();
        let mut steps = Vec::new();
        for runs in self.runs.chunk_by(|(one, _), (next, _)| one == next) {
            for (session, bytes) in runs.iter().rev() {
                if let Some(step) = read(bytes)?.newest(at, self.as_of) {
                    let session = Snowflake::from_u64(*session);
                    steps.extend(step.is_valid(at).then_some((session, step)));
                    break;
                }
            }
        }
        Ok(steps)
    }
}

/// What the cache itself and the allocator take for a timeline, about.
const OVERHEAD: usize = 96;

/// Weighs timelines in bytes.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl Weighter<u64, Timeline> for Bytes {
    fn weight(&self, _: &u64, timeline: &Timeline) -> u64 {
        (OVERHEAD + timeline.0.len()) as u64
    }
}

fn pieces(owned: &[(u64, Vec<u8>)]) -> Pieces<'_> {
    let borrowed = owned.iter().map(|(of, bytes)| (*of, bytes.as_slice()));
    borrowed.collect()
}

fn read(run: &[u8]) -> Result<Run, StorageError> {
    Run::from_bytes(run).map_err(|error| damaged(Space::SessionCertIndex, error))
}

fn unreadable(error: &impl ToString) -> StorageError {
    damaged(
        Space::SessionCertIndex,
        RecordError::Fields(error.to_string()),
    )
}

fn damaged(space: Space, error: RecordError) -> StorageError {
    StorageError::Damaged { space, error }
}
