//! `antiphon user`: the people of this server.

use std::io::{BufRead as _, stdin};
use std::path::Path;
use std::process::ExitCode;

use antiphon_protocol::Token;
use clap::{Args, Subcommand};
use rand_core::OsRng;
use serde::Serialize;

use super::{CliError, output};
use crate::control::{Request, User, ask};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user; without --password-stdin a password is made up and printed
    Add {
        /// The name before the @
        name: String,
        /// Make an administrator, who may rotate the server key over the network
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the users that this node knows
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a user an administrator
    GrantAdmin {
        /// Name, federation ID or user ID
        user: String,
    },
    /// Make an administrator an ordinary user
    RevokeAdmin {
        /// Name, federation ID or user ID
        user: String,
    },
    /// Give a user another password; sessions go on
    SetPassword {
        /// Name, federation ID or user ID
        user: String,
        #[command(flatten)]
        password: PasswordArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

/// A user, with the password if it was made up here.
#[derive(Serialize)]
struct WithPassword {
    #[serde(flatten)]
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub(super) fn run(command: UserCommand, data_dir: &Path) -> Result<ExitCode, CliError> {
    match command {
        UserCommand::Add {
            name,
            admin,
            password,
            json,
        } => {
            let (password, made_up) = password.read()?;
            let order = Request::UserAdd {
                name,
                password,
                is_administrator: admin,
            };
            tell("added", ask(data_dir, &order)?, made_up, json)?;
        }
        UserCommand::List { json } => {
            let users: Vec<User> = ask(data_dir, &Request::UserList)?;
            list(&users, json)?;
        }
        UserCommand::GrantAdmin { user } => set_administrator(data_dir, user, true)?,
        UserCommand::RevokeAdmin { user } => set_administrator(data_dir, user, false)?,
        UserCommand::SetPassword {
            user,
            password,
            json,
        } => {
            let (password, made_up) = password.read()?;
            let order = Request::UserSetPassword { user, password };
            tell("changed", ask(data_dir, &order)?, made_up, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl PasswordArgs {
    /// The password, and once more if it was made up and so has to be told.
    fn read(&self) -> Result<(String, Option<String>), CliError> {
        if self.password_stdin {
            let mut line = String::new();
            stdin().lock().read_line(&mut line)?;
            let password = line.trim_end_matches(['\r', '\n']).to_owned();
            return Ok((password, None));
        }
        let password = Token::random(&mut OsRng).to_wire();
        Ok((password.clone(), Some(password)))
    }
}

fn tell(what: &str, user: User, password: Option<String>, json: bool) -> Result<(), CliError> {
    if json {
        return output::json(&WithPassword { user, password });
    }
    let (fid, role, id) = (&user.fid, role(&user), &user.user_id);
    output::line(format!("{what} {fid}, {role}, user ID {id}"))?;
    if let Some(password) = password {
        output::line(format!("password: {password} (shown this once)"))?;
    }
    Ok(())
}

fn set_administrator(
    data_dir: &Path,
    user: String,
    is_administrator: bool,
) -> Result<(), CliError> {
    let order = Request::UserSetAdministrator {
        user,
        is_administrator,
    };
    tell("changed", ask(data_dir, &order)?, None, false)
}

fn list(users: &[User], json: bool) -> Result<(), CliError> {
    if json {
        return output::json(&users);
    }
    let row = |user: &User| {
        [
            user.user_id.clone(),
            user.fid.clone(),
            role(user).to_owned(),
            output::time(user.since),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    output::table(["USER ID", "FEDERATION ID", "ROLE", "SINCE"], &rows)?;
    Ok(())
}

fn role(user: &User) -> &'static str {
    if user.is_administrator {
        "administrator"
    } else {
        "user"
    }
}
