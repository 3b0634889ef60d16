//! Seconds.

use std::fmt;

/// A UNIX timestamp in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// The text is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a timestamp is a whole number of UNIX seconds in decimal, below 2^64")]
pub struct TimestampError;

impl Timestamp {
    /// A day, in seconds.
    pub const DAY: u64 = 24 * 60 * 60;

    /// The timestamp of this many seconds since 1970-01-01T00:00:00Z.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The time in UTC as people read it, such as `2026-11-24T03:39:00Z`; seconds where the year
    /// has more than four digits.
    pub fn to_utc(self) -> String {
        let since_epoch = std::time::Duration::from_secs(self.0);
        match der::DateTime::from_unix_duration(since_epoch) {
            Ok(time) => time.to_string(),
            Err(_) => self.0.to_string(),
        }
    }

    /// This many seconds later, stopping at the end of time.
    #[must_use]
    pub const fn plus_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// This many seconds earlier, stopping at 1970.
    #[must_use]
    pub const fn minus_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Parses a decimal number: digits only, no sign, no fraction.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TimestampError);
        }
        text.parse().map(Self).map_err(|_| TimestampError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
