//! `antiphon demo`: two nodes on this machine, and the whole story of one person.

use std::process::ExitCode;

use super::settings::SettingsArgs;
use super::{CliError, output};
use crate::demo;

pub(super) fn run(settings: &SettingsArgs) -> Result<ExitCode, CliError> {
    // It would not follow them, and whoever gives some expects that.
    if settings.has_any() {
        return Err(CliError::DemoSettings);
    }
    let (mut step, mut told) = (0, Ok(()));
    let say = |line: String| {
        step += 1;
        if told.is_ok() {
            told = output::line(format!("{step:>3}  {line}"));
        }
    };
    actix::System::new().block_on(demo::run(say))?;
    told?;
    output::line("Every step is as the contract says. Nothing was left behind.")?;
    Ok(ExitCode::SUCCESS)
}
