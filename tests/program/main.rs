//! The program as an operator runs it: the real binary, its command line, signals and kills.

#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;
