//! How certificates that were read are kept: compressed with one of this node's own as a sample, since
//! what a node issues differs in little but the key and the signature.

use std::sync::OnceLock;

use super::store::{DICTIONARY, compress, decompress};
use crate::storage::{RecordError, Space, StorageError};

/// The sample: the first certificate that was compressed since the start. So what is compressed is read in
/// this process alone.
#[derive(Debug, Default)]
pub(super) struct Sample(OnceLock<Vec<u8>>);

impl Sample {
    /// None of one that is too long.
    pub(super) fn compress(&self, der: &[u8]) -> Option<Vec<u8>> {
        let dictionary = self.0.get_or_init(|| [DICTIONARY, der].concat());
        compress(der, dictionary).ok()
    }

    pub(super) fn decompress(&self, compressed: &[u8]) -> Result<Vec<u8>, StorageError> {
        // Whatever is compressed was so with it.
        let dictionary = self.0.get().map_or(DICTIONARY, Vec::as_slice);
        decompress(compressed, dictionary).map_err(|error: RecordError| StorageError::Damaged {
            space: Space::LogEntries,
            error,
        })
    }
}
