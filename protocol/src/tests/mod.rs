//! The language, rule by rule.

mod challenge;
mod csr;
mod id_cert;
mod identifiers;
mod private_key;
mod serial_number;
mod sets;
mod signatures;
mod support;
mod x25519;
