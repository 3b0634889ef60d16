//! Passwords as they are given.

use std::fmt;
use std::ops::RangeInclusive;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password as somebody gave it. It is zeroized when dropped, and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

/// A password that can be set.
#[derive(Debug, Clone)]
pub struct NewPassword(Password);

/// A password has a length that cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a password has {} to {} bytes",
    NewPassword::LENGTH.start(),
    NewPassword::LENGTH.end()
)]
pub struct PasswordLength;

impl Password {
    /// Any text: whether it is the right one is for the hash to say.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl NewPassword {
    /// The shortest and the longest that can be set, in bytes.
    pub const LENGTH: RangeInclusive<usize> = 8..=1024;

    /// Takes a text that is neither too short nor too long.
    pub fn new(text: String) -> Result<Self, PasswordLength> {
        let password = Password(text);
        if Self::LENGTH.contains(&password.0.len()) {
            Ok(Self(password))
        } else {
            Err(PasswordLength)
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
