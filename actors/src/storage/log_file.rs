//! Looking for damage in sled's log before sled reads it.
//!
//! After a crash sled reads its log from its last snapshot on. Where it meets a message whose
//! checksum is wrong, it takes that for the torn end of a segment and goes on with the next one:
//! what stood behind it in that segment is silently gone. So before a database that was not closed
//! well is opened, its log is read here, and such a place is an error.
//!
//! Not every unreadable place is damage. What was not fsync'ed yet may be torn, and a segment that
//! was free may be half overwritten by the next, or, where a start was interrupted, by the zeros that
//! sled then writes over all that are free. Damage is an unreadable place before the newest
//! commit that is settled (decision 20), with readable messages of the same segment behind it, which
//! nobody could have written without writing that place first.
//!
//! The format is that of sled 0.34 (`pagecache/logger.rs`): segments of 512 KiB, each a header
//! (CRC-32, LSN, stable LSN) and messages (CRC-32, kind, length, segment number, page, body).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::applier::COMMITS;
use super::journal::SECTOR;

const SEGMENT: u64 = 512 * 1024;
const SEGMENT_HEADER: usize = 20;
/// Where less than this is left of a segment, no message begins.
const LONGEST_MESSAGE_HEADER: usize = 32;
/// Sleds's number of a message that fills up its segment, and the largest of all numbers.
const CAP: u8 = 2;
const LAST_KIND: u8 = 11;
/// sled hides its numbers behind this, so that zeros are not a valid header.
const MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;

/// A message that can be read.
struct Message<'a> {
    kind: u8,
    segment: u64,
    body: &'a [u8],
    /// Its size with its header.
    size: usize,
}

/// An unreadable place with readable messages behind it: its position in the log, and in the file.
struct Hole {
    lsn: u64,
    offset: u64,
}

/// A segment, and where it is in the file.
struct Segment {
    number: u64,
    offset: u64,
    size: usize,
}

/// What sled's log looks like, as far as sled is going to read it.
pub(super) struct LogFile {
    path: PathBuf,
    segments: Vec<Segment>,
    holes: Vec<Hole>,
    /// Where the newest settled commit stands.
    settled: u64,
}

impl LogFile {
    /// Reads the log of `database`, of which so many `commits` are settled. Where an open
    /// `was_interrupted`, sectors of zeros are no damage.
    pub(super) fn read(database: &Path, commits: u64, was_interrupted: bool) -> io::Result<Self> {
        let from = snapshot_lsn(database)? / SEGMENT;
        let path = database.join("db");
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let (mut segments, mut holes, mut settled) = (Vec::new(), Vec::new(), 0);
        let mut bytes = Vec::new();
        for offset in (0..length).step_by(usize::try_from(SEGMENT).map_err(io::Error::other)?) {
            let size = SEGMENT.min(length - offset);
            let size = usize::try_from(size).map_err(io::Error::other)?;
            bytes.resize(size, 0);
            // The header alone tells whether the rest matters.
            let (head, rest) = bytes.split_at_mut(SEGMENT_HEADER.min(size));
            file.read_exact_at(head, offset)?;
            let number = segment_number(head);
            if number.is_some_and(|number| number < from) {
                continue;
            }
            file.read_exact_at(rest, offset + head.len() as u64)?;
            let (gap, newest) = walk(&bytes, number, commits);
            settled = settled.max(newest);
            let gap = gap.filter(|gap| !(was_interrupted && has_zeros(&bytes, gap)));
            let hole = gap.map(|gap| Hole {
                lsn: lsn(gap.segment, gap.from),
                offset: offset + gap.from as u64,
            });
            holes.extend(hole.filter(|hole| hole.lsn / SEGMENT >= from));
            segments.extend(number.map(|number| Segment {
                number,
                offset,
                size,
            }));
        }
        Ok(Self {
            path,
            segments,
            holes,
            settled,
        })
    }

    /// The byte near which it is damaged, if it is.
    pub(super) fn damage(&self) -> Option<u64> {
        let is_damage = |hole: &&Hole| hole.lsn < self.settled;
        self.holes.iter().find(is_damage).map(|hole| hole.offset)
    }

