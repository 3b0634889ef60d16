//! `antiphon invite`: who may register while registration is by invite.

use std::path::Path;
use std::process::ExitCode;

use antiphon_actors::accounts::RegistrationMode;
use clap::Subcommand;

use super::{CliError, output};
use crate::control::{Invite, InviteCode, Request, ask};

#[derive(Debug, Subcommand)]
pub(super) enum InviteCommand {
    /// Make an invite, good for one registration
    Add {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the invites that have not been used
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an invite back
    Revoke {
        /// Its ID, as in the list
        id: String,
    },
}

pub(super) fn run(command: InviteCommand, data_dir: &Path) -> Result<ExitCode, CliError> {
    match command {
        InviteCommand::Add { json } => {
            let code: InviteCode = ask(data_dir, &Request::InviteAdd)?;
            if json {
                output::json(&code)?;
            } else {
                output::line(format!("{} (shown this once)", code.invite))?;
                let (is, needed) = (code.registration, RegistrationMode::Invite.to_string());
                if is != needed {
                    output::line(format!(
                        "registration.mode is {is:?}: it is of use where that is {needed:?}"
                    ))?;
                }
            }
        }
        InviteCommand::List { json } => {
            let invites: Vec<Invite> = ask(data_dir, &Request::InviteList)?;
            if json {
                output::json(&invites)?;
            } else {
                let row = |invite: &Invite| [invite.id.clone(), output::time(invite.since)];
                let rows: Vec<_> = invites.iter().map(row).collect();
                output::table(["ID", "SINCE"], &rows)?;
            }
        }
        InviteCommand::Revoke { id } => {
            let told = format!("revoked {id}");
            ask::<()>(data_dir, &Request::InviteRevoke { id })?;
            output::line(told)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
