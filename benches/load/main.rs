//! `just load`: requests at a node, each figure beside a floor measured in the same run. `cargo test`
//! tries all of it on a small scale.

// Benches may stop at the first surprise; what they share with the tests they do not use all of.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::new_without_default,
    clippy::unwrap_used
)]

mod args;
#[path = "../support/bare.rs"]
mod bare;
mod churn;
mod churner;
mod client;
mod floor;
mod key_kind;
mod known;
mod line;
mod measure;
mod node;
mod page;
mod people;
mod picture;
mod process;
#[path = "../../tests/program/program.rs"]
mod program;
mod repetitions;
mod report;
mod run;
mod scenarios;
mod seed;
mod starts;
mod static_server;
#[path = "../../tests/support/mod.rs"]
mod support;
mod sweep;
mod target;
mod tests;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{CommandLine, What};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [what, file] = arguments.as_slice()
        && what == static_server::ARGUMENT
    {
        static_server::serve(Path::new(file));
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == args::BENCH) {
        return tests::run();
    }
    let args = CommandLine::parse();
    let is_well = match args.what {
        None => run::run(&args.run),
        Some(What::Figures(args)) => sweep::run(&args),
        Some(What::Churn(args)) => churn::run(&args),
        Some(What::Starts(args)) => {
            starts::run(&args);
            true
        }
    };
    ExitCode::from(u8::from(!is_well))
}
