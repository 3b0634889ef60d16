//! How certificates that were read are kept: compressed with one of this node's own as a sample, since
//! what a node issues differs in little but the key and the signature.

use std::sync::OnceLock;

use super::store::{DICTIONARY, compress, decompress};
use crate::storage::{Space, StorageError};

/// The sample: the first certificate that was compressed since the start. So what is compressed is read in
/// this process alone.
#[derive(Debug, Default)]
pub(super) struct Sample(OnceLock<Vec<u8>>);

impl Sample {
    /// Takes a certificate as the sample, if there is none.
    pub(super) fn offer(&self, der: &[u8]) -> &[u8] {
        self.0.get_or_init(|| [DICTIONARY, der].concat())
    }

    /// None of one that is too long.
    pub(super) fn compress(&self, der: &[u8]) -> Option<Vec<u8>> {
        compress(der, self.offer(der)).ok()
    }

    pub(super) fn decompress(&self, compressed: &[u8]) -> Result<Vec<u8>, StorageError> {
        // Whatever is compressed was so with it.
        let dictionary = self.0.get().map_or(DICTIONARY, Vec::as_slice);
        decompress(compressed, dictionary).map_err(|error| StorageError::Damaged {
            space: Space::LogEntries,
            error,
        })
    }
}
