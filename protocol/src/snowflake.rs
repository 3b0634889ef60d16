//! Snowflakes: the user IDs of a node.

use std::fmt;

/// A 64-bit ID: 42 bits of milliseconds since 2024-01-01T00:00:00Z, 10 bits node number, 12 bits
/// sequence. A decimal string in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(u64);

/// The text is not a Snowflake in canonical decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Snowflake is a 64-bit number in decimal, without sign or leading zeros")]
pub struct SnowflakeError;

/// 2024-01-01T00:00:00Z in UNIX milliseconds.
const EPOCH_MILLIS: u64 = 1_704_067_200_000;

impl Snowflake {
    /// The first ID of a millisecond on node number 0; times before 2024 count as 2024-01-01.
    pub fn first_at(unix_millis: u64) -> Self {
        Self(unix_millis.saturating_sub(EPOCH_MILLIS) << 22)
    }

    /// The next ID of the same node after this one. When the 4,096 of a millisecond are used up,
    /// the ID runs ahead into the next millisecond.
    #[must_use]
    pub fn successor(self) -> Self {
        let (millis, sequence) = (self.0 >> 22, self.0 & 0xfff);
        if sequence == 0xfff {
            Self((millis + 1) << 22)
        } else {
            Self(self.0 + 1)
        }
    }

    /// The ID as a number.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The ID with this number.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Parses canonical decimal.
    pub fn parse(text: &str) -> Result<Self, SnowflakeError> {
        let is_canonical =
            text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !is_canonical {
            return Err(SnowflakeError);
        }
        text.parse().map(Self).map_err(|_| SnowflakeError)
    }
}

impl fmt::Display for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
