//! What is on disk stays readable: the bytes of each record, written down.

use antiphon_protocol::{KeyPackage, Timestamp};

use super::{Claimed, Package, Place, Rack};
use crate::tests::assert_golden;

#[test]
fn records_are_stored_as_ever() {
    let rack = Rack {
        cert: 1,
        next: 2,
        suites: [1, 3].into(),
    };
    assert_golden(
        &rack,
        "0101000000000000000200000000000000020000000000000001000300",
    );
    let package = Package {
        not_before: 1,
        not_after: 2,
        bytes: vec![0, 1],
    };
    assert_golden(
        &package,
        "010100000000000000020000000000000002000000000000000001",
    );
    let place = |number| Place {
        user: 1,
        session: 2,
        suite: 3,
        number,
    };
    assert_golden(
        &place(Some(4)),
        "01010000000000000002000000000000000300010400000000000000",
    );
    assert_golden(&place(None), "0101000000000000000200000000000000030000");
    assert_golden(&Claimed { at: 1, count: 2 }, "01010000000000000002000000");
}

/// Versions before took any length.
#[test]
fn what_is_longer_than_what_is_taken_is_not_given_out() {
    let is_given_out = |length| {
        let package = Package {
            not_before: 1,
            not_after: 3,
            bytes: vec![0; length],
        };
        package.is_valid(Timestamp::from_secs(2))
    };
    assert!(is_given_out(KeyPackage::LONGEST));
    assert!(!is_given_out(KeyPackage::LONGEST + 1));
}
