//! Federation IDs.

use std::fmt;

use crate::{Domain, DomainError};

/// The part of a federation ID before the `@`: 1–64 of `a-z 0-9 . _ % + -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalName(String);

/// A federation ID, `localname@domain`: case-insensitive, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fid {
    local_name: LocalName,
    domain: Domain,
}

/// Why a text is not a federation ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FidError {
    /// There is no `@`.
    #[error("a federation ID is localname@domain")]
    NoAt,
    /// The part before the `@` is not a local name.
    #[error("a local name is 1 to 64 of a-z 0-9 . _ % + -")]
    LocalName,
    /// The part after the `@` is not a domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

impl LocalName {
    /// Parses a local name, folding ASCII upper case. Letters outside ASCII are refused, never
    /// folded: some of them fold into ASCII ones.
    pub fn parse(text: &str) -> Result<Self, FidError> {
        let folded = text.to_ascii_lowercase();
        let is_allowed =
            |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'%' | b'+' | b'-');
        if (1..=64).contains(&folded.len()) && folded.bytes().all(is_allowed) {
            Ok(Self(folded))
        } else {
            Err(FidError::LocalName)
        }
    }

    /// The name as text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fid {
    /// Puts a federation ID together.
    pub fn new(local_name: LocalName, domain: Domain) -> Self {
        Self { local_name, domain }
    }

    /// Parses `localname@domain`, folding ASCII upper case.
    pub fn parse(text: &str) -> Result<Self, FidError> {
        let (local_name, domain) = text.split_once('@').ok_or(FidError::NoAt)?;
        Ok(Self {
            local_name: LocalName::parse(local_name)?,
            domain: Domain::parse(domain)?,
        })
    }

    /// The part before the `@`.
    pub fn local_name(&self) -> &LocalName {
        &self.local_name
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl fmt::Display for LocalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Fid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_name, self.domain)
    }
}
