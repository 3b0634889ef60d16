//! What is damage in a segment of sled's log, and what is not.

use super::format::Header;
use super::*;

/// A segment of messages whose bodies have so many bytes.
fn segment(number: u8, length: u8) -> Vec<u8> {
    let header = Header {
        lsn: u64::from(number) * SEGMENT,
        stable: 0,
    };
    let mut bytes = header.to_bytes().to_vec();
    while bytes.len() < 4096 {
        // Kind, length, segment and page, before them a CRC-32 of the body and these.
        let (fields, body) = ([9, length, number, 1], vec![number; length.into()]);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&body);
        hasher.update(&fields);
        bytes.extend((!hasher.finalize()).to_le_bytes());
        bytes.extend(fields);
        bytes.extend(body);
    }
    bytes
}

/// Whether segment 5 is damaged once its sectors from the second to the fourth have come from `other`.
fn is_damaged_by(other: &[u8]) -> bool {
    let mut bytes = segment(5, 100);
    bytes[SECTOR..4 * SECTOR].copy_from_slice(&other[SECTOR..4 * SECTOR]);
    walk(&bytes, Some(5), 1).gap.is_some()
}

#[test]
fn what_a_later_use_has_written_over_is_no_damage() {
    assert!(!is_damaged_by(&segment(5, 100)));
    assert!(!is_damaged_by(&segment(9, 80)));
    // What was there before has been written over by what is there.
    assert!(is_damaged_by(&segment(4, 80)));
    assert!(is_damaged_by(&[7; 4096]));
    assert!(is_damaged_by(&[0; 4096]));
}
