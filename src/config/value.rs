//! From what was given to what it means.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Value;

use super::keys;
use super::sources::{Origin, Sources};

/// What is wrong with a configuration: always one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("{}: line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Why.
        message: String,
    },
    /// Name or value is no text.
    #[error("{origin}: its name and value must be text (UTF-8)")]
    NotText {
        /// Who gave it.
        origin: Origin,
    },
    /// There is no such key.
    #[error(
        "{origin}: unknown key {name}{}; allowed: {}",
        did_you_mean(name),
        keys::beside(name)
    )]
    UnknownKey {
        /// Who gave it.
        origin: Origin,
        /// The key.
        name: String,
    },
    /// The value is not one that the key takes.
    #[error(
        "{origin}: {name} = {value} is not allowed; it takes {}",
        allowed(name)
    )]
    NotAllowed {
        /// Who gave it.
        origin: Origin,
        /// The key.
        name: &'static str,
        /// The value.
        value: String,
    },
    /// The value goes with another one that is missing.
    #[error("{origin}: {name} is set alone; it takes {}", allowed(name))]
    Alone {
        /// Who gave it.
        origin: Origin,
        /// The key.
        name: &'static str,
    },
}

fn did_you_mean(name: &str) -> String {
    let hint = |key| format!(" (did you mean {key}?)");
    keys::resembling(name).map(hint).unwrap_or_default()
}

fn allowed(name: &str) -> &'static str {
    keys::find(name).map_or("another value", |key| key.allowed)
}

/// Reads values out of the sources.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources }
    }

    /// A text that `parse` accepts.
    pub(super) fn text<T>(
        &self,
        name: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.optional_text(name, &parse)? {
            Some(value) => Ok(value),
            None => parse(default).ok_or_else(|| self.refuse(name)),
        }
    }

    /// The same where there is no default.
    pub(super) fn optional_text<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.value(name, |value| parse(value.as_str()?))
    }

    /// A whole number within `range`.
    pub(super) fn whole<T>(
        &self,
        name: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: TryFrom<i64> + PartialOrd,
    {
        let parse = |value: &Value| {
            let number = T::try_from(value.as_integer()?).ok()?;
            range.contains(&number).then_some(number)
        };
        Ok(self.value(name, parse)?.unwrap_or(default))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        Ok(self.value(name, Value::as_bool)?.unwrap_or(default))
    }

    /// A list of texts that `parse` accepts.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let parse = |value: &Value| {
            let items = value.as_array()?.iter();
            items.map(|item| parse(item.as_str()?)).collect()
        };
        Ok(self.value(name, parse)?.unwrap_or_default())
    }

    /// A table of texts.
    pub(super) fn table<K: Ord, V>(
        &self,
        name: &'static str,
        parse_key: impl Fn(&str) -> Option<K>,
        parse_value: impl Fn(&str) -> Option<V>,
    ) -> Result<BTreeMap<K, V>, ConfigError> {
        let parse = |value: &Value| {
            let entries = value.as_table()?.iter();
            entries
                .map(|(key, value)| Some((parse_key(key)?, parse_value(value.as_str()?)?)))
                .collect()
        };
        Ok(self.value(name, parse)?.unwrap_or_default())
    }

    /// The error for a key that was given without the one that goes with it.
    pub(super) fn refuse(&self, name: &'static str) -> ConfigError {
        let given = self.sources.get(name);
        ConfigError::Alone {
            origin: given.map_or(Origin::Flag(name.to_owned()), |given| given.origin.clone()),
            name,
        }
    }

    fn value<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(given) = self.sources.get(name) else {
            return Ok(None);
        };
        match parse(&given.value) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::NotAllowed {
                origin: given.origin.clone(),
                name,
                value: given.value.to_string(),
            }),
        }
    }
}

/// The value that goes with one of a few words.
pub(super) fn one_of<T: Copy>(word: &str, choices: &[(&str, T)]) -> Option<T> {
    let choice = choices.iter().find(|(name, _)| *name == word)?;
    Some(choice.1)
}
