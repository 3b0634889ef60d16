//! `antiphon backup`: everything that must outlive a disk, in one file, from the running node.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antiphon_actors::backup::{self, Manifest};
use clap::Args;

use super::passphrase::PassphraseArgs;
use super::restore::{tell_of_missing_key, tell_what_is_missing};
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
    if path.exists() {
        return Err(in_file(io::ErrorKind::AlreadyExists.into()));
    }
    let passphrase = args.passphrase.read_new()?;
    let order = Request::Backup {
        passphrase: passphrase.as_deref().cloned(),
    };
    let (manifest, mut stream): (Manifest, _) = ask_for_stream(&config.data_dir, &order)?;
    // Whoever looks meanwhile does not take half a backup for one.
    let partial = path.with_added_extension("partial");
    let written = write(&mut stream, &partial).and_then(|size| {
        backup::check(&partial).map_err(io::Error::other)?;
        fs::rename(&partial, path)?;
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(size)
    });
    let size = match written {
        Ok(size) => size,
        Err(error) => {
            // What is left of it is of no use; that it stays there is the smaller trouble.
            let _ = fs::remove_file(&partial);
            return Err(in_file(error));
        }
    };
    output::line(format!(
        "backed up {} as of {}: {} ({size} bytes)",
        manifest.domain,
        output::time(manifest.made_at),
        path.display()
    ));
    if !manifest.has_private_key {
        output::line(
            "The server's private key is NOT in it: give --passphrase-file or --passphrase-stdin \
             to have it in, encrypted, or keep a copy of keys/ yourself.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn write(stream: &mut impl io::Read, path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    let size = io::copy(stream, &mut file)?;
    file.sync_all()?;
    Ok(size)
}

fn verify_backup(args: &BackupArgs, config: &Config) -> Result<ExitCode, CliError> {
    let passphrase = args.passphrase.read()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_str());
    let place = tempfile::tempdir()?;
    let into = place.path().join("data");
    let restored = backup::verify(&args.file, &into, passphrase, config.cache_mib);
    let restored = actix::System::new().block_on(restored)?;
    let manifest = &restored.manifest;
    output::line(format!(
        "{}: of {}, as of {}, made by antiphon {}",
        args.file.display(),
        manifest.domain,
        output::time(manifest.made_at),
        manifest.made_by
    ));
    if manifest.has_private_key && !restored.has_key {
        output::line("Its private key was not tried: give its passphrase.");
    }
    tell_what_is_missing();
    if !manifest.has_private_key {
        tell_of_missing_key();
    }
    verify::tell(&restored.report, false)
}
