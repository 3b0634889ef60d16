//! Looking for damage in sled's log before sled reads it, and mending what sled would stumble over.
//!
//! After a crash sled reads its log from its last snapshot on. Where it meets a message whose
//! checksum is wrong, it takes that for the torn end of a segment and goes on with the next one:
//! what stood behind it in that segment is silently gone. So before a database that was not closed
//! well is opened, its log is read here, and such a place is an error.
//!
//! Not every unreadable place is damage. What was not fsync'ed yet may be torn, and a segment that
//! was free may be half overwritten by the next, either half, or, where a start was interrupted, by the
//! zeros that sled then writes over all that are free. Damage is an unreadable place before the newest
//! commit that is settled (decision 20), with readable messages of the same segment behind it, which
//! nobody could have written without writing that place first.

pub(super) mod format;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::journal::SECTOR;
use format::{
    CAP, Header, LONGEST_MESSAGE, LONGEST_MESSAGE_HEADER, Message, SEGMENT_HEADER, commit, message,
};

/// An unreadable place with readable messages behind it: its position in the log, and in the file.
struct Hole {
    lsn: u64,
    offset: u64,
}

/// A segment, and where it is in the file.
struct Segment {
    header: Header,
    offset: u64,
    size: usize,
    /// Whether the log goes on in the next one.
    is_full: bool,
}

/// What sled's log looks like, as far as sled is going to read it.
pub(super) struct LogFile {
    path: PathBuf,
    /// How long a segment is.
    segment_size: u64,
    /// Up to this segment sled has a snapshot.
    from: u64,
    /// In the order of the log.
    segments: Vec<Segment>,
    holes: Vec<Hole>,
    /// Where the newest settled commit stands.
    settled: u64,
}

