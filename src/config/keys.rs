//! The keys there are.

/// How the value of a key is written in a variable or a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// As it is: texts.
    Bare,
    /// As in the file.
    Toml,
}

/// All of them, in the order of `config.toml`.
const KEYS: &[(&str, Written)] = &[
    ("domain", Written::Bare),
    ("data_dir", Written::Bare),
    ("listen.address", Written::Bare),
    ("listen.tls_certificate", Written::Bare),
    ("listen.tls_key", Written::Bare),
    ("identity.algorithm", Written::Bare),
    ("identity.server_cert_days", Written::Toml),
    ("identity.session_cert_days", Written::Toml),
    ("registration.mode", Written::Bare),
    ("sessions.token_days", Written::Toml),
    ("key_packages.per_client", Written::Toml),
    ("key_packages.low_watermark", Written::Toml),
    ("key_packages.claims_per_minute", Written::Toml),
    ("federation.enabled", Written::Toml),
    ("federation.allow_private_addresses", Written::Toml),
    ("federation.cache_seconds", Written::Toml),
    ("federation.block", Written::Toml),
    ("federation.allow", Written::Toml),
    ("federation.hosts", Written::Toml),
    ("limits.body_bytes", Written::Toml),
    ("storage.cache_mib", Written::Toml),
    ("log.level", Written::Bare),
    ("log.format", Written::Bare),
];

/// Whether there is such a key.
pub(super) fn exists(name: &str) -> bool {
    written(name).is_some()
}

/// How the value of this key is written, if there is such a key.
pub(super) fn written(name: &str) -> Option<Written> {
    let key = KEYS.iter().find(|key| key.0 == name)?;
    Some(key.1)
}

/// Whether keys begin with this and a dot.
pub(super) fn is_section(name: &str) -> bool {
    names().any(|key| {
        key.split_once('.')
            .is_some_and(|(section, _)| section == name)
    })
}

/// The key that somebody may have meant by `name`.
pub(super) fn resembling(name: &str) -> Option<&'static str> {
    let distance = |key: &str| strsim::damerau_levenshtein(key, name);
    let nearest = names().min_by_key(|key| distance(key))?;
    (distance(nearest) <= 3).then_some(nearest)
}

/// The keys that are allowed where `name` was used, as a list.
pub(super) fn beside(name: &str) -> String {
    let section = |name: &str| name.rsplit_once('.').map(|(section, _)| section.to_owned());
    let wanted = section(name);
    let is_known = names().any(|key| section(key) == wanted);
    let shown = names().filter(|key| !is_known || section(key) == wanted);
    shown.collect::<Vec<_>>().join(", ")
}

fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.0)
}
