//! sled behind a shield: it asserts where its files are damaged, so its panics are errors, too.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What sled does, its errors as text. What a panic leaves locked or half done is sled's own memory,
/// not ours.
pub(super) fn shielded<T>(action: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("sled gave up".to_owned()),
    }
}

/// Drops a handle of sled's. The last one closes the database, which may fail.
pub(super) fn let_go<T>(handle: T) {
    let dropped = shielded(|| {
        drop(handle);
        Ok(())
    });
    if let Err(reason) = dropped {
        tracing::error!(reason, "the database was not closed well");
    }
}

/// An iterator of sled's, shielded.
pub(super) struct Shielded(pub(super) sled::Iter);

pub(super) type KeyValue = (sled::IVec, sled::IVec);
pub(super) type Entry = Result<KeyValue, String>;

impl Shielded {
    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<KeyValue>>,
    ) -> Option<Entry> {
        shielded(|| step(&mut self.0).transpose()).transpose()
    }
}

impl Iterator for Shielded {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Shielded {
    fn next_back(&mut self) -> Option<Entry> {
        self.step(DoubleEndedIterator::next_back)
    }
}
