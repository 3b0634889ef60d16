//! The language, rule by rule.

mod csr;
mod id_cert;
mod identifiers;
mod support;
