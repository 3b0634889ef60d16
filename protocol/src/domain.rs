//! The visible domain of a node.

use std::fmt;

/// A node's visible domain, such as `a.example`: lower case, labels of letters, digits and
/// hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// The text is not a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a domain is labels of letters, digits and hyphens, separated by dots")]
pub struct DomainError;

impl Domain {
    /// Parses a domain, folding ASCII upper case.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let folded = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if folded.split('.').all(is_label) {
            Ok(Self(folded))
        } else {
            Err(DomainError)
        }
    }

    /// The domain as text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from the top down: `com`, `example`, `node` for `node.example.com`.
    pub fn labels_top_down(&self) -> impl Iterator<Item = &str> {
        self.0.rsplit('.')
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
