//! Serial numbers of the certificates that a node signs.

use std::fmt;

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

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
