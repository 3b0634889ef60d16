//! Serial numbers: none is used twice by a node (RFC 5280 §4.1.2.2), and none is remembered.
//!
//! The nth serial number is a secret permutation of n, so what must never repeat is n. It is the
//! number of this run of the node, then the count of what this run has drawn. A run's number is on
//! disk before the run draws any, is greater than those before, and is not less than the UNIX second
//! at which it begins: so also a node that was restored from a backup does not repeat a run that
//! the backup does not know of.

#[cfg(test)]
mod tests;

use antiphon_protocol::{SerialNumber, SerialNumbers};
use rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::storage::{Record, Space, Storage, StorageError, WriteSet};
use crate::verify::Report;

/// How many bits of n count what a run draws. The rest are enough for UNIX seconds until 2106.
const DRAWN_BITS: u32 = SerialNumbers::BITS - 32;

/// What serial numbers come from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Source {
    key: [u8; 32],
    /// The number of the newest run.
    run: u32,
}

impl Record for Source {
    const VERSION: u8 = 1;
}

/// Looks whether what serial numbers come from can be read.
pub(crate) fn verify(storage: &Storage, report: &mut Report) {
    report.each(storage, Space::SerialSource, |_, _, Source { .. }| ());
}

/// The serial numbers of this run of the node.
#[derive(Debug)]
pub struct Serials {
    numbers: SerialNumbers,
    run: u32,
    drawn: u32,
}

impl Serials {
    /// Begins a run.
    pub async fn begin(storage: &Storage, clock: &dyn Clock) -> Result<Self, StorageError> {
        let known = storage.get::<Source>(Space::SerialSource, &[])?;
        let mut source = known.unwrap_or_else(|| {
            let mut key = [0; 32];
            OsRng.fill_bytes(&mut key);
            Source { key, run: 0 }
        });
        let now = u32::try_from(clock.now().as_secs()).unwrap_or_default();
        source.run = now.max(source.run.saturating_add(1));
        let mut writes = WriteSet::new();
        writes.put(Space::SerialSource, &[], &source)?;
        storage.commit(writes).await?;
        Ok(Self {
            numbers: SerialNumbers::new(&source.key),
            run: source.run,
            drawn: 0,
        })
    }

    /// The next one; none once this run has drawn two thousand million, until a restart.
    pub(super) fn draw(&mut self) -> Option<SerialNumber> {
        // The last number that a run can have may be that of several.
        let drawn = Some(self.drawn + 1).filter(|_| self.run < u32::MAX);
        self.drawn = drawn.filter(|drawn| drawn >> DRAWN_BITS == 0)?;
        let drawn = self.drawn;
        Some(
            self.numbers
                .nth(u64::from(self.run) << DRAWN_BITS | u64::from(drawn)),
        )
    }
}
