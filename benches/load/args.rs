//! The command line.

use clap::{Parser, Subcommand};

use super::{churn, run, starts, sweep};

/// What `cargo bench` adds, and `cargo test` does not.
pub const BENCH: &str = "--bench";

/// Puts a node under load, and compares what it does with what the machine can do
#[derive(Debug, Parser)]
#[command(name = "load", args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    #[command(flatten)]
    pub run: run::Args,
    #[command(subcommand)]
    pub what: Option<What>,
    /// See [`BENCH`]
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// By how much there is and by how many ask: numbers and pictures
    Figures(sweep::Args),
    /// What remains on the disk of minutes at full speed
    Churn(churn::Args),
    /// How soon a node answers, after a clean stop and after kill -9 under load
    Starts(starts::Args),
}
