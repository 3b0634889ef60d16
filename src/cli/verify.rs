//! `antiphon verify` and `antiphon repair-indexes`: whether all that is stored holds together.

use std::process::ExitCode;

use antiphon_actors::clock::SystemClock;
use antiphon_actors::storage::{DataDir, Exposed};
use antiphon_actors::verify::{self, KeyAt, Report};
use serde::Serialize;

use super::offline::{Offline, check_exists};
use super::{CliError, output};
use crate::config::Config;
use crate::store;

pub(super) fn run(config: &Config, json: bool) -> Result<ExitCode, CliError> {
    actix::System::new().block_on(async {
        let offline = Offline::open_as_it_is(config).await?;
        let keys = offline.data_dir.keys();
        let mut report = verify::verify(&offline.storage, &config.domain, KeyAt::Files(&keys));
        tell_of_exposed(&offline.data_dir, &mut report)?;
        offline.close()?;
        tell(&report, json)
    })
}

/// What others may look into, which changes nothing about what is stored, and which the next start ends.
fn tell_of_exposed(data_dir: &DataDir, report: &mut Report) -> Result<(), CliError> {
    for Exposed { path, mode } in data_dir.exposed()? {
        let path = path.display();
        report.notes.push(format!(
            "{path}: its mode is {mode:o}, and others may look into it, until the next start"
        ));
    }
    Ok(())
}

/// Writes the indexes anew, and verifies the result.
pub(super) fn repair_indexes(config: &Config, json: bool) -> Result<ExitCode, CliError> {
    actix::System::new().block_on(async {
        check_exists(config)?;
        let data_dir = DataDir::open_to_repair(&config.data_dir, &config.domain)?;
        let storage = store::repair(&data_dir, config, &SystemClock).await?;
        let report = verify::verify(&storage, &config.domain, KeyAt::Files(&data_dir.keys()));
        storage.close()?;
        tell(&report, json)
    })
}

#[derive(Serialize)]
struct Verified<'a> {
    is_clean: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Prints what was read and found; 1 if something is wrong.
pub(super) fn tell(report: &Report, json: bool) -> Result<ExitCode, CliError> {
    let is_clean = report.is_clean();
    if json {
        output::json(&Verified { is_clean, report })?;
    } else {
        for (name, count) in &report.counts {
            output::line(format!("{name:<28} {count}"))?;
        }
        for note in &report.notes {
            output::line(format!("note: {note}"))?;
        }
        for finding in &report.findings {
            output::line(format!("WRONG: {finding}"))?;
        }
        let more = report.found - report.findings.len() as u64;
        if more > 0 {
            output::line(format!("and {more} more"))?;
        }
        output::line(match report.found {
            0 => "verified: all of it holds together".to_owned(),
            1 => "not verified: 1 thing is wrong".to_owned(),
            found => format!("not verified: {found} things are wrong"),
        })?;
    }
    Ok(if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
