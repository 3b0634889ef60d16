//! What readers keep in memory of the server's own certificates, for which everybody asks: when the
//! newest ones were logged, and the last of them itself.
//!
//! It is good as long as no other is logged; see [`super::timelines`], where the same is kept of users.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use antiphon_protocol::Timestamp;

use super::store::Step;

/// How many steps are kept: some rotations. In tests of this crate there are soon more.
pub(super) const KEPT: usize = if cfg!(test) { 2 } else { 64 };

/// The newest certificates of the server, shared by readers.
#[derive(Debug, Default)]
pub(super) struct ServerTimeline {
    kept: RwLock<Option<Arc<Recent>>>,
    /// The newest entry with a certificate of the server.
    changed: AtomicU64,
}

/// What the log says of them, up to an entry.
#[derive(Debug)]
pub(super) struct Recent {
    /// That entry.
    pub(super) as_of: u64,
    /// The newest first, at most [`KEPT`].
    pub(super) steps: Vec<Step>,
    /// The certificate of the first.
    pub(super) newest: Vec<u8>,
}

impl ServerTimeline {
    /// From now on what ends before this entry is not good.
    pub(super) fn note(&self, sequence: u64) {
        self.changed.fetch_max(sequence, Ordering::AcqRel);
    }

    /// What is kept, if it is good.
    pub(super) fn get(&self) -> Option<Arc<Recent>> {
        let changed = self.changed.load(Ordering::Acquire);
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.clone().filter(|recent| changed <= recent.as_of)
    }

    pub(super) fn keep(&self, recent: Recent) -> Arc<Recent> {
        let recent = Arc::new(recent);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::clone(&recent));
        recent
    }
}

impl Recent {
    /// The newest step at `at`; none if that is older than what is kept.
    pub(super) fn step_at(&self, at: Timestamp) -> Option<Step> {
        let mut steps = self.steps.iter().copied();
        steps.find(|step| step.at <= at.as_secs())
    }

    /// The certificate of an entry, if it is the newest one's.
    pub(super) fn cert(&self, sequence: u64) -> Option<Vec<u8>> {
        let newest = self.steps.first()?;
        (newest.sequence == sequence).then(|| self.newest.clone())
    }
}
