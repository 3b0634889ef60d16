//! `antiphon compact`: gives back the space on disk that what is gone left behind.

use std::process::ExitCode;

use antiphon_actors::storage::Compacted;

use super::offline::Offline;
use super::{CliError, output};
use crate::config::Config;

pub(super) fn run(config: &Config) -> Result<ExitCode, CliError> {
    let offline = actix::System::new().block_on(Offline::open(config))?;
    let compacted = offline.storage.compact()?;
    drop(offline.data_dir);
    let Compacted {
        records,
        before,
        after,
    } = compacted;
    output::line(if after < before {
        format!("compacted {records} records: {before} bytes before, {after} now")
    } else {
        format!(
            "{records} records take {after} bytes; a copy would be no smaller, so nothing was changed"
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
