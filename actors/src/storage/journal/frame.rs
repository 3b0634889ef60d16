//! One commit as it lies in the journal.
//!
//! The database's name for itself (16 bytes), the number of the commit, how many commits are settled
//! (8 bytes each, big-endian), the length of the body (4), a digest of all of that and the body (16 of
//! SHA-256's bytes), then the body: the changes in bincode. Each begins in a sector of its own, so
//! that a write that is torn takes nothing with it that was on disk before.
//!
//! The name is a secret of the node, so nobody can send something that looks like a commit. It is looked
//! at before anything else.

use bincode::config::{self, Configuration};
use sha2::{Digest as _, Sha256};

use super::super::pending::Changes;

/// Disks write a sector whole.
pub(in crate::storage) const SECTOR: usize = 512;

const FIELDS: usize = 36;

const DIGEST: usize = 16;

const HEADER: usize = FIELDS + DIGEST;

/// Name and digest are looked at first, so a length in here is one that we have written.
const BINCODE: Configuration = config::standard();

/// A key, and its value; none if it goes.
type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// A commit in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage) struct Frame {
    /// Which commit.
    pub(in crate::storage) number: u64,
    /// How many commits were settled when it was written.
    pub(in crate::storage) settled: u64,
    pub(in crate::storage) changes: Changes,
}

/// A frame's header and body, up to the end of its last sector.
pub(super) fn encode(
    database: &[u8; 16],
    number: u64,
    settled: u64,
    changes: &Changes,
) -> Result<Vec<u8>, bincode::error::EncodeError> {
    let mut frame = Vec::with_capacity(HEADER);
    frame.extend(database);
    frame.extend(number.to_be_bytes());
    frame.extend(settled.to_be_bytes());
    frame.resize(HEADER, 0);
    let changes: Vec<Change<'_>> = changes
        .iter()
        .map(|(key, value)| (key.as_slice(), value.as_deref()))
        .collect();
    let length = bincode::encode_into_std_write(changes, &mut frame, BINCODE)?;
    let length = u32::try_from(length)
        .map_err(|_| bincode::error::EncodeError::Other("more than 4 GiB in one commit"))?;
    overwrite(&mut frame, FIELDS - 4, &length.to_be_bytes());
    let digest = digest(&frame);
    overwrite(&mut frame, FIELDS, &digest);
    frame.resize(frame.len().next_multiple_of(SECTOR), 0);
    Ok(frame)
}

/// The frame of this database that begins `bytes`, and its length with what fills its last sector, if
/// there is one.
pub(super) fn decode(database: &[u8; 16], bytes: &[u8]) -> Option<(Frame, usize)> {
    bytes.starts_with(database).then_some(())?;
    let number = |at: usize| Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let length = u32::from_be_bytes(*bytes.get(FIELDS - 4..)?.first_chunk()?);
    let end = HEADER.checked_add(usize::try_from(length).ok()?)?;
    let frame = bytes.get(..end)?;
    if digest(frame) != frame.get(FIELDS..HEADER)? {
        return None;
    }
    let body = frame.get(HEADER..)?;
    let (changes, read) =
        bincode::borrow_decode_from_slice::<Vec<Change<'_>>, _>(body, BINCODE).ok()?;
    let changes = changes
        .into_iter()
        .map(|(key, value)| (key.to_vec(), value.map(sled::IVec::from)));
    (read == body.len()).then_some(())?;
    let frame = Frame {
        number: number(16)?,
        settled: number(24)?,
        changes: changes.collect(),
    };
    Some((frame, end.next_multiple_of(SECTOR)))
}

/// Over everything but itself.
fn digest(frame: &[u8]) -> [u8; DIGEST] {
    let (fields, rest) = frame.split_at(FIELDS.min(frame.len()));
    let body = rest.get(DIGEST..).unwrap_or_default();
    let whole: [u8; 32] = Sha256::new()
        .chain_update(fields)
        .chain_update(body)
        .finalize()
        .into();
    let mut digest = [0; DIGEST];
    digest
        .iter_mut()
        .zip(whole)
        .for_each(|(to, from)| *to = from);
    digest
}

fn overwrite(frame: &mut [u8], at: usize, bytes: &[u8]) {
    frame
        .iter_mut()
        .skip(at)
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
}
