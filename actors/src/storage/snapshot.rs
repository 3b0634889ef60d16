//! Reading everything as it was at one instant, while writing goes on.
//!
//! A snapshot walks through the keys in order. Whoever changes a key that it has not reached yet
//! leaves the value of before for it ([`Past::remember`]). So it costs memory only for what changes
//! ahead of it, and nobody waits for it.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::pending::Changes;
use super::shield::{Trouble, shielded};
use super::{Space, Storage, StorageError};

/// How many records are read at once; writers wait meanwhile.
const AT_ONCE: usize = 256;

/// What a snapshot in progress needs to know of the past.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Everything before has been read.
    reached: Vec<u8>,
    /// Of keys not reached that were changed: the value at the instant, or none.
    replaced: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Everything in the store as it was at one instant.
#[derive(Debug)]
pub struct Snapshot {
    storage: Storage,
    is_done: bool,
}

/// A key without its space, its space, and the bytes of the record there.
pub type RawRecord = (Space, Vec<u8>, Vec<u8>);

impl Past {
    /// Keeps the values that `changes` are about to replace.
    pub(super) fn remember(&mut self, tree: &sled::Tree, changes: &Changes) -> Result<(), Trouble> {
        for key in changes.keys() {
            if *key >= self.reached && !self.replaced.contains_key(key) {
                let value = shielded(|| tree.get(key))?;
                self.replaced
                    .insert(key.clone(), value.map(|value| value.to_vec()));
            }
        }
        Ok(())
    }
}

impl Storage {
    /// Everything as it is now, all of it on disk. One at a time; `None` while there is another.
    pub async fn snapshot(&self) -> Result<Option<Snapshot>, StorageError> {
        // What was committed before must be in the database, and so in the snapshot.
        self.settle().await?;
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.is_some() {
            return Ok(None);
        }
        *past = Some(Past::default());
        drop(past);
        Ok(Some(Snapshot {
            storage: self.clone(),
            is_done: false,
        }))
    }
}

impl Snapshot {
    /// The next records, in the order of space and key; none at the end.
    pub fn next_records(&mut self) -> Result<Vec<RawRecord>, StorageError> {
        let mut found = Vec::new();
        while found.is_empty() && !self.is_done {
            for (key, value) in self.next_entries()? {
                if let Some((space, key)) = Space::split(&key) {
                    found.push((space, key.to_vec(), value));
                } else {
                    return Err(StorageError::Unreadable(format!(
                        "a key of no known space begins with {:?}",
                        key.first()
                    )));
                }
            }
        }
        Ok(found)
    }

    fn next_entries(&mut self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StorageError> {
        let mut past = self
            .storage
            .past
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(past) = past.as_mut() else {
            return Ok(BTreeMap::new());
        };
        let tree = &self.storage.tree;
        let read = shielded(|| {
            let entries = tree.range(past.reached.clone()..).take(AT_ONCE);
            entries.collect::<Result<Vec<_>, _>>()
        });
        let read = read.map_err(|trouble| self.storage.committer.unreadable(&trouble))?;
        let mut entries: BTreeMap<_, _> = read
            .iter()
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect();
        // What was changed up to where this has read belongs to it; the rest is for later.
        let later = match read.last() {
            Some((last, _)) if read.len() == AT_ONCE => {
                past.reached = [last, &[0][..]].concat();
                past.replaced.split_off(&past.reached)
            }
            _ => {
                self.is_done = true;
                BTreeMap::new()
            }
        };
        for (key, value) in std::mem::replace(&mut past.replaced, later) {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(entries)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut past = self
            .storage
            .past
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *past = None;
    }
}
