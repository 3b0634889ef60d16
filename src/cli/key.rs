//! `antiphon key`: the server's identity key.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::{CliError, output};
use crate::control::{Key, Request, ask};

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum KeyCommand {
    /// Show the key that signs now
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key; certificates signed before stay verifiable
    Rotate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all keys, oldest first
    History {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: KeyCommand, data_dir: &Path) -> Result<ExitCode, CliError> {
    match command {
        KeyCommand::Show { json } => show(&ask(data_dir, &Request::KeyShow)?, json)?,
        KeyCommand::Rotate { json } => show(&ask(data_dir, &Request::KeyRotate)?, json)?,
        KeyCommand::History { json } => {
            let keys: Vec<Key> = ask(data_dir, &Request::KeyHistory)?;
            history(&keys, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(key: &Key, json: bool) -> Result<(), CliError> {
    if json {
        return output::json(key);
    }
    let rows = [
        ("fingerprint", key.fingerprint.clone()),
        ("algorithm", key.algorithm.clone()),
        ("serial number", key.serial_number.clone()),
        ("since", output::time(key.since)),
        ("not before", output::time(key.not_before)),
        ("not after", output::time(key.not_after)),
        ("ID-Cert", key.id_cert.clone()),
    ];
    for (name, value) in rows {
        output::line(format!("{name:<13}  {value}"))?;
    }
    Ok(())
}

fn history(keys: &[Key], json: bool) -> Result<(), CliError> {
    if json {
        return output::json(&keys);
    }
    let row = |key: &Key| {
        [
            output::time(key.since),
            output::optional_time(key.retired),
            output::time(key.not_after),
            key.algorithm.clone(),
            key.fingerprint.clone(),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let heading = ["SINCE", "RETIRED", "NOT AFTER", "ALGORITHM", "FINGERPRINT"];
    output::table(heading, &rows)?;
    Ok(())
}
