//! The time in which a certificate is valid.

use std::time::Duration;

use der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::time::Time;

use crate::Timestamp;

/// notBefore and notAfter, both included (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether `at` is inside.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Whether the whole of `other` is inside.
    pub fn encloses(&self, other: &Self) -> bool {
        self.not_before <= other.not_before && other.not_after <= self.not_after
    }

    pub(crate) fn from_x509(validity: &x509_cert::time::Validity) -> Self {
        let seconds = |time: &Time| Timestamp::from_secs(time.to_unix_duration().as_secs());
        Self {
            not_before: seconds(&validity.not_before),
            not_after: seconds(&validity.not_after),
        }
    }

    pub(crate) fn to_x509(self) -> der::Result<x509_cert::time::Validity> {
        Ok(x509_cert::time::Validity {
            not_before: to_time(self.not_before)?,
            not_after: to_time(self.not_after)?,
        })
    }
}

/// `UTCTime` up to 2049 and `GeneralizedTime` after, as RFC 5280 §4.1.2.5 demands.
fn to_time(at: Timestamp) -> der::Result<Time> {
    let since_epoch = Duration::from_secs(at.as_secs());
    match UtcTime::from_unix_duration(since_epoch) {
        Ok(time) => Ok(Time::UtcTime(time)),
        Err(_) => GeneralizedTime::from_unix_duration(since_epoch).map(Time::GeneralTime),
    }
}
