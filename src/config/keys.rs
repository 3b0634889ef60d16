//! The keys there are, what kind of value each takes, and what is allowed, in words.

/// The kind of value that a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Flag,
    List,
    Table,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) allowed: &'static str,
}

const fn key(name: &'static str, kind: Kind, allowed: &'static str) -> Key {
    Key {
        name,
        kind,
        allowed,
    }
}

/// All of them, in the order of `config.toml`.
pub(super) const KEYS: &[Key] = &[
    key(
        "domain",
        Kind::Text,
        "a domain such as \"a.example\", at most 253 characters in labels of at most 63",
    ),
    key(
        "data_dir",
        Kind::Text,
        // On Linux; elsewhere some bytes less. It is what the name of a socket leaves.
        "the path of a directory, of at most 94 bytes (what is longer can be reached by a link or from nearer)",
    ),
    key(
        "listen.address",
        Kind::Text,
        "an IP address and port such as \"127.0.0.1:7700\"",
    ),
    key(
        "listen.tls_certificate",
        Kind::Text,
        "the path of a PEM file, together with listen.tls_key",
    ),
    key(
        "listen.tls_key",
        Kind::Text,
        "the path of a PEM file, together with listen.tls_certificate",
    ),
    key("identity.algorithm", Kind::Text, "\"p256\" or \"ed25519\""),
    key(
        "identity.server_cert_days",
        Kind::Whole,
        "a whole number of days, 1 to 3650",
    ),
    key(
        "identity.session_cert_days",
        Kind::Whole,
        "a whole number of days, 1 to identity.server_cert_days",
    ),
    key(
        "registration.mode",
        Kind::Text,
        "\"closed\", \"invite\" or \"open\"",
    ),
    key(
        "sessions.token_days",
        Kind::Whole,
        "a whole number of days, 1 to 3650",
    ),
    key(
        "key_packages.per_client",
        Kind::Whole,
        "a whole number, 1 to 100000",
    ),
    key(
        "key_packages.low_watermark",
        Kind::Whole,
        "a whole number, 0 to key_packages.per_client",
    ),
    key(
        "key_packages.claims_per_minute",
        Kind::Whole,
        "a whole number, 0 (no limit) to 1000000",
    ),
    key("federation.enabled", Kind::Flag, "true or false"),
    key(
        "federation.allow_private_addresses",
        Kind::Flag,
        "true or false",
    ),
    key(
        "federation.cache_seconds",
        Kind::Whole,
        "a whole number of seconds, 0 to 604800",
    ),
    key(
        "federation.block",
        Kind::List,
        "a list of domains such as [\"b.example\"]",
    ),
    key(
        "federation.allow",
        Kind::List,
        "a list of domains such as [\"b.example\"]",
    ),
    key(
        "federation.hosts",
        Kind::Table,
        "domains and where to ask for them, such as { \"b.example\" = \"http://127.0.0.1:7701\" }",
    ),
    key(
        "limits.body_bytes",
        Kind::Whole,
        "a whole number of bytes, 4096 to 67108864",
    ),
    key(
        "storage.cache_mib",
        Kind::Whole,
        "a whole number of mebibytes, 8 to 65536",
    ),
    key(
        "log.level",
        Kind::Text,
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
    ),
    key("log.format", Kind::Text, "\"text\" or \"json\""),
];

/// The key with this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that somebody may have meant by `name`.
pub(super) fn resembling(name: &str) -> Option<&'static str> {
    let distance = |key: &&Key| strsim::damerau_levenshtein(key.name, name);
    let nearest = KEYS.iter().min_by_key(distance)?;
    (distance(&nearest) <= 3).then_some(nearest.name)
}

/// The keys that are allowed where `name` was used, as a list.
pub(super) fn beside(name: &str) -> String {
    let section = |name: &str| name.rsplit_once('.').map(|(section, _)| section.to_owned());
    let wanted = section(name);
    let is_known = KEYS.iter().any(|key| section(key.name) == wanted);
    let shown = KEYS
        .iter()
        .filter(|key| !is_known || section(key.name) == wanted);
    shown.map(|key| key.name).collect::<Vec<_>>().join(", ")
}
