//! The node through its public door: real nodes on port 0, real keys, HTTP.

#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod server_key;
