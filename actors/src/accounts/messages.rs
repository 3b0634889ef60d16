//! What the Accounts can be asked.

use actix::Message;
use antiphon_protocol::{
    ActorCert, Challenge, Fid, FidError, LocalName, SessionId, Snowflake, Timestamp, Token,
    TokenHash, UserId, VerifiedCsr,
};

use super::{AccountsError, NewPassword, Password, PasswordLength, RegistrationMode};
use crate::cert_registry::SessionRef;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSummary {
    /// The ID on this node.
    pub id: Snowflake,
    /// The federation ID.
    pub fid: Fid,
    /// Whether the user may administrate the node.
    pub is_administrator: bool,
    /// When the node first knew of the user.
    pub since: Timestamp,
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserSummary,
    /// With which session.
    pub session: SessionRef,
    /// That session's ID.
    pub session_id: SessionId,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Opened {
    /// Whose.
    pub user: UserSummary,
    /// Its certificate.
    pub cert: ActorCert,
    /// Its token, which the node does not keep.
    pub token: Token,
}

/// An invite as it is handed out: a token, once.
#[derive(Debug)]
pub struct InviteCode {
    /// The code.
    pub code: Token,
    /// Who may register; elsewhere than in one mode it is of no use.
    pub registration: RegistrationMode,
}

/// An invite as the node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteSummary {
    /// By which it can be revoked.
    pub id: String,
    /// When it was made.
    pub since: Timestamp,
}

/// Registers a user over the network, if the mode of registration allows it.
#[derive(Debug, Message)]
#[rtype(result = "Result<UserSummary, AccountsError>")]
pub struct Register {
    /// The wished-for name, or what is wrong with it: told only where somebody may register, like the next.
    pub local_name: Result<LocalName, FidError>,
    /// The password, or that it cannot be one.
    pub password: Result<NewPassword, PasswordLength>,
    /// The invite, if there is one.
    pub invite: Option<Token>,
}

/// Adds a user on the operator's word.
#[derive(Debug, Message)]
#[rtype(result = "Result<UserSummary, AccountsError>")]
pub struct AddUser {
    /// The name.
    pub local_name: LocalName,
    /// The password.
    pub password: NewPassword,
    /// Whether the user may administrate the node.
    pub is_administrator: bool,
}

/// Begins a session: checks the password, has the request certified, and gives out a token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Opened, AccountsError>")]
pub struct OpenSession {
    /// The name as given; one that cannot be a name is answered like one that nobody has.
    pub local_name: Option<LocalName>,
    /// The password as given.
    pub password: Password,
    /// The request, or what is wrong with it: told only to who knows the password.
    pub csr: Result<VerifiedCsr, antiphon_protocol::CsrError>,
}

/// Who holds this token?
#[derive(Debug, Message)]
#[rtype(result = "Result<Caller, AccountsError>")]
pub struct Authenticate {
    /// The SHA-256 of the token.
    pub token: TokenHash,
}

/// Makes a challenge, good once and for 300 s, and keeps nothing of it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Challenge, AccountsError>")]
pub struct MakeChallenge;

/// Is this a challenge that somebody can sign in with?
#[derive(Debug, Message)]
#[rtype(result = "Result<Challenge, AccountsError>")]
pub struct CheckChallenge {
    /// The challenge as given.
    pub text: String,
}

/// Signs a session in whose client has completed a challenge, and whose certificate is genuine.
/// The challenge is spent with this, also if signing in fails for another reason.
#[derive(Debug, Message)]
#[rtype(result = "Result<SignedIn, AccountsError>")]
pub struct SignIn {
    /// The challenge, its signature verified.
    pub challenge: Challenge,
    /// The certificate, verified unless it is for a user of this node.
    pub cert: ActorCert,
}

/// A session that has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Whose.
    pub user: UserSummary,
    /// Its token, which the node does not keep.
    pub token: Token,
}

/// Ends the session that asks.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AccountsError>")]
pub struct EndOwnSession {
    /// The session.
    pub session: SessionRef,
}

/// Ends the live session of a user that has this ID.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AccountsError>")]
pub struct EndNamedSession {
    /// Whose.
    pub user: Snowflake,
    /// Its ID.
    pub session_id: SessionId,
}

/// The same, on the operator's word.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AccountsError>")]
pub struct EndSessionOf {
    /// Whose.
    pub user: UserId,
    /// Its ID.
    pub session_id: SessionId,
}

/// Who is this?
#[derive(Debug, Message)]
#[rtype(result = "Result<UserSummary, AccountsError>")]
pub struct FindUser {
    /// By either ID.
    pub user: UserId,
}

/// The Snowflake of a user.
#[derive(Debug, Message)]
#[rtype(result = "Result<Snowflake, AccountsError>")]
pub struct FindUserId {
    /// By either ID.
    pub user: UserId,
}

/// All users, in the order in which the node came to know them.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<UserSummary>, AccountsError>")]
pub struct ListUsers;

/// Makes a user an administrator, or no longer one.
#[derive(Debug, Message)]
#[rtype(result = "Result<UserSummary, AccountsError>")]
pub struct SetAdministrator {
    /// Who.
    pub user: UserId,
    /// Which of the two.
    pub is_administrator: bool,
}

/// Gives a user another password. Sessions go on.
#[derive(Debug, Message)]
#[rtype(result = "Result<UserSummary, AccountsError>")]
pub struct SetPassword {
    /// Who.
    pub user: UserId,
    /// The new password.
    pub password: NewPassword,
}

/// Makes an invite, good for one registration.
#[derive(Debug, Message)]
#[rtype(result = "Result<InviteCode, AccountsError>")]
pub struct CreateInvite;

/// All invites that have not been used.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<InviteSummary>, AccountsError>")]
pub struct ListInvites;

/// Takes an invite back.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AccountsError>")]
pub struct RevokeInvite {
    /// Which, as in the list.
    pub id: String,
}