    /// Writes what is not settled once more, as it is, and makes it durable. Where the disk once
    /// refused it, the system goes on showing it, and neither writes it again nor fails the next
    /// fsync: what sled then put behind it would be lost with it at the next power cut.
    pub(super) fn write_unsettled_again(&self) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(&self.path)?;
        let mut bytes = Vec::new();
        for segment in &self.segments {
            if segment.number >= self.settled / SEGMENT {
                bytes.resize(segment.size, 0);
                file.read_exact_at(&mut bytes, segment.offset)?;
                file.write_all_at(&bytes, segment.offset)?;
            }
        }
        file.sync_data()
    }
}

/// Removes what sled was writing down of its log when it was stopped. It would take that for its
/// newest snapshot, find that it is not whole, and refuse the database; without it, it reads the one
/// before.
pub(super) fn remove_unfinished_snapshots(database: &Path) -> io::Result<()> {
    for entry in fs::read_dir(database)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Up to where sled need not read its log: it is in the name of its newest snapshot.
fn snapshot_lsn(database: &Path) -> io::Result<u64> {
    let mut newest = 0;
    for entry in fs::read_dir(database)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("snap."));
        let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
        newest = newest.max(number.unwrap_or(0));
    }
    Ok(newest)
}

/// The number of the segment with this header.
fn segment_number(header: &[u8]) -> Option<u64> {
    let crc = u32::from_le_bytes(*header.first_chunk()?);
    let fields = header.get(4..SEGMENT_HEADER)?;
    let lsn = u64::from_le_bytes(*fields.first_chunk()?) ^ MASK;
    (crc == !crc32fast::hash(fields)).then_some(lsn / SEGMENT)
}

/// The unreadable part of a segment, up to the next message that can be read, and that one's segment.
struct Gap {
    segment: u64,
    from: usize,
    to: usize,
}

/// Whether a whole sector there is zeros.
fn has_zeros(bytes: &[u8], gap: &Gap) -> bool {
    let sectors = bytes.get(gap.from / SECTOR * SECTOR..gap.to);
    let mut sectors = sectors.unwrap_or_default().chunks_exact(SECTOR);
    sectors.any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// Reads a segment: its gap, if it has one, and where the newest of `commits` stands in it.
fn walk(bytes: &[u8], number: Option<u64>, commits: u64) -> (Option<Gap>, u64) {
    let mut newest = 0;
    let mut at = SEGMENT_HEADER;
    if let Some(number) = number {
        while at + LONGEST_MESSAGE_HEADER <= bytes.len() {
            match message(bytes, at).filter(|message| message.segment == number) {
                Some(message) if message.kind == CAP => return (None, newest),
                Some(message) => {
                    if commit(message.body).is_some_and(|commit| commit <= commits) {
                        newest = lsn(number, at);
                    }
                    at += message.size;
                }
                None => break,
            }
        }
    }
    let gap = (at..bytes.len()).find_map(|behind| {
        let segment = message(bytes, behind)?.segment;
        let is_its_own = number.is_none() || number == Some(segment);
        is_its_own.then_some(Gap {
            segment,
            from: at,
            to: behind,
        })
    });
    (gap, newest)
}

fn lsn(segment: u64, at: usize) -> u64 {
    segment.saturating_mul(SEGMENT).saturating_add(at as u64)
}

/// The message at `at`, if there is one.
fn message(bytes: &[u8], at: usize) -> Option<Message<'_>> {
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

/// The number of the commit that a message counts.
fn commit(body: &[u8]) -> Option<u64> {
    // Pages with many records are not the counter's.
    if body.len() > 256 {
        return None;
    }
    let at = body
        .windows(COMMITS.len())
        .position(|window| window == COMMITS)?;
    // The key, the length of the value, and the value.
    let value = body.get(at + COMMITS.len()..)?.strip_prefix(&[8])?;
    Some(u64::from_be_bytes(*value.first_chunk()?))
}
