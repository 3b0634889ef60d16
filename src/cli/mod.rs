//! The command line.
//!
//! `serve` runs the node, and is what happens without a command. `check-config`, `cert show` and
//! `backup --verify` need no node, and `demo` starts its own; `verify`, `repair-indexes`, `compact`
//! and `restore` need that none is running. All others reach the running one through the control
//! socket; `export` reads the data directory if there is none.

mod backup;
mod cert;
mod check_config;
mod compact;
mod demo;
mod export;
mod invite;
mod key;
mod offline;
mod open_files;
mod output;
mod passphrase;
mod restore;
mod serve;
mod session;
mod settings;
mod user;
mod verify;
mod whole_file;

use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_actors::backup::RestoreError;
use antiphon_actors::key_manager::StartError;
use antiphon_actors::storage::{DataDirError, OpenError, StorageError};
use clap::{Parser, Subcommand};
use rustix::fs::Mode;

use crate::config::ConfigError;
use crate::control::AskError;
use crate::demo::DemoError;
use crate::node::NodeError;
use crate::store::StoreError;
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
    /// Start two nodes in a temporary directory and show, with real requests, how they federate;
    /// it takes no settings
    Demo,
    /// Check the configuration, with the TLS files in it, and print every setting and where it comes
    /// from
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
    /// Back up the running node into one file, or verify such a file
    Backup(backup::BackupArgs),
    /// Restore a backup into an empty data directory
    Restore(restore::RestoreArgs),
    /// Write the log with its certificates as JSON Lines, from the running node or, if it is stopped,
    /// from its data directory
    Export(export::ExportArgs),
    /// Read everything that is stored, and say what is wrong and where (the node must be stopped)
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the indexes anew from the log (the node must be stopped)
    RepairIndexes {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give back space on disk that is not used any more (the node must be stopped)
    Compact,
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
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("{} has no node's data in it", .0.display())]
    NoData(PathBuf),
    #[error("a passphrase that protects a private key must have at least {0} bytes")]
    ShortPassphrase(usize),
    #[error("{0}: the passphrase is empty; it is the first line")]
    EmptyPassphrase(String),
    #[error("the export was cut off; what the node says of it is in its log")]
    CutOff,
    #[error("{error} (verified in {}; TMPDIR says where)", place.display())]
    Verify {
        place: PathBuf,
        error: Box<CliError>,
    },
    #[error("the demo takes no settings: it has its own, for two nodes in a temporary directory")]
    DemoSettings,
    #[error("the demo did not go as the contract says: {0}")]
    Demo(#[from] DemoError),
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("standard output: {0}; what the command does is done, and what it says is lost")]
    Output(std::io::Error),
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

impl CliError {
    /// Whether it is the configuration or the command line that is wrong, so that another try is as well.
    fn is_misconfigured(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::DemoSettings
                | Self::DataDir(DataDirError::OtherDomain { .. })
                | Self::Restore(RestoreError::OtherDomain { .. })
                | Self::Node(
                    NodeError::Tls(_)
                        | NodeError::DataDir(DataDirError::OtherDomain { .. })
                        | NodeError::Identity(StartError::OtherDomain(_))
                )
        )
    }
}

/// Runs the program: 0 for success, 1 for failure, 2 for a configuration or a command line that is
/// wrong.
pub fn main() -> ExitCode {
    // Damaged files make sled panic, which is caught and told as an error, in one line.
    std::panic::set_hook(Box::new(output::panic_line));
    // The store makes its files without asking for a mode.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::error_line(&error);
            if error.is_misconfigured() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let Cli { settings, command } = cli;
    match command {
        None | Some(Command::Serve) => serve::run(&settings.config()?),
        Some(Command::Demo) => demo::run(&settings),
        Some(Command::CheckConfig { json }) => check_config::run(&settings, json),
        Some(Command::User(command)) => user::run(command, &settings.config()?.data_dir),
        Some(Command::Key(command)) => key::run(command, &settings.config()?.data_dir),
        Some(Command::Session(command)) => session::run(command, &settings.config()?.data_dir),
        Some(Command::Invite(command)) => invite::run(command, &settings.config()?.data_dir),
        Some(Command::Backup(args)) => backup::run(&args, &settings.config()?),
        Some(Command::Restore(args)) => restore::run(&args, &settings.config()?),
        Some(Command::Export(args)) => export::run(&args, &settings.config()?),
        Some(Command::Verify { json }) => verify::run(&settings.config()?, json),
        Some(Command::RepairIndexes { json }) => verify::repair_indexes(&settings.config()?, json),
        Some(Command::Compact) => compact::run(&settings.config()?),
        Some(Command::Cert(command)) => cert::run(command),
    }
}
