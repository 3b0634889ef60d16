//! What other nodes said, for as long as it may be repeated.

use std::collections::{HashMap, VecDeque};

use antiphon_protocol::Timestamp;

use super::HomeServerError;
use super::messages::{Question, Said};

/// How long a failure is repeated instead of asking again, in seconds: long enough for a crowd that
/// comes at once, short enough for somebody who tries again.
const FAILURE_SECONDS: u64 = 3;

/// How many bytes are kept at most; what came first goes first.
const CAPACITY: usize = 16 * 1024 * 1024;

/// What one answer costs beside its question and certificates, in bytes, roughly.
const OVERHEAD: usize = 512;

/// The cache.
#[derive(Debug)]
pub(super) struct Kept {
    seconds: u64,
    answers: HashMap<Question, Entry>,
    /// In the order in which they came; an entry that was replaced since stands here twice.
    order: VecDeque<(Question, u64)>,
    size: usize,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    outcome: Result<Said, HomeServerError>,
    at: Timestamp,
    seconds: u64,
    size: usize,
    number: u64,
}

impl Kept {
    pub(super) fn new(seconds: u64) -> Self {
        Self {
            seconds,
            answers: HashMap::new(),
            order: VecDeque::new(),
            size: 0,
            next: 0,
        }
    }

    /// What was said, if its time is not over. A clock that was set back ends it, too.
    pub(super) fn get(
        &self,
        question: &Question,
        now: Timestamp,
    ) -> Option<&Result<Said, HomeServerError>> {
        let entry = self.answers.get(question)?;
        let is_fresh = entry.at <= now && now < entry.at.plus_secs(entry.seconds);
        is_fresh.then_some(&entry.outcome)
    }

    /// Keeps an outcome. A failure never takes the place of a good answer whose time is not over.
    pub(super) fn put(
        &mut self,
        question: &Question,
        outcome: &Result<Said, HomeServerError>,
        now: Timestamp,
    ) {
        let seconds = match outcome {
            Ok(_) => self.seconds,
            Err(_) => self.seconds.min(FAILURE_SECONDS),
        };
        let is_good = matches!(self.get(question, now), Some(Ok(_)));
        if seconds == 0 || (outcome.is_err() && is_good) {
            return;
        }
        self.next += 1;
        let said = outcome.as_ref().map_or(0, Said::size);
        // The question stands in both tables.
        let size = OVERHEAD + 2 * question.size() + said;
        let entry = Entry {
            outcome: outcome.clone(),
            at: now,
            seconds,
            size,
            number: self.next,
        };
        self.order.push_back((question.clone(), self.next));
        self.size += size;
        if let Some(before) = self.answers.insert(question.clone(), entry) {
            self.size -= before.size;
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.size > CAPACITY || self.order.len() > 2 * self.answers.len() + 16 {
            let Some((question, number)) = self.order.pop_front() else {
                return;
            };
            let entry = self.answers.get(&question);
            if entry.is_none_or(|entry| entry.number != number) {
                continue;
            }
            if self.size > CAPACITY {
                if let Some(gone) = self.answers.remove(&question) {
                    self.size -= gone.size;
                }
            } else {
                self.order.push_back((question, number));
            }
        }
    }
}

impl Question {
    fn size(&self) -> usize {
        match self {
            Self::ServerCert { domain, .. } => domain.as_str().len(),
            // A federation ID with its domain once more.
            Self::UserCerts { fid } => 64 + 2 * fid.domain().as_str().len(),
        }
    }
}

impl Said {
    fn size(&self) -> usize {
        match self {
            Self::ServerCert(cert) => cert.as_ref().map_or(0, |cert| 2 * cert.as_der().len()),
            Self::UserCerts(certs) => certs.iter().map(|cert| 2 * cert.as_der().len()).sum(),
        }
    }
}
