//! A configuration as text, key by key.

use super::Config;
use super::words::Word as _;

impl Config {
    /// Every key with the value in effect, in the order of `config.toml`; "-" for none.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let file = |file: Option<&std::path::PathBuf>| {
            file.map_or_else(|| "-".to_owned(), |path| path.display().to_string())
        };
        let list = |domains: &[antiphon_protocol::Domain]| {
            let domains: Vec<_> = domains.iter().map(|d| format!("\"{d}\"")).collect();
            format!("[{}]", domains.join(", "))
        };
        let hosts = self.federation.hosts.iter();
        let hosts: Vec<_> = hosts
            .map(|(d, host)| format!("\"{d}\" = \"{host}\""))
            .collect();
        let tls = self.listen.tls.as_ref();
        vec![
            ("domain", self.domain.to_string()),
            ("data_dir", self.data_dir.display().to_string()),
            ("listen.address", self.listen.address.to_string()),
            (
                "listen.tls_certificate",
                file(tls.map(|files| &files.certificate)),
            ),
            ("listen.tls_key", file(tls.map(|files| &files.key))),
            ("identity.algorithm", self.identity.algorithm.word()),
            (
                "identity.server_cert_days",
                self.identity.server_cert_days.to_string(),
            ),
            (
                "identity.session_cert_days",
                self.identity.session_cert_days.to_string(),
            ),
            ("registration.mode", self.registration.word()),
            ("sessions.token_days", self.token_days.to_string()),
            (
                "key_packages.per_client",
                self.key_packages.per_client.to_string(),
            ),
            (
                "key_packages.low_watermark",
                self.key_packages.low_watermark.to_string(),
            ),
            (
                "key_packages.claims_per_minute",
                self.key_packages.claims_per_minute.to_string(),
            ),
            ("federation.enabled", self.federation.enabled.to_string()),
            (
                "federation.allow_private_addresses",
                self.federation.allow_private_addresses.to_string(),
            ),
            (
                "federation.cache_seconds",
                self.federation.cache_seconds.to_string(),
            ),
            ("federation.block", list(&self.federation.block)),
            ("federation.allow", list(&self.federation.allow)),
            ("federation.hosts", format!("{{{}}}", hosts.join(", "))),
            ("limits.body_bytes", self.body_bytes.to_string()),
            ("storage.cache_mib", self.cache_mib.to_string()),
            ("log.level", self.log.level.word()),
            ("log.format", self.log.format.word()),
        ]
    }
}
