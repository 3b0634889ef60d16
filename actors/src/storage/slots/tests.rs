//! What a slot says is what was put there, or nothing.

use std::fs;

use tempfile::TempDir;

use super::*;

fn begin() -> (TempDir, Slots) {
    let directory = TempDir::new().unwrap();
    let slots = Slots::create_in(directory.path(), 0).unwrap();
    (directory, slots)
}

fn bytes(bytes: &[u8]) -> Slot {
    Slot::Bytes(bytes.to_vec())
}

#[test]
fn what_is_put_is_found_and_nothing_else() {
    let (_directory, slots) = begin();
    let longest = vec![7; LONGEST];
    let known = [
        Some(b"one".to_vec()),
        None,
        Some(longest.clone()),
        Some(vec![7; LONGEST + 1]),
        Some(vec![7; usize::from(TOO_LONG) + 1]),
    ];
    slots.put(10, &known);
    let found = (9..=15).map(|number| slots.get(number));
    let expected = [
        Slot::Empty,
        bytes(b"one"),
        Slot::Empty,
        bytes(&longest),
        Slot::TooLong,
        Slot::TooLong,
        Slot::Empty,
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    slots.put(11, &[Some(b"two".to_vec())]);
    assert_eq!(slots.get(10), bytes(b"one"));
    assert_eq!(slots.get(11), bytes(b"two"));
    // Of two that share a slot the later one is there.
    let far = u64::MAX / SLOTS * SLOTS + 11;
    slots.put(far, &[Some(b"far".to_vec())]);
    assert_eq!(
        (slots.get(11), slots.get(far)),
        (Slot::Empty, bytes(b"far"))
    );
}

/// A checksum alone would not say so of all of them.
#[test]
fn a_slot_of_zeros_says_nothing() {
    let (_directory, slots) = begin();
    let number = 1_374_966_609;
    assert_eq!(checksum(number, 0, &[]), 0);
    assert_eq!(read(number, &[0; SLOT]), None);
    slots.put(number, &[Some(Vec::new())]);
    assert_eq!(slots.get(number), Slot::Empty);
}

#[test]
fn a_damaged_slot_says_nothing() {
    let (_directory, slots) = begin();
    let (short, long) = (b"something".to_vec(), vec![0; LONGEST + 1]);
    for (number, put, written) in [(3, short, HEAD + 9), (4, long, HEAD)] {
        slots.put(number, &[Some(put)]);
        let sound = slots.get(number);
        assert_ne!(sound, Slot::Empty);
        let begin = number * SLOT as u64;
        for at in 0..written as u64 {
            let mut byte = [0];
            slots.file.read_exact_at(&mut byte, begin + at).unwrap();
            for bit in 0..8 {
                let flipped = [byte[0] ^ (1 << bit)];
                slots.file.write_all_at(&flipped, begin + at).unwrap();
                assert_eq!(slots.get(number), Slot::Empty, "byte {at}, bit {bit}");
            }
            slots.file.write_all_at(&byte, begin + at).unwrap();
        }
        assert_eq!(slots.get(number), sound);
    }
}

#[test]
fn the_slot_of_another_number_says_nothing() {
    let (_directory, slots) = begin();
    slots.put(3, &[Some(b"three".to_vec())]);
    let mut slot = [0; SLOT];
    slots
        .file
        .read_exact_at(&mut slot, 3 * SLOT as u64)
        .unwrap();
    slots.file.write_all_at(&slot, 5 * SLOT as u64).unwrap();
    assert_eq!(slots.get(5), Slot::Empty);
}

#[test]
fn the_file_has_no_name() {
    let (directory, slots) = begin();
    slots.put(1, &[Some(b"one".to_vec())]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_disk_that_is_nearly_full_gets_back_what_was_taken() {
    let (_directory, mut slots) = begin();
    slots.put(1, &[Some(b"one".to_vec())]);
    assert!(slots.has_room());
    assert_eq!(slots.get(1), bytes(b"one"));
    slots.left_free = u64::MAX;
    assert!(!slots.has_room());
    assert_eq!(slots.get(1), Slot::Empty);
    assert_eq!(slots.file.metadata().unwrap().len(), 0);
    slots.left_free = 0;
    assert!(slots.has_room());
}

#[test]
fn a_disk_that_refuses_is_asked_no_more() {
    let (directory, mut slots) = begin();
    slots.put(1, &[Some(b"one".to_vec())]);
    let path = directory.path().join("read-only");
    fs::write(&path, [0; SLOT * 8]).unwrap();
    let sound = std::mem::replace(&mut slots.file, File::open(&path).unwrap());
    assert!(slots.has_room());
    slots.put(1, &[Some(b"one".to_vec())]);
    assert!(!slots.has_room());
    slots.file = sound;
    assert_eq!(slots.get(1), Slot::Empty);
}
