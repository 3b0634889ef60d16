//! Entries of the log as they lie on disk: packed, since certificates of one node are much alike.
//!
//! What an entry *is* are its canonical bytes: a version byte of 1, then its fields. They are what
//! is chained, exported and hashed. Until data format 3 they were also what is stored; since then
//! what is stored is a version byte of 2, the length of the canonical bytes, and these as an LZ4
//! block with a dictionary. Both are read for ever. (Of the many blocks that say the same, which one is
//! stored does not matter.)

use std::borrow::Cow;

use lz4_flex::block::{compress_with_dict, decompress_into_with_dict};

use crate::storage::RecordError;

/// The version byte of canonical bytes.
pub(super) const CANONICAL: u8 = 1;

/// The version byte of packed ones.
pub(super) const PACKED: u8 = 2;

/// Two ID-Certs of `bob@node.example.org`, one with Ed25519 and one with P-256. Changing a byte of
/// it would make every log unreadable.
pub(in crate::cert_registry) const DICTIONARY: &[u8] = include_bytes!("dictionary.der");

/// The longest entry there can be: certificates are far shorter. A damaged length asks for no more.
const LONGEST: usize = 64 * 1024;

/// Canonical bytes, packed.
pub(super) fn pack(canonical: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut stored = vec![PACKED];
    stored.append(&mut compress(canonical, DICTIONARY)?);
    Ok(stored)
}

/// The canonical bytes of what is stored.
pub(in crate::cert_registry) fn canonical(stored: &[u8]) -> Result<Cow<'_, [u8]>, RecordError> {
    match stored.split_first() {
        Some((&CANONICAL, _)) => Ok(Cow::Borrowed(stored)),
        Some((&PACKED, packed)) => {
            let canonical = decompress(packed, DICTIONARY)?;
            if canonical.first() == Some(&CANONICAL) {
                Ok(Cow::Owned(canonical))
            } else {
                Err(damaged("its version is another"))
            }
        }
        Some((version, _)) => Err(RecordError::Version(*version)),
        None => Err(damaged("no bytes")),
    }
}

/// Something with a certificate in it, compressed: its length and an LZ4 block with the dictionary, which
/// should be much like it.
pub(in crate::cert_registry) fn compress(
    bytes: &[u8],
    dictionary: &[u8],
) -> Result<Vec<u8>, RecordError> {
    let length = u32::try_from(bytes.len()).ok();
    let length = length.filter(|_| bytes.len() <= LONGEST);
    let length = length.ok_or_else(|| damaged("it is too long"))?;
    let block = compress_with_dict(bytes, dictionary);
    Ok([&length.to_le_bytes()[..], &block].concat())
}

/// What was compressed with this dictionary.
pub(in crate::cert_registry) fn decompress(
    compressed: &[u8],
    dictionary: &[u8],
) -> Result<Vec<u8>, RecordError> {
    let (length, block) = compressed
        .split_first_chunk()
        .ok_or_else(|| damaged("no length"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(damaged("its length is not one"));
    }
    let mut bytes = vec![0; length];
    match decompress_into_with_dict(block, &mut bytes, dictionary) {
        Ok(found) if found == length => Ok(bytes),
        Ok(_) => Err(damaged("its length is another")),
        Err(error) => Err(RecordError::Fields(error.to_string())),
    }
}

fn damaged(what: &str) -> RecordError {
    RecordError::Fields(what.to_owned())
}
