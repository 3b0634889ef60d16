//! `antiphon backup`: everything that must outlive a disk, in one file, from the running node.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_actors::backup::{self, Manifest, RestoreError};
use clap::Args;

use super::passphrase::PassphraseArgs;
use super::restore::{tell_of_missing_key, tell_what_is_missing};
use super::whole_file::WholeFile;
use super::{CliError, output, verify};
use crate::config::Config;
use crate::control::{Request, ask_for_stream};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write; it must not exist
    file: PathBuf,
    /// Instead, restore FILE into a temporary directory and verify what comes out
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(super) fn run(args: &BackupArgs, config: &Config) -> Result<ExitCode, CliError> {
    if args.verify {
        return verify_backup(args, config);
    }
    let path = &args.file;
    let in_file = |error| CliError::File(path.display().to_string(), error);
    let passphrase = args.passphrase.read_new()?;
    let mut file = WholeFile::create(path).map_err(in_file)?;
    let order = Request::Backup {
        passphrase: passphrase.as_deref().cloned(),
    };
    let (manifest, mut stream): (Manifest, _) = ask_for_stream(&config.data_dir, &order)?;
    let size = io::copy(&mut stream, file.file()).map_err(in_file)?;
    file.file().sync_all().map_err(in_file)?;
    backup::check(file.partial()).map_err(|error| in_file(io::Error::other(error)))?;
    file.complete().map_err(in_file)?;
    output::line(format!(
        "backed up {} as of {}: {} ({size} bytes)",
        manifest.domain,
        output::time(manifest.made_at),
        path.display()
    ))?;
    if !manifest.has_private_key {
        output::line(
            "The server's private key is NOT in it: give --passphrase-file or --passphrase-stdin \
             to have it in, encrypted, or keep a copy of keys/ yourself.",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn verify_backup(args: &BackupArgs, config: &Config) -> Result<ExitCode, CliError> {
    let passphrase = args.passphrase.read()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_str());
    let in_place = |place: PathBuf, error: CliError| CliError::Verify {
        place,
        error: Box::new(error),
    };
    let place = tempfile::tempdir();
    let place = place.map_err(|error| in_place(std::env::temp_dir(), error.into()))?;
    let into = place.path().join("data");
    let restored = backup::verify(&args.file, &into, passphrase, config.cache_mib);
    let restored = actix::System::new().block_on(restored);
    let restored = restored.map_err(|error| match error {
        // What is wrong with the backup has nothing to do with the place.
        RestoreError::NoRoom(_)
        | RestoreError::DataDir(_)
        | RestoreError::Open(_)
        | RestoreError::Storage(_) => in_place(place.path().to_owned(), error.into()),
        error => error.into(),
    })?;
    let manifest = &restored.manifest;
    output::line(format!(
        "{}: of {}, as of {}, made by antiphon {}",
        args.file.display(),
        manifest.domain,
        output::time(manifest.made_at),
        manifest.made_by
    ))?;
    if manifest.has_private_key && !restored.has_key {
        output::line("Its private key was not tried: give its passphrase.")?;
    }
    tell_what_is_missing()?;
    if !manifest.has_private_key {
        tell_of_missing_key()?;
    }
    verify::tell(&restored.report, false)
}
