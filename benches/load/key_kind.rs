//! The kinds of keys that clients may have.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::support::ClientKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    P256,
    Ed25519,
}

impl KeyKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Ed25519 => "ed25519",
        }
    }

    pub fn generate(self) -> ClientKey {
        match self {
            Self::P256 => ClientKey::p256(),
            Self::Ed25519 => ClientKey::ed25519(),
        }
    }

    /// The MLS cipher suite whose signatures such a key makes.
    pub fn suite(self) -> u16 {
        match self {
            Self::P256 => 2,
            Self::Ed25519 => 1,
        }
    }
}
