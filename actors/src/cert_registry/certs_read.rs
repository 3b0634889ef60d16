//! Certificates that were read from the log, once more where a single read of some bytes finds them. In
//! the log, each costs the reading and the decoding of a page with several.
//!
//! No entry ever changes, nor does its number go to another one while this process runs, so what is kept of
//! one is good for as long as it is kept.

use std::sync::Arc;

use super::RegistryError;
use super::sample::Sample;
use super::store::Store;
use crate::storage::{Slot, Slots};

/// How many entries are kept at once: those of the page of the log that is read, and of two more at most. Their
/// slots are a page of the system's.
const BLOCK: u64 = 16;

/// The certificates, by entry.
#[derive(Debug)]
pub(super) struct CertsRead {
    pub(super) slots: Option<Slots>,
    sample: Arc<Sample>,
}

impl CertsRead {
    pub(super) fn new(slots: Option<Slots>, sample: Arc<Sample>) -> Self {
        Self { slots, sample }
    }

    /// The certificate that an entry carries; with `keeps`, it and those beside it are kept.
    pub(super) fn cert(
        &self,
        store: &Store,
        sequence: u64,
        keeps: bool,
    ) -> Result<Vec<u8>, RegistryError> {
        let Some(slots) = &self.slots else {
            return store.cert(sequence);
        };
        match slots.get(sequence) {
            Slot::TooLong => return store.cert(sequence),
            Slot::Bytes(compressed) => {
                // What cannot be read here is in the log.
                if let Ok(der) = self.sample.decompress(&compressed) {
                    return Ok(der);
                }
            }
            Slot::Empty => {}
        }
        let der = store.cert(sequence)?;
        if keeps && slots.has_room() {
            // What is asked for is a better sample than what happens to stand beside it.
            self.sample.offer(&der);
            self.keep_around(slots, store, sequence);
        }
        Ok(der)
    }

    /// Keeps the certificates of the block in which an entry is.
    fn keep_around(&self, slots: &Slots, store: &Store, sequence: u64) {
        let first = sequence - sequence % BLOCK;
        // What is damaged is the trouble of whoever asks for it.
        let Ok(certs) = store.certs(first..=first | (BLOCK - 1)) else {
            return;
        };
        let compressed = certs.map(|der| self.sample.compress(&der?));
        slots.put(first, &compressed.collect::<Vec<_>>());
    }
}
