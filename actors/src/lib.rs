//! The owners of a node's state. Each actor owns one kind of state, its part of the store and the
//! rules about it. None of them knows HTTP.
//!
//! # The map
//!
//! | actor | owns |
//! | --- | --- |
//! | [`key_manager`] | the server's key pairs and rotation state; signs ID-Certs |
//! | [`cert_registry`] | the log of every ID-Cert and every end of a session; who was in force at *t* |
//! | [`accounts`] | users, passwords, administrators, invites, tokens, used challenges |
//! | [`key_package_pool`] | one-time and last resort KeyPackages, and every `init_key` ever seen |
//! | [`home_servers`] | what other nodes said of their certificates, for a while |
//!
//! Beneath them: [`storage`], one sled tree and the committer that makes writes durable, and
//! [`clock`], the only place that asks the system for the time, and [`workers`], which do the
//! mathematics.
//!
//! For the operator: [`backup`] and [`verify`].
//!
//! Requests flow one way: [`accounts`] → [`key_manager`] → [`cert_registry`]. An operation that
//! touches two owners is one [`storage::WriteSet`], committed by the last of them.
//!
//! The rooms that recur in an actor's folder: `mod.rs` is the actor, and what it does with each message
//! unless a file beside it is about that; `messages.rs` what it can be asked, `error.rs` what can go
//! wrong, `store.rs` what it keeps on disk, but for what has a file of its own (challenges, serial
//! numbers), `verify.rs` what [`verify`] looks for in it while no node runs. [`home_servers`] keeps
//! nothing on disk, so it has neither of the last two.

pub mod accounts;
pub mod backup;
pub mod cert_registry;
pub mod clock;
pub mod home_servers;
pub mod key_manager;
pub mod key_package_pool;
pub mod storage;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod workers;
