//! From what was given to what it means.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Value;

use super::keys;
use super::sources::{Origin, Sources};
use super::words::Word;

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
    #[error("{}: line {line}: {message}: {}", path.display(), text.escape_debug())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Why.
        message: String,
        /// The line, or how it begins.
        text: String,
    },
    /// Name or value is no text.
    #[error("{origin}: its name and value must be text (UTF-8)")]
    NotText {
        /// Who gave it.
        origin: Origin,
    },
    /// There is no such key.
    #[error(
        "{origin}: unknown key {}{}; allowed: {}",
        name.escape_debug(),
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
    #[error("{origin}: {name} = {value} is not allowed; it takes {takes}")]
    NotAllowed {
        /// Who gave it.
        origin: Origin,
        /// The key.
        name: &'static str,
        /// The value.
        value: String,
        /// What it takes, in words.
        takes: String,
    },
    /// The value goes with another one that is missing.
    #[error("{origin}: {name} is set alone; it goes together with {other}")]
    Alone {
        /// Who gave it.
        origin: Origin,
        /// The key.
        name: &'static str,
        /// The one that is missing.
        other: &'static str,
    },
}

fn did_you_mean(name: &str) -> String {
    let hint = |key| format!(" (did you mean {key}?)");
    keys::resembling(name).map(hint).unwrap_or_default()
}

/// Reads values out of the sources.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources }
    }

    /// A text that `parse` accepts; `takes` says in words which those are.
    pub(super) fn text<T>(
        &self,
        name: &'static str,
        default: &str,
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.optional_text(name, takes, &parse)? {
            Some(value) => Ok(value),
            None => parse(default).ok_or_else(|| ConfigError::NotAllowed {
                origin: Origin::Default,
                name,
                value: default.to_owned(),
                takes: takes.to_owned(),
            }),
        }
    }

    /// The same where there is no default.
    pub(super) fn optional_text<T>(
        &self,
        name: &'static str,
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.value(name, || takes.to_owned(), |value| parse(value.as_str()?))
    }

    /// One of a few words.
    pub(super) fn word<T: Word>(&self, name: &'static str, default: T) -> Result<T, ConfigError> {
        let parse = |value: &Value| T::parse(value.as_str()?);
        Ok(self.value(name, T::words, parse)?.unwrap_or(default))
    }

    /// A whole number within `range`, of what `unit` says.
    pub(super) fn whole<T>(
        &self,
        name: &'static str,
        unit: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let (least, most) = (range.start(), range.end());
        let takes = || format!("a whole number{unit}, {least} to {most}");
        let parse = |value: &Value| {
            let number = T::try_from(value.as_integer()?).ok()?;
            range.contains(&number).then_some(number)
        };
        Ok(self.value(name, takes, parse)?.unwrap_or(default))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        let takes = || "true or false".to_owned();
        Ok(self.value(name, takes, Value::as_bool)?.unwrap_or(default))
    }

    /// A list of what `parse` makes of texts.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let parse = |value: &Value| {
            let items = value.as_array()?.iter();
            items.map(|item| parse(item.as_str()?)).collect()
        };
        let list = self.value(name, || takes.to_owned(), parse)?;
        Ok(list.unwrap_or_default())
    }

    /// A table of texts.
    pub(super) fn table<K: Ord, V>(
        &self,
        name: &'static str,
        takes: &str,
        parse_key: impl Fn(&str) -> Option<K>,
        parse_value: impl Fn(&str) -> Option<V>,
    ) -> Result<BTreeMap<K, V>, ConfigError> {
        let parse = |value: &Value| {
            let entries = value.as_table()?.iter();
            entries
                .map(|(key, value)| Some((parse_key(key)?, parse_value(value.as_str()?)?)))
                .collect()
        };
        let table = self.value(name, || takes.to_owned(), parse)?;
        Ok(table.unwrap_or_default())
    }

    /// Two texts that go together: both or neither.
    pub(super) fn pair<T>(
        &self,
        names: [&'static str; 2],
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<[T; 2]>, ConfigError> {
        let [first, second] = names;
        match (
            self.optional_text(first, takes, &parse)?,
            self.optional_text(second, takes, &parse)?,
        ) {
            (Some(one), Some(other)) => Ok(Some([one, other])),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.alone(first, second)),
            (None, Some(_)) => Err(self.alone(second, first)),
        }
    }

    /// Who gave a setting.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.sources.origin(name)
    }

    fn alone(&self, name: &'static str, other: &'static str) -> ConfigError {
        ConfigError::Alone {
            origin: self.origin(name),
            name,
            other,
        }
    }

    fn value<T>(
        &self,
        name: &'static str,
        takes: impl FnOnce() -> String,
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
                // TOML writes a text of several lines as several lines.
                value: given.value.to_string().replace('\n', "\\n"),
                takes: takes(),
            }),
        }
    }
}
