//! Session IDs.

use std::fmt;

/// The ID of one client of one user: 1–32 IA5 characters, chosen by the client and unchanged when
/// its keys rotate. IA5 includes control characters, so [`fmt::Display`] escapes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(String);

/// The text is not a session ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session ID is 1 to 32 IA5 (ASCII) characters")]
pub struct SessionIdError;

impl SessionId {
    /// Checks length and alphabet.
    pub fn parse(text: &str) -> Result<Self, SessionIdError> {
        if (1..=32).contains(&text.len()) && text.is_ascii() {
            Ok(Self(text.to_owned()))
        } else {
            Err(SessionIdError)
        }
    }

    /// The ID as the client spelt it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_default())
    }
}
