//! Keys that are numbers.

use super::{RecordError, Space, StorageError};

/// Numbers one after the other, most significant byte first, so that keys sort as numbers do.
pub(crate) fn key(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// The numbers that a key in `space` is made of, as many as its keys have.
pub(crate) fn numbers<const N: usize>(space: Space, key: &[u8]) -> Result<[u64; N], StorageError> {
    let (chunks, rest) = key.as_chunks();
    let chunks: Option<&[[u8; 8]; N]> = chunks.try_into().ok().filter(|_| rest.is_empty());
    match chunks {
        Some(chunks) => Ok(chunks.map(u64::from_be_bytes)),
        None => Err(StorageError::Damaged {
            space,
            error: RecordError::Key,
        }),
    }
}