impl LogFile {
    /// Reads the log of `database`, in segments of `segment_size` bytes, of which so many `commits` are settled.
    /// Where an open `was_interrupted`, sectors of zeros are no damage.
    pub(super) fn read(
        database: &Path,
        segment_size: usize,
        commits: u64,
        was_interrupted: bool,
    ) -> io::Result<Self> {
        let step = segment_size;
        let segment_size = segment_size as u64;
        let lsn = |segment: u64, at: usize| {
            segment
                .saturating_mul(segment_size)
                .saturating_add(at as u64)
        };
        let from = snapshot_lsn(database)? / segment_size;
        let path = database.join("db");
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let (mut segments, mut holes, mut settled) = (Vec::new(), Vec::new(), 0);
        let mut bytes = Vec::new();
        for offset in (0..length).step_by(step) {
            let size = segment_size.min(length - offset);
            let size = usize::try_from(size).map_err(io::Error::other)?;
            bytes.resize(size, 0);
            // The header alone tells whether the rest matters.
            let (head, rest) = bytes.split_at_mut(SEGMENT_HEADER.min(size));
            file.read_exact_at(head, offset)?;
            let header = Header::read(head);
            let number = header.map(|header| header.segment(segment_size));
            if number.is_some_and(|number| number < from) {
                continue;
            }
            file.read_exact_at(rest, offset + head.len() as u64)?;
            let walked = walk(&bytes, number, commits);
            settled = settled.max(walked.newest.map_or(0, |at| lsn(at.0, at.1)));
            let is_damage = |gap: &Gap| !(was_interrupted && has_zeros(&bytes, gap));
            let hole = walked.gap.filter(is_damage).map(|gap| Hole {
                lsn: lsn(gap.segment, gap.from),
                offset: offset + gap.from as u64,
            });
            holes.extend(hole.filter(|hole| hole.lsn / segment_size >= from));
            segments.extend(header.map(|header| Segment {
                header,
                offset,
                size,
                is_full: walked.is_full && bytes.len() == step,
            }));
        }
        segments.sort_unstable_by_key(|segment| segment.header.lsn);
        Ok(Self {
            path,
            segment_size,
            from,
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

    /// Makes what can be read durable, and has sled begin with the last segment of it.
    pub(super) fn make_durable(&self) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(&self.path)?;
        self.write_unsettled_again(&file)?;
        file.sync_data()?;
        self.note_what_is_stable(&file)?;
        file.sync_data()
    }

    /// Writes what is not settled once more, as it is. Where the disk once refused it, the system goes
    /// on showing it, and neither writes it again nor fails the next fsync: what sled then put behind
    /// it would be lost with it at the next power cut.
    fn write_unsettled_again(&self, file: &File) -> io::Result<()> {
        let mut bytes = Vec::new();
        for segment in &self.segments {
            if self.number(segment) >= self.settled / self.segment_size {
                bytes.resize(segment.size, 0);
                file.read_exact_at(&mut bytes, segment.offset)?;
                file.write_all_at(&bytes, segment.offset)?;
            }
        }
        Ok(())
    }

    /// Says in the header of each segment of the tail that everything before it is on disk.
    ///
    /// sled looks for the end of its log from the segment on that the newest header names, and without
    /// that one finds nothing at all. By the time it opens its file that segment may be free, and gets
    /// zeros, for which only the snapshot that sled has just written is an excuse; but whether its
    /// name or the zeros come to the disk first, nobody says.
    fn note_what_is_stable(&self, file: &File) -> io::Result<()> {
        for segment in self.tail() {
            let header = Header {
                stable: segment.header.stable.max(segment.header.lsn.cast_signed()),
                ..segment.header
            };
            file.write_all_at(&header.to_bytes(), segment.offset)?;
        }
        Ok(())
    }

    fn number(&self, segment: &Segment) -> u64 {
        segment.header.segment(self.segment_size)
    }

    /// The segments in which sled looks for the end of its log: each follows on the one before.
    fn tail(&self) -> impl Iterator<Item = &Segment> {
        let stable = self.segments.iter().map(|segment| segment.header.stable);
        let stable = u64::try_from(stable.max().unwrap_or(0)).unwrap_or(0);
        let first = (stable / self.segment_size).max(self.from);
        let from_there = self.segments.iter();
        let from_there = from_there.skip_while(move |segment| self.number(segment) < first);
        let mut next = Some(first);
        from_there.take_while(move |segment| {
            let number = self.number(segment);
            let follows = next == Some(number);
            next = segment.is_full.then_some(number + 1);
            follows
        })
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

/// What a segment turns out to be.
struct Walked {
    gap: Option<Gap>,
    /// Whether all of it can be read, to its end.
    is_full: bool,
    /// Where the newest commit stands: its segment, and the place in that.
    newest: Option<(u64, usize)>,
}

/// The message at `at`, where there may be anything: what looks like a very long one is none. Clients can have much of
/// that written, and a checksum over each would take as long as the segment has bytes, for each of them.
fn search(bytes: &[u8], at: usize) -> Option<Message<'_>> {
    let end = bytes.len().min(at + LONGEST_MESSAGE);
    message(bytes.get(..end)?, at)
}

/// Reads a segment, of which only `commits` so far count.
fn walk(bytes: &[u8], number: Option<u64>, commits: u64) -> Walked {
    let mut newest = None;
    let mut at = SEGMENT_HEADER;
    let mut is_full = number.is_some();
    while is_full && at + LONGEST_MESSAGE_HEADER <= bytes.len() {
        match message(bytes, at).filter(|message| number == Some(message.segment)) {
            Some(message) if message.kind == CAP => at = bytes.len(),
            Some(message) => {
                if commit(&message).is_some_and(|commit| commit <= commits) {
                    newest = Some((message.segment, at));
                }
                at += message.size;
            }
            None => is_full = false,
        }
    }
    let gap = (at..bytes.len()).find_map(|behind| {
        let segment = search(bytes, behind)?.segment;
        let is_its_own = number.is_none() || number == Some(segment);
        is_its_own.then_some(Gap {
            segment,
            from: at,
            to: behind,
        })
    });
    // What a later use of the segment has written over was free, even where its header did not come to
    // the disk. (A client can put what looks like that into a record, and so excuse damage of that
    // record. It may stand within an old message as well, so where it stands does not tell.)
    let gap = gap.filter(|gap| {
        let mut inside = (gap.from..gap.to).filter_map(|at| search(bytes, at));
        !number.is_some_and(|number| inside.any(|message| message.segment > number))
    });
    Walked {
        gap,
        is_full,
        newest,
    }
}
