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

/// How many entries are kept at once: those of some pages of the log, which are read anyway. Their slots
/// are a page of the system's.
const BLOCK: u64 = 16;

/// The certificates, by entry.
#[derive(Debug)]
pub(super) struct CertsRead {
    slots: Slots,
    sample: Arc<Sample>,
}

impl CertsRead {
    pub(super) fn new(slots: Slots, sample: Arc<Sample>) -> Self {
        Self { slots, sample }
    }

    /// The certificate that an entry carries.
    pub(super) fn cert(&self, store: &Store, sequence: u64) -> Result<Vec<u8>, RegistryError> {
        match self.slots.get(sequence) {
            Slot::Bytes(compressed) => Ok(self.sample.decompress(&compressed)?),
            Slot::TooLong => store.cert(sequence),
            Slot::Empty => {
                let der = store.cert(sequence)?;
                if self.slots.has_room() {
                    // What is asked for is a better sample than what happens to stand beside it.
                    self.sample.offer(&der);
                    self.keep_around(store, sequence);
                }
                Ok(der)
            }
        }
    }

    /// How many bytes are kept of the certificate of an entry.
    #[cfg(test)]
    pub(super) fn length(&self, sequence: u64) -> usize {
        match self.slots.get(sequence) {
            Slot::Bytes(compressed) => compressed.len(),
            Slot::Empty | Slot::TooLong => 0,
        }
    }

    /// Keeps the certificates of the block in which an entry is.
    fn keep_around(&self, store: &Store, sequence: u64) {
        let first = sequence - sequence % BLOCK;
        let certs = store.certs(first..=first | (BLOCK - 1));
        // What cannot be read is the trouble of whoever asks for it.
        let compressed = certs.map(|der| self.sample.compress(&der?));
        self.slots.put(first, &compressed.collect::<Vec<_>>());
    }
}
