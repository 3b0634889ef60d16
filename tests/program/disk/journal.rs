//! What happened to the files below one directory, as the library wrote it down.

use std::fs;
use std::path::{Path, PathBuf};

/// One change of a file or a name, or an fsync.
#[derive(Debug)]
pub(super) struct Step {
    /// Where its record ends in the journal.
    end: u64,
    pub(super) kind: u8,
    pub(super) at: u64,
    pub(super) path: PathBuf,
    pub(super) data: Vec<u8>,
}

pub(super) const CREATE: u8 = 1;
pub(super) const WRITE: u8 = 2;
pub(super) const SYNC: u8 = 3;
pub(super) const DATASYNC: u8 = 4;
pub(super) const RENAME: u8 = 5;
pub(super) const UNLINK: u8 = 6;
pub(super) const MKDIR: u8 = 7;
pub(super) const TRUNCATE: u8 = 8;
pub(super) const FAILED_SYNC: u8 = 9;

/// What happened to the files below one directory.
pub struct Journal {
    pub(super) steps: Vec<Step>,
}

impl Journal {
    pub fn read(journal: &Path) -> Self {
        let bytes = fs::read(journal).unwrap();
        let mut rest = bytes.as_slice();
        let mut steps = Vec::new();
        let mut take = |length: usize| {
            let (taken, after) = rest.split_at(length);
            rest = after;
            (taken.to_vec(), (bytes.len() - after.len()) as u64)
        };
        loop {
            let (header, _) = take(33);
            let number =
                |at: usize| u64::from_ne_bytes(header[1 + 8 * at..9 + 8 * at].try_into().unwrap());
            let length = |at| usize::try_from(number(at)).unwrap();
            let (path, _) = take(length(2));
            let (data, end) = take(length(3));
            steps.push(Step {
                end,
                kind: header[0],
                at: number(0),
                path: String::from_utf8(path).unwrap().into(),
                data,
            });
            if end == bytes.len() as u64 {
                return Self { steps };
            }
        }
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// How often commits were made durable between two sizes of this journal.
    pub fn syncs_between(&self, from: u64, to: u64) -> usize {
        let between = self
            .steps
            .iter()
            .filter(|step| (from + 1..=to).contains(&step.end));
        let syncs = between.filter(|step| {
            let file = step.path.parent();
            step.kind == DATASYNC
                && file.is_some_and(|directory| directory.ends_with("data/journal"))
        });
        syncs.count()
    }

    /// The most bytes that were written to a file between two fsyncs of it.
    pub fn most_between_syncs(&self, path: &Path) -> usize {
        let (mut most, mut written) = (0, 0);
        for step in self.steps.iter().filter(|step| step.path == path) {
            match step.kind {
                WRITE => written += step.data.len(),
                SYNC | DATASYNC => written = 0,
                _ => {}
            }
            most = most.max(written);
        }
        most
    }

    /// The steps that write to a file.
    pub fn writes_to(&self, path: &Path) -> Vec<usize> {
        let is_one = |(_, step): &(usize, &Step)| step.kind == WRITE && step.path == path;
        let steps = self.steps.iter().enumerate().filter(is_one);
        steps.map(|(number, _)| number).collect()
    }

    /// How many steps there were when it had this size.
    pub fn steps_at(&self, size: u64) -> usize {
        self.steps.partition_point(|step| step.end < size) + 1
    }

    /// The journal's size after so many steps.
    pub fn position(&self, steps: usize) -> u64 {
        self.steps[steps - 1].end
    }
}
