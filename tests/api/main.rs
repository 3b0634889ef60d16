//! The node through its public door: real nodes on port 0, real keys, HTTP.

// Tests may stop at the first surprise, and say what they expect as it reads best.
#![allow(
    clippy::cloned_ref_to_slice_refs,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../support/mod.rs"]
mod support;

mod authorisation;
mod caching;
mod certificates;
mod errors;
mod foreign;
mod hostile;
mod identity;
mod key_package_makers;
mod key_package_model;
mod key_package_rules;
mod key_packages;
mod large_bodies;
mod ready;
mod server_key;
mod sessions;
mod user_certs;
