//! The command line.
//!
//! `serve` runs the node, and is what happens without a command. `check-config` and `cert show`
//! need no node. All others reach the running one through the control socket.

mod cert;
mod check_config;
mod demo;
mod invite;
mod key;
mod output;
mod serve;
mod session;
mod settings;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;
use crate::control::AskError;
use crate::demo::DemoError;
use crate::node::NodeError;
use settings::SettingsArgs;

/// A federation node for polyproto: owns its identity, certifies its users, and answers for any
/// second who had which certificate.
#[derive(Debug, Parser)]
#[command(name = "antiphon", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node (the default)
    Serve,
    /// Start two nodes in a temporary directory and show, with real requests, how they federate
    Demo,
    /// Check the configuration and print every setting and where it comes from
    CheckConfig {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add and list users, and change what they may do
    #[command(subcommand)]
    User(user::UserCommand),
    /// Show and rotate the server's identity key
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Make and revoke invites, for registration.mode = "invite"
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Look at certificates and requests
    #[command(subcommand)]
    Cert(cert::CertCommand),
}

/// Why a command failed, in one line.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the demo did not go as the contract says: {0}")]
    Demo(#[from] DemoError),
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}: {1}")]
    NothingToInspect(String, antiphon_protocol::inspect::NothingToInspect),
    #[error("logging cannot start: {0}")]
    Logging(#[from] tracing_subscriber::util::TryInitError),
    #[error("the node stopped serving: {0}")]
    Served(std::io::Error),
}

/// Runs the program: 0 for success, 1 for failure, 2 for a configuration or a command line that is
/// wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::error_line(&error);
            match error {
                CliError::Config(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let Cli { settings, command } = cli;
    match command {
        None | Some(Command::Serve) => serve::run(&settings.config()?),
        Some(Command::Demo) => demo::run(),
        Some(Command::CheckConfig { json }) => check_config::run(&settings, json),
        Some(Command::User(command)) => user::run(command, &settings.config()?.data_dir),
        Some(Command::Key(command)) => key::run(command, &settings.config()?.data_dir),
        Some(Command::Session(command)) => session::run(command, &settings.config()?.data_dir),
        Some(Command::Invite(command)) => invite::run(command, &settings.config()?.data_dir),
        Some(Command::Cert(command)) => cert::run(command),
    }
}
