//! Challenges for signing in with an ID-Cert: text that a node can recognise as its own without
//! having kept it.

use base16ct::lower;
use hmac::{Hmac, Mac as _};
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Domain, Timestamp};

/// The domain's hash, nonce, expiry and MAC, in bytes.
const DOMAIN: usize = 16;
const NONCE: usize = 16;
const EXPIRY: usize = 8;
const MAC: usize = 32;

/// What separates this use of the secret from any other.
const PURPOSE: &[u8] = b"antiphon challenge v2";

/// A challenge that a node made: `domain ‖ nonce ‖ expiry ‖ HMAC-SHA-256`, 144 characters of lower-case
/// hexadecimal. The domain is the first 16 bytes of its SHA-256, so that a client can see whose challenge it
/// signs: a server at which somebody signs in could hand on another's, and go there with the signature. Equal
/// challenges have one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    nonce: [u8; NONCE],
    expires: Timestamp,
    text: String,
}

/// The secret by which a node recognises its challenges. It is zeroized when dropped, and never
/// printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ChallengeSecret([u8; 32]);

/// The text is not a challenge of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the challenge is not one of this server")]
pub struct ChallengeError;

impl ChallengeSecret {
    /// Draws a new secret.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The secret that is kept as `bytes`.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret as it is kept.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Makes a challenge for the node at `domain`, good before `expires`.
    pub fn challenge(
        &self,
        domain: &Domain,
        expires: Timestamp,
        rng: &mut impl CryptoRngCore,
    ) -> Challenge {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let mac = self.mac(domain, &nonce, expires).finalize().into_bytes();
        let expiry = expires.as_secs().to_be_bytes();
        let bytes = [&hash(domain)[..], &nonce, &expiry, &mac].concat();
        Challenge {
            nonce,
            expires,
            text: lower::encode_string(&bytes),
        }
    }

    /// Recognises a challenge that this secret made for `domain`; whether it has expired or been
    /// used is for the node to say.
    pub fn recognise(&self, domain: &Domain, text: &str) -> Result<Challenge, ChallengeError> {
        let mut bytes = [0; DOMAIN + NONCE + EXPIRY + MAC];
        let decoded = lower::decode(text, &mut bytes).map_err(|_| ChallengeError)?;
        let rest = decoded.strip_prefix(&hash(domain)).ok_or(ChallengeError)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(ChallengeError)?;
        let (expiry, mac) = rest.split_first_chunk().ok_or(ChallengeError)?;
        let expires = Timestamp::from_secs(u64::from_be_bytes(*expiry));
        self.mac(domain, nonce, expires)
            .verify_slice(mac)
            .map_err(|_| ChallengeError)?;
        Ok(Challenge {
            nonce: *nonce,
            expires,
            text: text.to_owned(),
        })
    }

    fn mac(&self, domain: &Domain, nonce: &[u8; NONCE], expires: Timestamp) -> Hmac<Sha256> {
        // The key's block, padded as HMAC pads it, is what `new` takes without a length to check.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::new(&block.into());
        block.zeroize();
        mac.update(PURPOSE);
        mac.update(nonce);
        mac.update(&expires.as_secs().to_be_bytes());
        // Last, being the only part whose length varies.
        mac.update(domain.as_str().as_bytes());
        mac
    }
}

/// By what a challenge begins that is the domain's.
fn hash(domain: &Domain) -> [u8; DOMAIN] {
    let hash: [u8; 32] = Sha256::digest(domain.as_str()).into();
    let mut beginning = [0; DOMAIN];
    beginning.copy_from_slice(hash.split_at(DOMAIN).0);
    beginning
}

impl Challenge {
    /// Whether the text of a challenge says that it is one of the node at `domain`, as far as clients can tell.
    pub fn is_of(text: &str, domain: &Domain) -> bool {
        text.starts_with(&lower::encode_string(&hash(domain)))
    }

    /// What the client signs, in UTF-8.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What no other challenge has.
    pub fn nonce(&self) -> &[u8; NONCE] {
        &self.nonce
    }

    /// The first second at which it is no longer good.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl std::fmt::Debug for ChallengeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChallengeSecret(…)")
    }
}
