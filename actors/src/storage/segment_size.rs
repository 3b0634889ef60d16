//! How long the segments of sled's log are: as long as when the database was begun.
//!
//! sled writes over a segment once two more are full, whether an fsync has come or not (`applier.rs`). So the
//! longer they are, the fewer fsyncs its file needs.

use std::fs;
use std::io;
use std::path::Path;

/// Of a database that is begun now, in bytes; until data format 5 it was 512 KiB. In tests of this crate it is
/// still, so that a database soon has several.
pub(super) const OF_NEW: usize = if cfg!(test) {
    512 * 1024
} else {
    2 * 1024 * 1024
};

/// The most that sled takes.
const LARGEST: usize = 16 * 1024 * 1024;

/// The segment size of what is in `database`, or comes to be there.
pub(super) fn of(database: &Path) -> io::Result<usize> {
    let conf = database.join("conf");
    match fs::read(&conf) {
        Ok(text) => read(&text).ok_or_else(|| unreadable("is damaged")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) if database.join("db").exists() => Err(unreadable("is missing")),
        Err(_) => Ok(OF_NEW),
    }
}

/// Lines of names and values, and a checksum, which says no more here: no other size that sled takes differs in one
/// digit.
fn read(conf: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(conf);
    let size = text
        .lines()
        .find_map(|line| line.strip_prefix("segment_size: "))?;
    let size: usize = size.parse().ok()?;
    (size.is_power_of_two() && (4096..=LARGEST).contains(&size)).then_some(size)
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its file conf {what}"))
}
