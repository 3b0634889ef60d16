//! The program as an operator runs it: the real binary, its command line, signals and kills.

// Tests may stop at the first surprise.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../support/mod.rs"]
mod support;

mod backups;
mod claims;
mod cli;
mod compactions;
mod config;
mod damage;
mod demo;
mod directories;
mod disk;
mod faults;
mod formats;
mod kills;
mod ledger;
mod outputs;
mod power;
mod program;
mod removals;
mod secrets;
mod starts;
mod tls;
mod verify;
mod workload;
