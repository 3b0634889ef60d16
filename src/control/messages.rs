//! What is said over the control socket.

use serde::{Deserialize, Serialize};

/// An order to the running node.
#[derive(Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Add a user; the answer is a [`User`].
    UserAdd {
        /// The local name.
        name: String,
        /// The password.
        password: String,
        /// Whether the user may administrate the node.
        is_administrator: bool,
    },
    /// All users; the answer is a list of [`User`].
    UserList,
    /// Make a user an administrator, or no longer one; the answer is a [`User`].
    UserSetAdministrator {
        /// Who.
        user: String,
        /// Which of the two.
        is_administrator: bool,
    },
    /// Give a user another password; the answer is a [`User`].
    UserSetPassword {
        /// Who.
        user: String,
        /// The new password.
        password: String,
    },
    /// The server key that signs now; the answer is a [`Key`].
    KeyShow,
    /// Rotate the server key; the answer is a [`Key`].
    KeyRotate,
    /// All server keys, oldest first; the answer is a list of [`Key`].
    KeyHistory,
    /// All sessions of a user; the answer is a list of [`Session`].
    SessionList {
        /// Whose.
        user: String,
    },
    /// End a session; the answer is nothing.
    SessionEnd {
        /// Whose.
        user: String,
        /// Its ID.
        session_id: String,
    },
    /// Make an invite; the answer is an [`InviteCode`].
    InviteAdd,
    /// All invites; the answer is a list of [`Invite`].
    InviteList,
    /// Make a backup; the answer is a [`Manifest`](antiphon_actors::backup::Manifest), and the
    /// backup follows it.
    Backup {
        /// With what the server's private key is encrypted; without one it is left out.
        passphrase: Option<String>,
    },
    /// The log; the answer is nothing, and JSON Lines follow it.
    Export,
    /// Take an invite back; the answer is nothing.
    InviteRevoke {
        /// Its ID.
        id: String,
    },
}

impl Request {
    /// The command that this is, and what it is about, if it changes something.
    pub(super) fn change(&self) -> Option<(&'static str, String)> {
        Some(match self {
            Self::UserAdd { name, .. } => ("user add", name.clone()),
            Self::UserSetAdministrator {
                user,
                is_administrator: true,
            } => ("user grant-admin", user.clone()),
            Self::UserSetAdministrator { user, .. } => ("user revoke-admin", user.clone()),
            Self::UserSetPassword { user, .. } => ("user set-password", user.clone()),
            Self::KeyRotate => ("key rotate", String::new()),
            Self::SessionEnd { user, session_id } => {
                ("session end", format!("{user} {session_id}"))
            }
            Self::InviteAdd => ("invite add", String::new()),
            Self::InviteRevoke { id } => ("invite revoke", id.clone()),
            Self::UserList
            | Self::KeyShow
            | Self::KeyHistory
            | Self::SessionList { .. }
            | Self::InviteList
            | Self::Backup { .. }
            | Self::Export => return None,
        })
    }
}

/// What the node says to an order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done(serde_json::Value),
    /// It is not, and why.
    Refused(String),
}

/// A user.
#[derive(Debug, Serialize, Deserialize)]
pub struct User {
    /// The ID on this node.
    pub user_id: String,
    /// The federation ID.
    pub fid: String,
    /// Whether the user may administrate the node.
    pub is_administrator: bool,
    /// When the node first knew of the user, UNIX seconds.
    pub since: u64,
}

/// A server key.
#[derive(Debug, Serialize, Deserialize)]
pub struct Key {
    /// SHA-256 of the `SubjectPublicKeyInfo`, hexadecimal.
    pub fingerprint: String,
    /// `p256` or `ed25519`.
    pub algorithm: String,
    /// Serial number of its certificate, hexadecimal.
    pub serial_number: String,
    /// First second of its certificate, UNIX seconds.
    pub not_before: u64,
    /// Last second of its certificate, UNIX seconds.
    pub not_after: u64,
    /// Since when it was the server's key, UNIX seconds.
    pub since: u64,
    /// Since when another one is, UNIX seconds.
    pub retired: Option<u64>,
    /// Its ID-Cert, Base64 of DER.
    pub id_cert: String,
}

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub struct Session {
    /// Its ID.
    pub session_id: String,
    /// When it was first seen, UNIX seconds.
    pub since: u64,
    /// When it ended, UNIX seconds.
    pub ended: Option<u64>,
    /// Last second of the certificate in force, UNIX seconds.
    pub cert_not_after: Option<u64>,
    /// Fingerprint of the key in force.
    pub fingerprint: Option<String>,
}

/// An invite that has not been used.
#[derive(Debug, Serialize, Deserialize)]
pub struct Invite {
    /// By which it can be revoked.
    pub id: String,
    /// When it was made, UNIX seconds.
    pub since: u64,
}

/// A new invite.
#[derive(Debug, Serialize, Deserialize)]
pub struct InviteCode {
    /// To be given to one person.
    pub invite: String,
    /// The `registration.mode` of the node: it is good for something where that is `invite`.
    pub registration: String,
}
