//! How sled 0.34 writes its log (`pagecache/logger.rs`): segments of one length, each a header (CRC-32,
//! LSN, stable LSN) and messages (CRC-32, kind, length, segment number, page, body).

use crate::storage::applier::COMMITS;

pub(super) const SEGMENT_HEADER: usize = 20;
/// More than any message takes that this program has sled write, in bytes: a page of at most 17 of the longest
/// records there have been, or what fills up a segment in which such a one had no room.
pub(super) const LONGEST_MESSAGE: usize = 132 * 1024;
/// Where less than this is left of a segment, no message begins.
pub(super) const LONGEST_MESSAGE_HEADER: usize = 32;
/// sled's number of a message that fills up its segment, of a change of a page, and the largest.
pub(super) const CAP: u8 = 2;
const LINK: u8 = 10;
const LAST_KIND: u8 = 11;
/// sled hides its numbers behind this, so that zeros are not a valid header.
const MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;

/// The header of a segment.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Header {
    pub(in crate::storage) lsn: u64,
    /// Up to here the log was on disk when the segment was begun: −1 at the very beginning.
    pub(in crate::storage) stable: i64,
}

impl Header {
    pub(in crate::storage) fn read(bytes: &[u8]) -> Option<Self> {
        let crc = u32::from_le_bytes(*bytes.first_chunk()?);
        let fields = bytes.get(4..SEGMENT_HEADER)?;
        let lsn = u64::from_le_bytes(*fields.first_chunk()?) ^ MASK;
        let stable = u64::from_le_bytes(*fields.last_chunk()?) ^ MASK;
        let stable = stable.cast_signed();
        (crc == !crc32fast::hash(fields)).then_some(Self { lsn, stable })
    }

    /// The number of its segment, where segments have so many bytes.
    pub(in crate::storage) fn segment(self, size: u64) -> u64 {
        self.lsn / size
    }

    pub(super) fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        let (crc, fields) = bytes.split_at_mut(4);
        let (lsn, stable) = fields.split_at_mut(8);
        lsn.copy_from_slice(&(self.lsn ^ MASK).to_le_bytes());
        stable.copy_from_slice(&(self.stable.cast_unsigned() ^ MASK).to_le_bytes());
        crc.copy_from_slice(&(!crc32fast::hash(fields)).to_le_bytes());
        bytes
    }
}

/// A message that can be read.
pub(in crate::storage) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) segment: u64,
    pub(super) body: &'a [u8],
    /// Its size with its header.
    pub(super) size: usize,
}

/// The message at `at`, if there is one.
pub(in crate::storage) fn message(bytes: &[u8], at: usize) -> Option<Message<'_>> {
    let message = bytes.get(at..)?;
    let (crc, mut rest) = message.split_first_chunk()?;
    let kind = *rest.split_off_first()?;
    if kind == 0 || kind > LAST_KIND {
        return None;
    }
    let length = usize::try_from(number(&mut rest)?).ok()?;
    let segment = number(&mut rest)?;
    number(&mut rest)?;
    let body = rest.get(..length)?;
    let header = message.len() - rest.len();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(message.get(crc.len()..header)?);
    (hasher.finalize() == !u32::from_le_bytes(*crc)).then_some(Message {
        kind,
        segment,
        body,
        size: header + length,
    })
}

/// sled's numbers of one to nine bytes.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let first = u64::from(*bytes.split_off_first()?);
    let mut next = || Some(u64::from(*bytes.split_off_first()?));
    match first {
        0..=240 => Some(first),
        241..=248 => Some(240 + 256 * (first - 241) + next()?),
        249 => Some(2288 + 256 * next()? + next()?),
        _ => {
            let mut number = 0;
            for position in 0..first - 247 {
                number |= next()? << (8 * position);
            }
            Some(number)
        }
    }
}

/// The number of the commit that a message counts: one that sets the counter, and nothing else. Every tenth
/// or so is not seen, since sled then writes the counter's page as a whole; the one before does as well.
///
/// What clients name must not pass for that. It can be a key's end, and so all that sled writes of the
/// key; but then the value is a record, which begins with its version: the number would be 2⁵⁶ and
/// more.
pub(super) fn commit(message: &Message) -> Option<u64> {
    let setting = (message.kind == LINK).then_some(message.body)?;
    // The kind of change, then key and value, each after its length.
    let value = setting
        .strip_prefix(&[0, 7])?
        .strip_prefix(COMMITS)?
        .strip_prefix(&[8])?;
    Some(u64::from_be_bytes(value.try_into().ok()?))
}
