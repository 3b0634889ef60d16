//! Writes that are decided and not yet in the database: the committer adds them, and the applier takes
//! out those that it has put there.
//!
//! Whoever has decided a write sees it at once, by looking here before looking in the database.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Fuse;
use std::ops::{Bound, RangeBounds};
use std::sync::{PoisonError, RwLock};

use sled::IVec;

use super::shield::{Entry, Shielded};

/// Keys with the values that they are about to have; none for those about to go.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<IVec>>;

/// About how many bytes changes have.
pub(super) fn size_of(changes: &Changes) -> usize {
    changes
        .iter()
        .map(|(key, value)| size_of_one(key, value.as_ref()))
        .sum()
}

/// About how many bytes a change has.
fn size_of_one(key: &[u8], value: Option<&IVec>) -> usize {
    key.len() + value.map_or(0, |value| value.len())
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pending(RwLock<BTreeMap<Vec<u8>, Change>>);

/// What is about to become of a key.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Of the commit that it belongs to.
    number: u64,
    /// Its value then; none if it goes.
    pub(super) value: Option<IVec>,
}

impl Pending {
    /// Adds the changes of commit `number`, the newest of all.
    pub(super) fn add(&self, number: u64, changes: &Changes) {
        let mut pending = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            let value = value.clone();
            pending.insert(key.clone(), Change { number, value });
        }
    }

    /// Forgets `changes`, which are in the database now, but for those keys that a
    /// commit after `newest` changes again.
    pub(super) fn forget(&self, changes: &Changes, newest: u64) {
        let mut pending = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for key in changes.keys() {
            if pending
                .get(key)
                .is_some_and(|change| change.number <= newest)
            {
                pending.remove(key);
            }
        }
    }

    /// What is about to become of a key, if anything.
    pub(super) fn get(&self, key: &[u8]) -> Option<Change> {
        let pending = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pending.get(key).cloned()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let pending = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pending.is_empty()
    }

    /// All that is about to become of keys that begin with `prefix`.
    fn with_prefix(&self, prefix: &[u8]) -> VecDeque<(Vec<u8>, Option<IVec>)> {
        let pending = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let changes = pending.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let changes = changes.take_while(|(key, _)| key.starts_with(prefix));
        let changes = changes.map(|(key, change)| (key.clone(), change.value.clone()));
        changes.collect()
    }

    /// All that is about to become of keys in a range.
    fn range(&self, range: impl RangeBounds<[u8]>) -> VecDeque<(Vec<u8>, Option<IVec>)> {
        let pending = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let changes = pending.range::<[u8], _>(range);
        let changes = changes.map(|(key, change)| (key.clone(), change.value.clone()));
        changes.collect()
    }
}

/// Records in order, as they are about to be. Can be walked from both ends.
pub(super) struct Merged {
    /// Fused: what comes into the tree later is among `changes`.
    stored: Fuse<Shielded>,
    /// What was read ahead at either end.
    front: Option<Entry>,
    back: Option<Entry>,
    changes: VecDeque<(Vec<u8>, Option<IVec>)>,
}

impl Merged {
    /// All records in a tree whose key begins with `prefix`.
    pub(super) fn with_prefix(tree: &sled::Tree, pending: &Pending, prefix: &[u8]) -> Self {
        // What becomes stored between these two is seen twice, and is the same.
        let changes = pending.with_prefix(prefix);
        Self::new(tree.scan_prefix(prefix), changes)
    }

    /// All records in a tree with `from` ≤ key ≤ `to`.
    pub(super) fn between(tree: &sled::Tree, pending: &Pending, from: &[u8], to: &[u8]) -> Self {
        let changes = if from <= to {
            pending.range((Bound::Included(from), Bound::Included(to)))
        } else {
            VecDeque::new()
        };
        Self::new(tree.range(from..=to), changes)
    }

    fn new(stored: sled::Iter, changes: VecDeque<(Vec<u8>, Option<IVec>)>) -> Self {
        Self {
            stored: Shielded(stored).fuse(),
            front: None,
            back: None,
            changes,
        }
    }
}

impl Iterator for Merged {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if self.front.is_none() {
                self.front = self.stored.next().or_else(|| self.back.take());
            }
            let Some((changed, _)) = self.changes.front() else {
                return self.front.take();
            };
            match &self.front {
                Some(Err(_)) => return self.front.take(),
                Some(Ok((key, _))) if **key < **changed => return self.front.take(),
                Some(Ok((key, _))) if **key == **changed => self.front = None,
                Some(Ok(_)) | None => {}
            }
            if let Some((key, Some(value))) = self.changes.pop_front() {
                return Some(Ok((key.into(), value)));
            }
        }
    }
}

impl DoubleEndedIterator for Merged {
    fn next_back(&mut self) -> Option<Entry> {
        loop {
            if self.back.is_none() {
                self.back = self.stored.next_back().or_else(|| self.front.take());
            }
            let Some((changed, _)) = self.changes.back() else {
                return self.back.take();
            };
            match &self.back {
                Some(Err(_)) => return self.back.take(),
                Some(Ok((key, _))) if **key > **changed => return self.back.take(),
                Some(Ok((key, _))) if **key == **changed => self.back = None,
                Some(Ok(_)) | None => {}
            }
            if let Some((key, Some(value))) = self.changes.pop_back() {
                return Some(Ok((key.into(), value)));
            }
        }
    }
}
