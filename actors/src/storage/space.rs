//! Who owns which keys.

/// A key space: the first byte of a key. The numbers are on disk and never change their meaning;
/// one that falls out of use is not given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Space {
    /// CertRegistry: the log. Sequence number → entry.
    LogEntries = 1,
    /// CertRegistry, derived: logging time, sequence number → a server certificate's validity.
    ServerCertIndex = 2,
    /// CertRegistry, derived: user, session, logging time and sequence number of a step → it and some
    /// more steps of the session: the validity of each certificate, and the end.
    SessionCertIndex = 3,
    /// CertRegistry, until data format 6: user, session → its ID, beginning and end. Empty since then.
    FormerSessions = 4,
    /// CertRegistry, derived: user, session ID → the live session that has it.
    LiveSessions = 5,
    /// CertRegistry, derived from entries of version 1: serial number → sequence number of the
    /// certificate that has it. Later serial numbers need no index (`key_manager/serials.rs`).
    SerialNumbers = 6,
    /// Accounts: user → who that is.
    Users = 16,
    /// Accounts: federation ID → user.
    UsersByFid = 17,
    /// Accounts: SHA-256 of a token → who holds it.
    Tokens = 18,
    /// Accounts: user, session → SHA-256 of its token.
    TokensBySession = 19,
    /// Accounts: SHA-256 of an invite → when it was made.
    Invites = 20,
    /// Accounts: expiry, nonce → a challenge that has been used.
    UsedChallenges = 21,
    /// Accounts: the secret in challenges.
    ChallengeSecret = 22,
    /// Accounts: the time up to which used challenges have been forgotten.
    ForgottenChallenges = 23,
    /// KeyPackagePool: user, session → which of its packages are there, in numbers.
    Racks = 32,
    /// KeyPackagePool: user, session, cipher suite, number → a one-time package.
    OneTimePackages = 33,
    /// KeyPackagePool: user, session, cipher suite → the last resort package.
    LastResortPackages = 34,
    /// KeyPackagePool: SHA-256 of an `init_key` → the package that has it, or had.
    InitKeys = 35,
    /// KeyPackagePool: asking session, user asked for, idempotency key → when, and how many.
    Claims = 36,
    /// KeyPackagePool: the same, position → a package that was given out.
    ClaimedPackages = 37,
    /// KeyManager: where its serial numbers come from.
    SerialSource = 48,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::LogEntries,
        Self::ServerCertIndex,
        Self::SessionCertIndex,
        Self::FormerSessions,
        Self::LiveSessions,
        Self::SerialNumbers,
        Self::Users,
        Self::UsersByFid,
        Self::Tokens,
        Self::TokensBySession,
        Self::Invites,
        Self::UsedChallenges,
        Self::ChallengeSecret,
        Self::ForgottenChallenges,
        Self::Racks,
        Self::OneTimePackages,
        Self::LastResortPackages,
        Self::InitKeys,
        Self::Claims,
        Self::ClaimedPackages,
        Self::SerialSource,
    ];

    /// The space with this number.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| *space as u8 == number)
    }

    /// A stored key's space, and the rest of it.
    pub(super) fn split(key: &[u8]) -> Option<(Self, &[u8])> {
        let (number, rest) = key.split_first()?;
        Some((Self::numbered(*number)?, rest))
    }

    pub(super) fn key(self, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + key.len());
        bytes.push(self as u8);
        bytes.extend_from_slice(key);
        bytes
    }
}
