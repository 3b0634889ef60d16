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

    /// Whether the DNS can have it: 253 characters at most, 63 in a label, and no hyphen at either
    /// end of one (RFC 1035 §2.3.4, RFC 1123 §2.1).
    pub fn is_dns_name(&self) -> bool {
        let is_label =
            |label: &str| label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
        self.0.len() <= 253 && self.0.split('.').all(is_label)
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
