//! Short bytes by number, each in a slot of one file: a place for what is slow to read from the
//! database, and more than fits into memory.
//!
//! The file has no name, so it ends with the process, however that ends: what another process has left
//! is never believed, and a copy of the directory has nothing of it. Nobody waits for an fsync, and
//! whatever goes wrong is as if nothing had been kept.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, fstatvfs};

/// The size of a slot, in bytes: none lies in two pages of the system's.
const SLOT: usize = 256;

/// A checksum and a length.
const HEAD: usize = 4 + 2;

/// The longest bytes that fit.
const LONGEST: usize = SLOT - HEAD;

/// The length that says that the bytes are longer.
const TOO_LONG: u16 = u16::MAX;

/// How many slots there are, which is four gibibytes. Numbers that are so far from each other share one.
const SLOTS: u64 = 1 << 24;

/// The file.
#[derive(Debug)]
pub(crate) struct Slots {
    file: File,
    /// How many bytes are left free on the disk.
    left_free: u64,
    /// Whether reading or writing it has failed: then it is left alone.
    has_failed: AtomicBool,
}

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing, or nothing that can be believed.
    Empty,
    /// That the bytes do not fit.
    TooLong,
    /// These.
    Bytes(Vec<u8>),
}

impl Slots {
    /// A new file on the disk of this directory, which leaves so many bytes free there.
    pub(super) fn create_in(directory: &Path, left_free: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::TMPFILE.bits().cast_signed())
            .open(directory)?;
        Ok(Self {
            file,
            left_free,
            has_failed: AtomicBool::new(false),
        })
    }

    /// What the slot of `number` says.
    pub(crate) fn get(&self, number: u64) -> Slot {
        if self.has_failed.load(Ordering::Relaxed) {
            return Slot::Empty;
        }
        let mut slot = [0; SLOT];
        match self.file.read_exact_at(&mut slot, place_of(number)) {
            Ok(()) => read(number, &slot).unwrap_or(Slot::Empty),
            // So far nobody has written.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Slot::Empty,
            Err(error) => {
                self.leave_alone(&error);
                Slot::Empty
            }
        }
    }

    /// Whether there is room for more. Where there is none, what the file takes is given back: others
    /// need it more.
    pub(crate) fn has_room(&self) -> bool {
        if self.has_failed.load(Ordering::Relaxed) {
            return false;
        }
        let is_low = |free| free <= self.left_free;
        match fstatvfs(&self.file) {
            Ok(disk) if is_low(disk.f_bavail.saturating_mul(disk.f_frsize)) => {
                if let Err(error) = self.file.set_len(0) {
                    self.leave_alone(&error);
                }
                false
            }
            Ok(_) => true,
            Err(error) => {
                self.leave_alone(&error.into());
                false
            }
        }
    }

    /// Fills the slots of `first` and the numbers after it; those of which nothing is known are left
    /// empty. What goes beyond the last slot is not found again.
    pub(crate) fn put(&self, first: u64, known: &[Option<Vec<u8>>]) {
        let mut slots = vec![0; known.len() * SLOT];
        for ((number, bytes), slot) in (first..).zip(known).zip(slots.chunks_exact_mut(SLOT)) {
            if let Some(bytes) = bytes {
                write(number, bytes, slot);
            }
        }
        if let Err(error) = self.file.write_all_at(&slots, place_of(first)) {
            self.leave_alone(&error);
        }
    }

    fn leave_alone(&self, error: &io::Error) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            warn(error);
            // The disk may be full because of it. What becomes of the file is nobody's concern any more.
            let _ = self.file.set_len(0);
        }
    }
}

/// Says that there is no such file, or no longer.
pub(super) fn warn(error: &io::Error) {
    tracing::warn!(%error, "what is read cannot be kept on disk: lookups of the past are slower");
}

/// Where the slot of a number begins.
fn place_of(number: u64) -> u64 {
    number % SLOTS * SLOT as u64
}

fn write(number: u64, bytes: &[u8], slot: &mut [u8]) {
    let fits = u16::try_from(bytes.len()).ok();
    let fits = fits.filter(|_| bytes.len() <= LONGEST);
    let (length, bytes) = fits.map_or((TOO_LONG, &[][..]), |length| (length, bytes));
    let checksum = checksum(number, length, bytes);
    let written = [&checksum.to_le_bytes()[..], &length.to_le_bytes(), bytes].concat();
    for (to, from) in slot.iter_mut().zip(written) {
        *to = from;
    }
}

/// What a slot says; nothing if it is not sound. One of zeros, which nobody has written, never is.
fn read(number: u64, slot: &[u8; SLOT]) -> Option<Slot> {
    let (there, rest) = slot.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = u16::from_le_bytes(*length);
    let bytes = match length {
        0 => return None,
        TOO_LONG => &[],
        length => rest.get(..length.into())?,
    };
    let is_sound = checksum(number, length, bytes) == u32::from_le_bytes(*there);
    is_sound.then(|| match length {
        TOO_LONG => Slot::TooLong,
        _ => Slot::Bytes(bytes.to_vec()),
    })
}

fn checksum(number: u64, length: u16, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}
