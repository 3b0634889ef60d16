//! `antiphon restore`: a backup becomes a data directory.

use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_actors::backup::{self, KeyChoice};
use clap::Args;

use super::passphrase::PassphraseArgs;
use super::{CliError, output, verify};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Leave the private key in it alone; the right one must be put into keys/ before the start
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_stdin"])]
    without_key: bool,
}

pub(super) fn run(args: &RestoreArgs, config: &Config) -> Result<ExitCode, CliError> {
    let passphrase = args.passphrase.read()?;
    let key = match &passphrase {
        Some(passphrase) => KeyChoice::Passphrase(passphrase),
        None if args.without_key => KeyChoice::Without,
        None => KeyChoice::Unsaid,
    };
    let (into, domain) = (&config.data_dir, Some(&config.domain));
    let restored = backup::restore(&args.file, into, domain, key, config.cache_mib);
    let restored = actix::System::new().block_on(restored)?;
    output::line(format!(
        "restored {} as of {} into {}",
        restored.manifest.domain,
        output::time(restored.manifest.made_at),
        into.display()
    ))?;
    tell_what_is_missing()?;
    if !restored.has_key {
        tell_of_missing_key()?;
    }
    verify::tell(&restored.report, false)
}

/// What a restored node is without, and what follows from it.
pub(super) fn tell_what_is_missing() -> Result<(), CliError> {
    let lines = [
        "It has no one-time KeyPackages: those given out since would come back. Clients publish new",
        "  ones; last resort packages are there, and no init_key it knew is taken a second time.",
        "It has no tokens and invites: those taken back since would come back. Everybody signs in again.",
        "It has nothing of what happened after the backup. Sessions ended since are live again, and who has",
        "  renewed a certificate since cannot sign in with the new one: end these sessions, and rotate the",
        "  server key if it was rotated since.",
    ];
    lines.into_iter().try_for_each(output::line)
}

/// That goes for whatever is restored without its key.
pub(super) fn tell_of_missing_key() -> Result<(), CliError> {
    output::line(
        "It has no private key: put the file that is named below into keys/, or the node does \
         not start.",
    )
}
