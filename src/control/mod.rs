//! The operator's door: a socket in the data directory. Who may open the file may give orders.
//!
//! One request and one answer a connection, each one line of JSON; a backup or an export follows its
//! answer. [`Server`] is the node's side,
//! [`ask`] the command line's, [`Request`] what they say.

mod client;
mod messages;
mod orders;
mod server;
mod streams;

pub use client::{AskError, ask, ask_for_stream};
pub use messages::{Answer, Invite, InviteCode, Key, Request, Session, User};
pub use server::{Server, Socket};

/// The longest line taken, in bytes.
const LINE_BYTES: u64 = 64 * 1024;
