//! Antiphon, a federation node for polyproto: the doors.
//!
//! Doors parse, ask the owners in turn and answer; they own nothing. What they ask is in
//! [`antiphon_actors`], what they say in [`antiphon_protocol`].
//!
//! # The map
//!
//! | door | module |
//! | --- | --- |
//! | the network | [`http`] |
//! | the operator, at the running node | [`control`] |
//! | the command line | [`cli`], with [`demo`] |
//!
//! Around them: [`config`] (what can be set), [`node`] (the start and the stop), [`store`] (opening
//! it, and older formats), `export` (the log as JSON Lines), [`hangup`], [`logging`] and [`tls`].

pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
mod export;
pub mod hangup;
pub mod http;
pub mod logging;
pub mod node;
pub mod store;
pub mod tls;
