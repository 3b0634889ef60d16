//! `antiphon check-config`: says what every setting is, and who set it, or what is wrong with it.

use std::process::ExitCode;

use antiphon_actors::clock::{Clock as _, SystemClock};
use serde::Serialize;

use super::settings::SettingsArgs;
use super::{CliError, output};
use crate::config::Config;
use crate::node::NodeError;
use crate::tls::Tls;

#[derive(Serialize)]
struct Setting {
    key: String,
    value: String,
    origin: String,
}

pub(super) fn run(settings: &SettingsArgs, json: bool) -> Result<ExitCode, CliError> {
    let sources = settings.sources()?;
    let config = Config::from_sources(&sources)?;
    // What a start would refuse before it looks at any data.
    if let Some(files) = &config.listen.tls {
        let tls = Tls::read(files).map_err(NodeError::from)?;
        if let Some(ended) = tls.ended(SystemClock.now()) {
            let path = files.certificate.display();
            output::warning(format!("{path} has ended at {}", ended.to_utc()));
        }
    }
    let shown: Vec<_> = config
        .effective()
        .into_iter()
        .map(|(key, value)| Setting {
            key: key.to_owned(),
            value,
            origin: sources.origin(key).to_string(),
        })
        .collect();
    if json {
        output::json(&shown)?;
    } else {
        let rows: Vec<_> = shown
            .into_iter()
            .map(|setting| [setting.key, setting.value, setting.origin])
            .collect();
        output::table(["KEY", "VALUE", "SET BY"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}
