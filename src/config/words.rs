//! Settings that are one of a few words.

use antiphon_actors::accounts::RegistrationMode;
use antiphon_protocol::KeyAlgorithm;
use tracing::Level;

use super::LogFormat;

/// What is set by one of a few words.
pub(super) trait Word: Copy + 'static {
    /// All there are.
    const ALL: &'static [Self];

    /// The word for it.
    fn word(self) -> String;

    /// What a word means.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.word() == text)
    }

    /// All the words, as a sentence lists them: "a", "b" or "c".
    fn words() -> String {
        let words: Vec<_> = Self::ALL
            .iter()
            .map(|one| format!("{:?}", one.word()))
            .collect();
        match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl Word for KeyAlgorithm {
    const ALL: &'static [Self] = &[Self::P256, Self::Ed25519];

    fn word(self) -> String {
        self.to_string()
    }
}

impl Word for RegistrationMode {
    const ALL: &'static [Self] = &[Self::Closed, Self::Invite, Self::Open];

    fn word(self) -> String {
        self.to_string()
    }
}

impl Word for Level {
    const ALL: &'static [Self] = &[
        Self::ERROR,
        Self::WARN,
        Self::INFO,
        Self::DEBUG,
        Self::TRACE,
    ];

    fn word(self) -> String {
        self.to_string().to_lowercase()
    }
}

impl Word for LogFormat {
    const ALL: &'static [Self] = &[Self::Text, Self::Json];

    fn word(self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}
