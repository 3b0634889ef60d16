//! Flags that set settings.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError, Sources};

/// Where settings come from. Flags beat environment variables, which beat the file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct SettingsArgs {
    /// The configuration file; config.toml in this directory, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set domain
    #[arg(long, global = true, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Set `data_dir`
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Set listen.address
    #[arg(long, global = true, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Set any setting, such as registration.mode=open
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it takes KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl SettingsArgs {
    /// All that is given.
    pub(super) fn sources(&self) -> Result<Sources, ConfigError> {
        let mut sources = Sources::default();
        sources.read_file(self.config.as_deref())?;
        sources.read_environment(std::env::vars_os())?;
        let named = [
            ("--domain", "domain", &self.domain),
            ("--data-dir", "data_dir", &self.data_dir),
            ("--listen", "listen.address", &self.listen),
        ];
        for (flag, key, value) in named {
            if let Some(value) = value {
                sources.add_flag(flag, key, value);
            }
        }
        for (key, value) in &self.set {
            sources.add_flag("--set", key, value);
        }
        Ok(sources)
    }

    /// Whether any flag of these is given.
    pub(super) fn has_any(&self) -> bool {
        let named = [&self.domain, &self.data_dir, &self.listen];
        self.config.is_some() || named.iter().any(|flag| flag.is_some()) || !self.set.is_empty()
    }

    /// The configuration that results.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        Config::from_sources(&self.sources()?)
    }
}
