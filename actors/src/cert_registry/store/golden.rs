//! What is on disk stays readable: the bytes of each record, written down.

use sha2::{Digest as _, Sha256};

use super::packed::DICTIONARY;
use super::{Change, Entry, Number, Run, Step};
use crate::cert_registry::Event;
use crate::storage::{Record as _, RecordError};
use crate::tests::{Random, assert_golden, bytes};

#[test]
fn records_are_stored_as_ever() {
    let entry = |event| Entry {
        at: 258,
        previous: [7; 32],
        event,
    };
    let (user, session, der) = (1, 2, vec![0x30, 0]);
    for (event, canonical, packed) in [
        (
            Event::ServerCert { der: der.clone() },
            "01020100000000000007070707070707070707070707070707070707070707070707070707070707070000000002000000000000003000",
            "0237000000410102010001001f0701000c002500a002000000000000003000",
        ),
        (
            Event::SessionCert {
                user,
                session,
                der: der.clone(),
            },
            "0102010000000000000707070707070707070707070707070707070707070707070707070707070707010000000100000000000000020000000000000002000000000000003000",
            "0247000000410102010001001f0701000c0027000004000002001002050003080060000000003000",
        ),
        (
            Event::SessionEnded { user, session },
            "01020100000000000007070707070707070707070707070707070707070707070707070707070707070200000001000000000000000200000000000000",
            "023d000000410102010001001f0701000c43020000002b0090000200000000000000",
        ),
        (
            Event::ForeignCert { user, session, der },
            "0102010000000000000707070707070707070707070707070707070707070707070707070707070707030000000100000000000000020000000000000002000000000000003000",
            "0247000000410102010001001f0701000c43030000002b002100023200c0000002000000000000003000",
        ),
    ] {
        let entry = entry(event);
        assert_golden(&entry, packed);
        assert_eq!(entry.to_canonical(), Ok(bytes(canonical)));
        // As stored before data format 3.
        assert_eq!(Entry::from_bytes(&bytes(canonical)), Ok(entry));
    }
    let valid = Change::Cert {
        not_before: 1,
        not_after: 2,
    };
    assert_golden(&valid, "010000000001000000000000000200000000000000");
    let step = |sequence, at, change| Step {
        sequence,
        at,
        change,
    };
    let mut run = Run::of(step(300, 1000, valid));
    assert!(run.add(step(301, 90_000, valid)) && run.add(step(302, 90_000, Change::Ended)));
    assert_golden(
        &run,
        "0203fbe803fb2c0101fbcd0702fca85b01000101fc1dbf020000000100",
    );
    assert_golden(&Number(1), "010100000000000000");
}

/// Also what no certificate has, and what no log has.
#[test]
fn runs_come_back_as_they_were() {
    let mut random = Random(1);
    let mut number = || match random.below(4) {
        0 => random.below(2),
        1 => u64::MAX - random.below(2),
        2 => random.below(100_000),
        _ => random.below(1 << 53) << 11,
    };
    for _ in 0..1000 {
        let mut step = || Step {
            sequence: number(),
            at: number(),
            change: match number() % 4 {
                0 => Change::Ended,
                _ => Change::Cert {
                    not_before: number(),
                    not_after: number(),
                },
            },
        };
        let mut run = Run::of(step());
        while run.add(step()) {}
        let again = run.to_bytes().and_then(|stored| Run::from_bytes(&stored));
        assert_eq!(again, Ok(run));
    }
}

/// Every log needs it to be as it was.
#[test]
fn the_dictionary_is_as_ever() {
    let hash = Sha256::digest(DICTIONARY);
    assert_eq!(
        hash[..],
        bytes("cb0a350c06b12c54dd958f36f880ff362d0fa6d4ef62b63c0b8c7f3c3b98abd1")
    );
}

/// A block has no checksum: what is damaged may read as another entry, which the chain of hashes
/// finds. What is cut off does not read at all.
#[test]
fn no_damage_panics_or_asks_for_more_memory_than_an_entry() {
    let entry = Entry {
        at: 258,
        previous: [7; 32],
        event: Event::ServerCert {
            der: DICTIONARY[..400].to_vec(),
        },
    };
    let stored = entry.to_bytes().unwrap_or_default();
    assert!((1..100).contains(&stored.len()), "{}", stored.len());
    for at in 0..stored.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = stored.clone();
            damaged[at] ^= flip;
            let _ = Entry::from_bytes(&damaged);
        }
        assert!(Entry::from_bytes(&stored[..at]).is_err());
    }
    let huge = [&[2][..], &u32::MAX.to_le_bytes(), &stored[5..]].concat();
    let refusal = RecordError::Fields("its length is not one".to_owned());
    assert_eq!(Entry::from_bytes(&huge), Err(refusal));
}
