//! Which user, which second: numbers that cost less than what is measured, and are the same in
//! every run.

use std::cell::Cell;

/// xorshift64.
pub struct Random(Cell<u64>);

impl Random {
    pub fn new() -> Self {
        Self(Cell::new(0x9e37_79b9_7f4a_7c15))
    }

    pub fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        (state >> 11) % bound
    }
}
