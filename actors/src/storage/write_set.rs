//! Everything that one operation changes.

use super::{Record, Space, StorageError};

/// Everything that one operation changes: committed whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct WriteSet(pub(super) Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl WriteSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record, or replaces the one at `key`.
    pub fn put<R: Record>(
        &mut self,
        space: Space,
        key: &[u8],
        record: &R,
    ) -> Result<(), StorageError> {
        let bytes = record.to_bytes();
        let bytes = bytes.map_err(|error| StorageError::Damaged { space, error })?;
        self.put_bytes(space, key, bytes);
        Ok(())
    }

    /// Adds a record that is encoded already.
    pub fn put_bytes(&mut self, space: Space, key: &[u8], bytes: Vec<u8>) {
        self.0.push((space.key(key), Some(bytes)));
    }

    /// Removes the record at `key`, if there is one.
    pub fn remove(&mut self, space: Space, key: &[u8]) {
        self.0.push((space.key(key), None));
    }

    /// Adds everything from `other`.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
