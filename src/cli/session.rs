//! `antiphon session`: the clients of a user.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::{CliError, output};
use crate::control::{Request, Session, ask};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List the sessions of a user, ended ones too
    List {
        /// Name, federation ID or user ID
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a session: its ID-Cert is revoked, its token dies
    End {
        /// Name, federation ID or user ID
        user: String,
        /// The session's ID
        session_id: String,
    },
}

pub(super) fn run(command: SessionCommand, data_dir: &Path) -> Result<ExitCode, CliError> {
    match command {
        SessionCommand::List { user, json } => {
            let sessions: Vec<Session> = ask(data_dir, &Request::SessionList { user })?;
            list(&sessions, json)?;
        }
        SessionCommand::End { user, session_id } => {
            let told = format!("ended {} of {user}", session_id.escape_default());
            ask::<()>(data_dir, &Request::SessionEnd { user, session_id })?;
            output::line(told)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(sessions: &[Session], json: bool) -> Result<(), CliError> {
    if json {
        return output::json(&sessions);
    }
    let row = |session: &Session| {
        [
            session.session_id.escape_default().to_string(),
            output::time(session.since),
            output::optional_time(session.ended),
            output::optional_time(session.cert_not_after),
            session
                .fingerprint
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let heading = ["SESSION ID", "SINCE", "ENDED", "CERT NOT AFTER", "KEY"];
    output::table(heading, &rows)?;
    Ok(())
}
