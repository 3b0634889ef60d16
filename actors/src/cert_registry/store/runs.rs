//! What the index by time says of a session: its steps, in runs of which each is one record. A record
//! takes many times the room of a step, on disk and in memory, so one for each step would be the
//! larger part of a node.

use serde::{Deserialize, Serialize};

use super::records::Change;
use crate::storage::Record;

/// How many steps are in a full run. Each step but the first writes its run anew. In tests of this
/// crate a run is soon full, so that sessions have several.
const FULL: usize = if cfg!(test) { 3 } else { 16 };

/// An entry of the log about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cert_registry) struct Step {
    pub(in crate::cert_registry) sequence: u64,
    /// Logging time.
    pub(in crate::cert_registry) at: u64,
    pub(in crate::cert_registry) change: Change,
}

/// Some steps of a session, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Difference>", into = "Vec<Difference>")]
pub(in crate::cert_registry) struct Run(Vec<Step>);

/// The run to which another step of a session is added, with its key; none of a session that has not
/// begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cert_registry) struct LastRun(pub(super) Option<(Vec<u8>, Run)>);

/// A step as it is stored: by what it differs from the step before, or from zeros.
#[derive(Debug, Serialize, Deserialize)]
struct Difference {
    at: u64,
    sequence: u64,
    /// Of a certificate: its notBefore against its logging time, and its length against the length of
    /// the certificate before.
    valid: Option<(i64, i64)>,
}

impl Step {
    /// Whether it is a certificate that is valid at `at`.
    pub(in crate::cert_registry) fn is_valid(&self, at: u64) -> bool {
        match self.change {
            Change::Cert {
                not_before,
                not_after,
            } => (not_before..=not_after).contains(&at),
            Change::Ended => false,
        }
    }
}

impl LastRun {
    pub(in crate::cert_registry) const NOT_BEGUN: Self = Self(None);

    pub(super) const fn has_begun(&self) -> bool {
        self.0.is_some()
    }

    /// The session's newest step.
    pub(super) fn newest(&self) -> Option<Step> {
        let (_, run) = self.0.as_ref()?;
        run.steps().last().copied()
    }
}

impl Run {
    pub(in crate::cert_registry) fn of(step: Step) -> Self {
        Self(vec![step])
    }

    /// Adds a step, unless the run is full.
    pub(in crate::cert_registry) fn add(&mut self, step: Step) -> bool {
        let is_full = self.0.len() >= FULL;
        if !is_full {
            self.0.push(step);
        }
        !is_full
    }

    pub(in crate::cert_registry) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The newest step at `at`, among the entries up to `newest`.
    pub(in crate::cert_registry) fn newest(&self, at: u64, newest: u64) -> Option<Step> {
        let before = self.0.partition_point(|step| step.at <= at);
        let steps = self.0.get(..before)?.iter().rev();
        steps.copied().find(|step| step.sequence <= newest)
    }
}

impl Record for Run {
    /// Version 1 was one step.
    const VERSION: u8 = 2;
    const IS_SHORT: bool = true;
}

// The numbers wrap, so that whatever is in a certificate comes back as it was.
impl From<Run> for Vec<Difference> {
    fn from(Run(steps): Run) -> Self {
        let (mut at, mut sequence, mut length) = (0, 0, 0);
        let differences = steps.into_iter().map(|step| {
            let difference = Difference {
                at: step.at.wrapping_sub(at),
                sequence: step.sequence.wrapping_sub(sequence),
                valid: match step.change {
                    Change::Ended => None,
                    Change::Cert {
                        not_before,
                        not_after,
                    } => {
                        let before =
                            std::mem::replace(&mut length, not_after.wrapping_sub(not_before));
                        Some((
                            not_before.wrapping_sub(step.at).cast_signed(),
                            length.wrapping_sub(before).cast_signed(),
                        ))
                    }
                },
            };
            (at, sequence) = (step.at, step.sequence);
            difference
        });
        differences.collect()
    }
}

impl From<Vec<Difference>> for Run {
    fn from(differences: Vec<Difference>) -> Self {
        let (mut at, mut sequence, mut length) = (0_u64, 0_u64, 0_u64);
        let steps = differences.into_iter().map(|difference| {
            at = at.wrapping_add(difference.at);
            sequence = sequence.wrapping_add(difference.sequence);
            let change = match difference.valid {
                None => Change::Ended,
                Some((since, longer)) => {
                    let not_before = at.wrapping_add_signed(since);
                    length = length.wrapping_add_signed(longer);
                    Change::Cert {
                        not_before,
                        not_after: not_before.wrapping_add(length),
                    }
                }
            };
            Step {
                sequence,
                at,
                change,
            }
        });
        Self(steps.collect())
    }
}
