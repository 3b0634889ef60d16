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
mod kept;
mod key_kind;
mod known;
mod left;
mod line;
mod measure;
mod node;
mod output;
mod page;
mod people;
mod picture;
mod process;
#[path = "../../tests/program/program.rs"]
mod program;
mod refused;
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
mod values;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{CommandLine, What};

/// What became of something; where it failed, what to say to whoever typed the command, in one line.
type Outcome<T> = Result<T, String>;

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
    left::see_to_signals();
    let is_well = match args.what {
        None => run::run(&args.run),
        Some(What::Figures(args)) => sweep::run(&args),
        Some(What::Churn(args)) => churn::run(&args),
        Some(What::Starts(args)) => starts::run(&args).map(|()| true),
    };
    ExitCode::from(match is_well {
        Ok(is_well) => u8::from(!is_well),
        Err(message) => {
            eprintln!("error: {message}");
            2
        }
    })
}
