//! `antiphon export`: the public part of the store, for other programs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::CliError;
use super::offline::Offline;
use crate::config::Config;
use crate::control::{AskError, Request, ask_for_stream};
use crate::export;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file to write, which must not exist; standard output without it
    file: Option<PathBuf>,
}

/// Writes the log as JSON Lines: from the running node, or from its data directory.
pub(super) fn run(args: &ExportArgs, config: &Config) -> Result<ExitCode, CliError> {
    let name = args.file.as_ref().map_or_else(
        || "standard output".to_owned(),
        |path| path.display().to_string(),
    );
    let in_file = |error| CliError::File(name.clone(), error);
    let (mut out, file): (Box<dyn Write>, Option<File>) = match &args.file {
        Some(path) => {
            let file = OpenOptions::new().create_new(true).write(true).open(path);
            let file = file.map_err(in_file)?;
            (Box::new(BufWriter::new(file.try_clone()?)), Some(file))
        }
        None => (Box::new(BufWriter::new(io::stdout())), None),
    };
    match ask_for_stream::<()>(&config.data_dir, &Request::Export) {
        Ok(((), mut stream)) => {
            io::copy(&mut stream, &mut out).map_err(in_file)?;
        }
        Err(AskError::NotRunning(_)) => {
            let offline = actix::System::new().block_on(Offline::open(config))?;
            export::write(&offline.storage, u64::MAX, &mut out).map_err(in_file)?;
            offline.close()?;
        }
        Err(error) => return Err(error.into()),
    }
    out.flush().map_err(in_file)?;
    if let Some(file) = file {
        file.sync_all().map_err(in_file)?;
    }
    Ok(ExitCode::SUCCESS)
}
