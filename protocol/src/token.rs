//! Bearer tokens.

use std::fmt;

use ::base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A bearer token: 32 random bytes, base64url without padding on the wire. It has no `Debug` of
/// its bytes and is zeroized when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

/// What a node keeps of a token: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl Token {
    /// Draws a new token.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Parses the wire form; `None` if the text cannot be a token.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let token = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Self);
        bytes.zeroize();
        token
    }

    /// The wire form.
    pub fn to_wire(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Its SHA-256.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenHash {
    /// The hash as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}
