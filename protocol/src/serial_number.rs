//! Serial numbers of the certificates that a node signs.

use std::fmt;

use blowfish::Blowfish;
use blowfish::cipher::{BlockEncrypt as _, KeyInit as _};
use rand_core::CryptoRngCore;

/// A positive serial number below 2^63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber(u64);

impl SerialNumber {
    /// Draws one at random. Whether it was drawn before is for the keeper of the log to say.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        loop {
            let number = rng.next_u64() >> 1;
            if number != 0 {
                return Self(number);
            }
        }
    }

    /// The serial number as a number.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) fn to_x509(self) -> der::Result<x509_cert::serial_number::SerialNumber> {
        // Eight bytes with the top bit clear: DER drops the leading zeros.
        x509_cert::serial_number::SerialNumber::new(&self.0.to_be_bytes())
    }

    /// The number, where it is one that a node of this kind would write.
    pub(crate) fn from_x509(serial: &x509_cert::serial_number::SerialNumber) -> Option<Self> {
        let bytes = serial.as_bytes();
        // The top bit of the first byte is the sign.
        if bytes.len() > 8 || bytes.first().is_none_or(|first| first & 0x80 != 0) {
            return None;
        }
        let number = bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        (number != 0).then_some(Self(number))
    }
}

/// Serial numbers of which no two are the same, though nobody remembers those given out: the nth is
/// a secret permutation of n (Blowfish, whose blocks are as long as a serial number). Without the
/// key they look random.
///
/// ```
/// use antiphon_protocol::SerialNumbers;
///
/// let numbers = SerialNumbers::new(&[7; 32]);
/// assert_ne!(numbers.nth(1), numbers.nth(2));
/// assert_eq!(numbers.nth(1), numbers.nth(1));
/// ```
pub struct SerialNumbers(Box<Blowfish>);

impl SerialNumbers {
    /// The bits of `n` in [`nth`](Self::nth).
    pub const BITS: u32 = 63;

    /// Those of a key.
    pub fn new(key: &[u8; 32]) -> Self {
        // Blowfish takes keys of 4 to 56 bytes; what stands for a refusal is never reached.
        let cipher = Blowfish::new_from_slice(key);
        Self(Box::new(
            cipher.unwrap_or_else(|_| Blowfish::new(&[0; 56].into())),
        ))
    }

    /// The nth, where 0 < `n` < 2^63. Another `n` gives another number.
    pub fn nth(&self, n: u64) -> SerialNumber {
        debug_assert!(0 < n && n < 1 << Self::BITS);
        // A permutation of the 64-bit numbers, applied until it comes back to the serial numbers,
        // is one of these: its cycle leads there, since it began there.
        let mut number = n;
        loop {
            let mut block = number.to_be_bytes().into();
            self.0.encrypt_block(&mut block);
            number = u64::from_be_bytes(block.into());
            if 0 < number && number < 1 << Self::BITS {
                return SerialNumber(number);
            }
        }
    }
}

impl fmt::Debug for SerialNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SerialNumbers(…)")
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
