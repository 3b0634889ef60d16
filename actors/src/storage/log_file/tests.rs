//! What is damage in a segment of sled's log, and what is not.

use super::format::Header;
use super::*;

/// A CRC-32 of what follows, kind, length, segment and page, and a body.
fn message_of(segment: u8, body: &[u8]) -> Vec<u8> {
    let fields = [9, u8::try_from(body.len()).unwrap(), segment, 1];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(&fields);
    [&(!hasher.finalize()).to_le_bytes()[..], &fields, body].concat()
}

fn segment_of(number: u8, body: &[u8]) -> Vec<u8> {
    let header = Header {
        lsn: u64::from(number) * 4096,
        stable: 0,
    };
    let mut bytes = header.to_bytes().to_vec();
    while bytes.len() < 4096 {
        bytes.extend(message_of(number, body));
    }
    bytes
}

/// A segment of messages whose bodies have so many bytes.
fn segment(number: u8, length: u8) -> Vec<u8> {
    segment_of(number, &vec![number; length.into()])
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

/// Within the one message that was there.
#[test]
fn so_is_what_has_written_over_a_long_message() {
    let mut bytes = segment_of(5, &[5; 200]);
    bytes[SECTOR..SECTOR + 88].copy_from_slice(&message_of(9, &[9; 80]));
    assert!(walk(&bytes, Some(5), 1).gap.is_none());
}

/// Clients can have such written, and have each of its bytes looked at.
#[test]
fn what_is_longer_than_any_message_is_none() {
    for (length, is_damage) in [(LONGEST_MESSAGE - 1000, true), (LONGEST_MESSAGE, false)] {
        let mut bytes = segment(5, 100);
        bytes[SECTOR..].fill(0);
        let body = vec![5; length];
        let [low, middle, high, ..] = length.to_le_bytes();
        let fields = [9, 250, low, middle, high, 5, 1];
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&body);
        hasher.update(&fields);
        bytes.extend((!hasher.finalize()).to_le_bytes());
        bytes.extend(fields);
        bytes.extend(body);
        assert_eq!(walk(&bytes, Some(5), 1).gap.is_some(), is_damage);
    }
}
