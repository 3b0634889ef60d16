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
        Some(Vec::new()),
        Some(vec![7; usize::from(TOO_LONG) + 1]),
    ];
    slots.put(10, &known);
    let found = (9..=16).map(|number| slots.get(number));
    let expected = [
        Slot::Empty,
        bytes(b"one"),
        Slot::Empty,
        bytes(&longest),
        Slot::TooLong,
        bytes(b""),
        Slot::TooLong,
        Slot::Empty,
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    slots.put(11, &[Some(b"two".to_vec())]);
    assert_eq!(slots.get(10), bytes(b"one"));
    assert_eq!(slots.get(11), bytes(b"two"));
    slots.put(u64::MAX, &[Some(b"far".to_vec())]);
    assert_eq!(slots.get(u64::MAX), Slot::Empty);
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
fn the_file_has_no_name_and_begins_empty() {
    let directory = TempDir::new().unwrap();
    let left_behind = directory.path().join("slots");
    fs::write(&left_behind, [1; 4096]).unwrap();
    let slots = Slots::create_in(directory.path(), 0).unwrap();
    assert!(!left_behind.exists());
    assert_eq!(slots.file.metadata().unwrap().len(), 0);
}

#[test]
fn a_disk_that_is_nearly_full_is_left_alone() {
    let (directory, slots) = begin();
    assert!(slots.has_room());
    let modest = Slots::create_in(directory.path(), u64::MAX).unwrap();
    assert!(!modest.has_room());
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
