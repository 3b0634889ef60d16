//! `antiphon export`: the public part of the store, for other programs.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::CliError;
use super::offline::Offline;
use super::whole_file::WholeFile;
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
    let Some(path) = &args.file else {
        write(config, "standard output", io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    };
    let name = path.display().to_string();
    let in_file = |error| CliError::File(name.clone(), error);
    let mut file = WholeFile::create(path).map_err(in_file)?;
    write(config, &name, file.file())?;
    file.complete().map_err(in_file)?;
    Ok(ExitCode::SUCCESS)
}

fn write(config: &Config, name: &str, out: impl Write) -> Result<(), CliError> {
    let mut out = BufWriter::new(out);
    let in_file = |error| CliError::File(name.to_owned(), error);
    match ask_for_stream::<()>(&config.data_dir, &Request::Export) {
        Ok(((), stream)) => copy(stream, &mut out, in_file)?,
        Err(AskError::NotRunning(_)) => {
            let offline = actix::System::new().block_on(Offline::open(config))?;
            export::write(&offline.storage, u64::MAX, &mut out).map_err(in_file)?;
            offline.close()?;
        }
        Err(error) => return Err(error.into()),
    }
    out.flush().map_err(in_file)
}

/// Copies what the node says, which must end with the line that says so: a node that is killed says
/// nothing more.
fn copy(
    stream: impl Read,
    out: &mut impl Write,
    in_file: impl Fn(io::Error) -> CliError,
) -> Result<(), CliError> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut is_complete) = (Vec::new(), false);
    loop {
        line.clear();
        let read = stream.read_until(b'\n', &mut line);
        if read.map_err(AskError::Broken)? == 0 {
            break;
        }
        is_complete = export::is_end(&line);
        out.write_all(&line).map_err(&in_file)?;
    }
    if is_complete {
        Ok(())
    } else {
        Err(CliError::CutOff)
    }
}
