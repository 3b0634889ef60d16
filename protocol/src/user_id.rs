//! The two ways in which a path names a user.

use std::fmt;

use crate::{Fid, Snowflake};

/// A user as named in a path: by Snowflake or by federation ID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserId {
    /// By the ID that this node gave.
    Snowflake(Snowflake),
    /// By federation ID.
    Fid(Fid),
}

/// The text is neither a Snowflake nor a federation ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user ID is a Snowflake or a federation ID such as alice@a.example")]
pub struct UserIdError;

impl UserId {
    /// Parses either form.
    pub fn parse(text: &str) -> Result<Self, UserIdError> {
        if let Ok(snowflake) = Snowflake::parse(text) {
            return Ok(Self::Snowflake(snowflake));
        }
        Fid::parse(text).map(Self::Fid).map_err(|_| UserIdError)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snowflake(snowflake) => snowflake.fmt(f),
            Self::Fid(fid) => fid.fmt(f),
        }
    }
}
