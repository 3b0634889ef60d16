//! `antiphon compact`: gives back the space on disk that what is gone left behind.

use std::process::ExitCode;

use super::offline::Offline;
use super::{CliError, output};
use crate::config::Config;

pub(super) fn run(config: &Config) -> Result<ExitCode, CliError> {
    let offline = actix::System::new().block_on(Offline::open(config))?;
    let compacted = offline.storage.compact()?;
    drop(offline.data_dir);
    output::line(format!(
        "compacted {} records: {} bytes before, {} now",
        compacted.records, compacted.before, compacted.after
    ))?;
    Ok(ExitCode::SUCCESS)
}
