//! What is derived from the log, made anew.

use super::new_event::Facts;
use super::store::{self, Entry, Store};
use crate::storage::{Record as _, Space, Storage, StorageError, WriteSet, numbers};

/// How many changes are made at once while indexes are rebuilt.
const AT_ONCE: usize = 1024;

/// What is derived from the log.
const INDEXES: [Space; 5] = [
    Space::ServerCertIndex,
    Space::SessionCertIndex,
    // Only to be emptied.
    Space::FormerSessions,
    Space::LiveSessions,
    Space::SerialNumbers,
];

/// Whether every entry of the log can be read.
pub(crate) fn check_entries(storage: &Storage) -> Result<(), StorageError> {
    for found in storage.scan::<Entry>(Space::LogEntries, &[]) {
        let (number, entry) = found?;
        let [sequence] = numbers(Space::LogEntries, &number)?;
        Facts::read(sequence, &entry)
            .map_err(|error| StorageError::Unreadable(error.to_string()))?;
    }
    Ok(())
}

/// Writes the indexes of the log anew.
pub(crate) async fn rebuild_indexes(storage: &Storage) -> Result<(), StorageError> {
    for space in INDEXES {
        storage.clear(space).await?;
    }
    let store = Store::new(storage.clone());
    let mut since_sync = 0;
    for found in storage.scan_bytes(Space::LogEntries, &[]) {
        let (number, stored) = found?;
        let [sequence] = numbers(Space::LogEntries, &number)?;
        let entry = Entry::from_bytes(&stored).map_err(|error| StorageError::Damaged {
            space: Space::LogEntries,
            error,
        })?;
        let mut writes = WriteSet::new();
        let indexed = Facts::read(sequence, &entry)
            .and_then(|facts| {
                let last = store.last_run_before(&entry)?;
                store.index(sequence, &entry, facts, last, &mut writes)
            })
            .and_then(|()| store::index_by_serial_number(sequence, &entry, &stored));
        let indexed = indexed.map_err(|error| StorageError::Unreadable(error.to_string()))?;
        if let Some((space, key, bytes)) = indexed {
            writes.put_bytes(space, &key, bytes);
        }
        since_sync += writes.len();
        // The next entry needs to see what this one wrote, which it does at once; on disk it must
        // be in the end.
        let committed = storage.commit(writes);
        if since_sync > AT_ONCE {
            since_sync = 0;
            committed.await?;
        }
    }
    storage.commit(WriteSet::new()).await
}
