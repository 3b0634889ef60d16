//! Random numbers that are the same for the same seed.

use rand_core::{OsRng, RngCore as _};

/// xorshift64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Seeded with an environment variable, or else differently each time; prints with what.
    pub fn from_environment(name: &str) -> Self {
        let seed = std::env::var(name).ok().map(|seed| seed.parse().unwrap());
        let seed = seed.unwrap_or_else(|| OsRng.next_u64());
        println!("{name}={seed}");
        Self::new(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
