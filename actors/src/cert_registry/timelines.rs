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
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::store::{Run, Step, compress, decompress};
use crate::storage::{Record as _, RecordError, Space, StorageError};

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
    runs: Box<[StoredRun]>,
    certs: Box<[KeptCert]>,
}

/// A run of a session as it is stored, since that is shortest.
#[derive(Debug, Clone)]
struct StoredRun {
    session: u64,
    bytes: Box<[u8]>,
}

/// The certificate of an entry, compressed.
#[derive(Debug, Clone)]
pub(super) struct KeptCert {
    sequence: u64,
    bytes: Box<[u8]>,
}

impl KeptCert {
    pub(super) fn new(sequence: u64, der: &[u8]) -> Result<Self, StorageError> {
        let bytes = compress(der).map_err(|error| damaged(Space::LogEntries, error))?;
        let bytes = bytes.into_boxed_slice();
        Ok(Self { sequence, bytes })
    }

    pub(super) fn der(&self) -> Result<Vec<u8>, StorageError> {
        decompress(&self.bytes).map_err(|error| damaged(Space::LogEntries, error))
    }
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

    pub(super) fn keep(&self, user: Snowflake, timeline: Arc<Timeline>) {
        self.kept.insert(user.as_u64(), timeline);
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
            let bytes = bytes.into_boxed_slice();
            gathered.push(StoredRun { session, bytes });
        }
        Ok(Some(Self {
            as_of,
            runs: gathered.into_boxed_slice(),
            certs: Box::default(),
        }))
    }

    /// The certificates in force at `at`, in the order in which the sessions were first seen.
    pub(super) fn in_force(&self, at: Timestamp) -> Result<Vec<(Snowflake, Step)>, StorageError> {
        let at = at.as_secs();
        let mut steps = Vec::new();
        for runs in self.runs.chunk_by(|one, next| one.session == next.session) {
            for StoredRun { session, bytes } in runs.iter().rev() {
                if let Some(step) = read(bytes)?.newest(at, self.as_of) {
                    let session = Snowflake::from_u64(*session);
                    steps.extend(step.is_valid(at).then_some((session, step)));
                    break;
                }
            }
        }
        Ok(steps)
    }

    /// The certificate of an entry, if it is kept.
    pub(super) fn cert(&self, sequence: u64) -> Option<&KeptCert> {
        self.certs.iter().find(|cert| cert.sequence == sequence)
    }

    /// The same timeline with these certificates, and no others.
    pub(super) fn with_certs(&self, certs: Vec<KeptCert>) -> Self {
        Self {
            as_of: self.as_of,
            runs: self.runs.clone(),
            certs: certs.into_boxed_slice(),
        }
    }

    fn bytes(&self) -> usize {
        let runs = self.runs.iter().map(|run| run.bytes.len());
        let certs = self.certs.iter().map(|cert| cert.bytes.len());
        let pieces = self.runs.len() + self.certs.len();
        let bytes = runs.sum::<usize>() + certs.sum::<usize>();
        size_of::<Self>() + OVERHEAD + pieces * PIECE + bytes
    }
}

/// What the cache itself and the allocator take for a timeline, about.
const OVERHEAD: usize = 128;

/// What a run or a certificate takes beside its bytes, about.
const PIECE: usize = size_of::<StoredRun>() + 8;

/// Weighs timelines in bytes.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl Weighter<u64, Arc<Timeline>> for Bytes {
    fn weight(&self, _: &u64, timeline: &Arc<Timeline>) -> u64 {
        timeline.bytes() as u64
    }
}

fn read(run: &[u8]) -> Result<Run, StorageError> {
    Run::from_bytes(run).map_err(|error| damaged(Space::SessionCertIndex, error))
}

fn damaged(space: Space, error: RecordError) -> StorageError {
    StorageError::Damaged { space, error }
}
