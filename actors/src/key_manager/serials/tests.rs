//! No serial number twice, whatever becomes of the process, the clock and the disk.

use std::collections::HashSet;

use antiphon_protocol::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::tests::assert_golden;

const START: u64 = 1_800_000_000;

#[actix::test]
async fn none_is_drawn_twice_across_restarts_and_clocks_set_back() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let mut seen = HashSet::new();
    for moved in [0, 0, 5, 4, 1_000_000, 0, 0, 7] {
        clock.set(Timestamp::from_secs(START + moved));
        let storage = Storage::open(directory.path(), 8).unwrap();
        let mut serials = Serials::begin(&storage, &clock).await.unwrap();
        for _ in 0..1000 {
            assert!(seen.insert(serials.draw().unwrap()));
        }
    }
}

#[actix::test]
async fn a_node_that_was_set_back_to_an_older_state_does_not_repeat_what_it_has_forgotten() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let storage = Storage::open(directory.path(), 8).unwrap();
    let mut seen = HashSet::new();
    let backup = {
        let mut serials = Serials::begin(&storage, &clock).await.unwrap();
        seen.extend((0..1000).filter_map(|_| serials.draw()));
        storage
            .get_bytes(Space::SerialSource, &[])
            .unwrap()
            .unwrap()
    };
    for day in 1..=2 {
        clock.set(Timestamp::from_secs(START + day * 86_400));
        let mut writes = WriteSet::new();
        writes.put_bytes(Space::SerialSource, &[], backup.clone());
        storage.commit(writes).await.unwrap();
        let mut serials = Serials::begin(&storage, &clock).await.unwrap();
        for _ in 0..1000 {
            assert!(seen.insert(serials.draw().unwrap()));
        }
    }
}

#[test]
fn a_run_that_has_no_more_says_so() {
    let numbers = || SerialNumbers::new(&[7; 32]);
    let mut at_the_end = Serials {
        numbers: numbers(),
        run: 1,
        drawn: (1 << DRAWN_BITS) - 2,
    };
    let last = at_the_end.draw().unwrap();
    assert_eq!(at_the_end.draw(), None);
    assert_eq!(at_the_end.draw(), None);
    let mut next = Serials {
        numbers: numbers(),
        run: 2,
        drawn: 0,
    };
    assert_ne!(next.draw(), Some(last));
    let mut last_run = Serials {
        numbers: numbers(),
        run: u32::MAX,
        drawn: 0,
    };
    assert_eq!(last_run.draw(), None);
}

#[test]
fn the_source_is_stored_as_ever() {
    let source = Source {
        key: [7; 32],
        run: 258,
    };
    assert_golden(
        &source,
        "01070707070707070707070707070707070707070707070707070707070707070702010000",
    );
}
