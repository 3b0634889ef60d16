//! Serial numbers that are unique without being remembered.

use std::collections::HashSet;

use crate::SerialNumbers;

const LAST: u64 = (1 << SerialNumbers::BITS) - 1;

#[test]
fn no_two_are_the_same_and_all_are_positive_and_below_2_to_the_63() {
    let numbers = SerialNumbers::new(&[7; 32]);
    let mut seen = HashSet::new();
    let runs = [1, 1_u64 << 31, 1_700_000_000 << 31, LAST - 20_000];
    for n in runs.into_iter().flat_map(|from| from..from + 20_000) {
        let number = numbers.nth(n);
        assert!(0 < number.as_u64() && number.as_u64() <= LAST);
        assert!(seen.insert(number), "{n}");
    }
}

#[test]
fn they_look_random_and_depend_on_the_key() {
    let numbers = SerialNumbers::new(&[7; 32]);
    let others = SerialNumbers::new(&[8; 32]);
    // Each bit is set in about half of them.
    for bit in 0..SerialNumbers::BITS {
        let set = (1..=4096).filter(|n| numbers.nth(*n).as_u64() >> bit & 1 == 1);
        let set = set.count();
        assert!((1850..2250).contains(&set), "bit {bit}: {set}");
    }
    let same = (1..=4096).filter(|n| numbers.nth(*n) == others.nth(*n));
    assert_eq!(same.count(), 0);
}
