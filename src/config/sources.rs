//! Where settings come from: file, environment, flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::keys::{self, Written};
use super::value::ConfigError;

/// The configuration file that is read if it exists and no other is named.
const DEFAULT_FILE: &str = "config.toml";

/// The beginning of the environment variables that are settings.
const PREFIX: &str = "ANTIPHON_";

/// How many characters are shown of a line that cannot be read.
const SHOWN: usize = 60;

/// Who gave a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
    /// Nobody.
    Default,
}

/// A setting as it was given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// All that was given, the last word on each key.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    given: BTreeMap<String, Given>,
}

impl Sources {
    /// Reads a configuration file: the one named, else `config.toml` here if there is one.
    pub fn read_file(&mut self, named: Option<&Path>) -> Result<(), ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            Err(error) => {
                return Err(ConfigError::Unreadable {
                    path: path.to_owned(),
                    error,
                });
            }
        };
        let table = text.parse::<Table>().map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let above = before.map_or(0, |before| before.matches('\n').count());
            let line = text.lines().nth(above).unwrap_or_default();
            ConfigError::Syntax {
                path: path.to_owned(),
                line: above + 1,
                message: error.message().lines().collect::<Vec<_>>().join("; "),
                text: line.trim().chars().take(SHOWN).collect(),
            }
        })?;
        self.add_table("", table, &Origin::File(path.to_owned()));
        Ok(())
    }

    /// Takes the settings among environment variables.
    pub fn read_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        for (variable, text) in variables {
            let shown = variable.to_string_lossy().into_owned();
            let Some(name) = shown.strip_prefix(PREFIX) else {
                continue;
            };
            let name = name.to_ascii_lowercase().replace("__", ".");
            // A variable that is no setting and looks like none may be somebody else's, such as those that
            // Kubernetes makes for a service of this name.
            let is_ours =
                name.contains('.') || keys::is_section(&name) || keys::resembling(&name).is_some();
            if !is_ours {
                continue;
            }
            let origin = Origin::Environment(shown);
            match (variable.to_str(), text.into_string()) {
                (Some(_), Ok(text)) => self.add_text(&name, &text, origin),
                // Passed over, it would leave the default in effect.
                _ => return Err(ConfigError::NotText { origin }),
            }
        }
        Ok(())
    }

    /// Takes a setting from a flag.
    pub fn add_flag(&mut self, flag: &str, name: &str, text: &str) {
        self.add_text(name, text, Origin::Flag(flag.to_owned()));
    }

    /// Who had the last word on a key.
    pub fn origin(&self, name: &str) -> Origin {
        let given = self.get(name);
        given.map_or(Origin::Default, |given| given.origin.clone())
    }

    /// What was given for a key.
    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// Refuses keys that do not exist.
    pub(super) fn check_keys(&self) -> Result<(), ConfigError> {
        match self.given.iter().find(|(name, _)| !keys::exists(name)) {
            Some((name, given)) => Err(ConfigError::UnknownKey {
                origin: given.origin.clone(),
                name: name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn add_table(&mut self, section: &str, table: Table, origin: &Origin) {
        for (name, value) in table {
            let name = match section {
                "" => name,
                section => format!("{section}.{name}"),
            };
            match value {
                Value::Table(inner) if !keys::exists(&name) => {
                    self.add_table(&name, inner, origin);
                }
                value => self.add(name, value, origin.clone()),
            }
        }
    }

    /// Takes a value that is given as text. What cannot be read as one of another kind stays a
    /// text, which whoever reads the key refuses.
    fn add_text(&mut self, name: &str, text: &str, origin: Origin) {
        let value = match keys::written(name) {
            Some(Written::Toml) => text.parse().ok(),
            Some(Written::Bare) | None => None,
        };
        let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
        self.add(name.to_owned(), value, origin);
    }

    fn add(&mut self, name: String, value: Value, origin: Origin) {
        self.given.insert(name, Given { value, origin });
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}
