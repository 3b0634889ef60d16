//! The language of polyproto, as Antiphon speaks it: parsed, checked, printed.
//!
//! Everything here is pure: no I/O, no clock, no storage, no async. Time and randomness come in as
//! arguments. Two libraries do ask the system: AWS-LC draws the nonce of an ECDSA signature, and
//! openmls holds the lifetime of a [`KeyPackage`] against the clock (docs/decisions/0008). A fuzzer,
//! a client or a linter can link this crate and nothing else.
//!
//! # The map
//!
//! | words | modules |
//! | --- | --- |
//! | who | [`Domain`], [`Fid`], [`LocalName`], [`Snowflake`], [`UserId`], [`SessionId`] |
//! | when | [`Timestamp`], [`Validity`] |
//! | keys | [`KeyAlgorithm`], [`PublicKey`], [`PrivateKey`] |
//! | what is asked for | [`IdCsr`] → [`VerifiedCsr`] |
//! | what is certified | [`ServerCert`], [`ActorCert`], written by [`issue`] |
//! | what stands in it | [`DistinguishedName`], [`SerialNumber`], drawn from [`SerialNumbers`] |
//! | signing in elsewhere | [`Challenge`], [`ChallengeSecret`] |
//! | what a client holds | [`Token`], [`TokenHash`], [`ClientKey`] |
//! | what is handed out to others | [`KeyPackage`], [`CipherSuite`], [`KeyPackageUse`] |
//! | how bytes travel | [`base64`] |
//! | for people | [`inspect`] |
//!
//! Untrusted bytes have another type until they have been checked: an [`IdCsr`] becomes a
//! [`VerifiedCsr`], a path segment a [`UserId`], DER a [`ServerCert`] or an [`ActorCert`]. The
//! fields are private and the checked constructor is the only way in.

pub mod base64;
mod challenge;
mod client_key;
mod distinguished_name;
mod domain;
mod fid;
mod id_cert;
mod id_csr;
pub mod inspect;
pub mod issue;
mod key;
mod key_package;
mod mls_crypto;
mod profile;
mod serial_number;
mod session_id;
mod sets;
mod signatures;
mod signed;
mod snowflake;
#[cfg(test)]
mod tests;
mod timestamp;
mod token;
mod user_id;
mod validity;
mod x25519;

pub use challenge::{Challenge, ChallengeError, ChallengeSecret};
pub use client_key::ClientKey;
pub use distinguished_name::{DistinguishedName, NameError};
pub use domain::{Domain, DomainError};
pub use fid::{Fid, FidError, LocalName};
pub use id_cert::{ActorCert, IdCertError, ServerCert};
pub use id_csr::{CsrError, IdCsr, VerifiedCsr};
pub use key::{KeyAlgorithm, KeyError, PrivateKey, PublicKey};
pub use key_package::{
    CipherSuite, KeyPackage, KeyPackageError, LONGEST_LIFETIME, Use as KeyPackageUse,
};
pub use serial_number::{SerialNumber, SerialNumbers};
pub use session_id::{SessionId, SessionIdError};
pub use snowflake::{Snowflake, SnowflakeError};
pub use timestamp::{Timestamp, TimestampError};
pub use token::{Token, TokenHash};
pub use user_id::{UserId, UserIdError};
pub use validity::Validity;
