//! Where passphrases come from: never from the command line itself, which others can see.

use std::fs;
use std::io::{BufRead as _, stdin};
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::CliError;

/// The fewest bytes of a passphrase for a private key.
const FEWEST_BYTES: usize = 12;

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PassphraseArgs {
    /// Read the passphrase from the first line of a file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line of standard input
    #[arg(long)]
    passphrase_stdin: bool,
}

impl PassphraseArgs {
    /// The passphrase, if one is asked for: never an empty one.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        let (from, text) = match &self.passphrase_file {
            Some(path) => {
                let from = path.display().to_string();
                let text = fs::read_to_string(path);
                (
                    from.clone(),
                    text.map_err(|error| CliError::File(from, error))?,
                )
            }
            None if self.passphrase_stdin => {
                let mut line = String::new();
                stdin().lock().read_line(&mut line)?;
                ("standard input".to_owned(), line)
            }
            None => return Ok(None),
        };
        let text = Zeroizing::new(text);
        // Taken for none, it would leave out the very key that it was to protect.
        match text.lines().next() {
            None | Some("") => Err(CliError::EmptyPassphrase(from)),
            Some(line) => Ok(Some(Zeroizing::new(line.to_owned()))),
        }
    }

    /// The same, long enough to protect a key.
    pub(super) fn read_new(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        match self.read()? {
            Some(passphrase) if passphrase.len() < FEWEST_BYTES => {
                Err(CliError::ShortPassphrase(FEWEST_BYTES))
            }
            passphrase => Ok(passphrase),
        }
    }
}
