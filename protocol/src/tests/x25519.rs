//! The points of small order, held against the multiplication.

use curve25519_dalek::MontgomeryPoint;
use proptest::prelude::*;

use crate::x25519::{SMALL_ORDER, is_of_small_order};

fn shares_zero(point: [u8; 32]) -> bool {
    MontgomeryPoint(point).mul_clamped([0x42; 32]).to_bytes() == [0; 32]
}

#[test]
fn every_point_in_the_list_shares_zero() {
    for mut point in SMALL_ORDER {
        assert!(
            shares_zero(point) && is_of_small_order(point),
            "{point:02x?}"
        );
        point[31] |= 0x80;
        assert!(
            shares_zero(point) && is_of_small_order(point),
            "{point:02x?}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_near_is_judged_as_the_multiplication_does(
        which in 0..SMALL_ORDER.len(),
        at in 0..32_usize,
        to: u8,
    ) {
        let mut point = SMALL_ORDER[which];
        point[at] = to;
        prop_assert_eq!(is_of_small_order(point), shares_zero(point));
    }
}
