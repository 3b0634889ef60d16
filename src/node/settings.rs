//! What of the configuration is for which owner.

use antiphon_actors::{accounts, home_servers, key_manager, key_package_pool};

use crate::config::Config;

pub(super) fn keys(config: &Config) -> key_manager::Settings {
    key_manager::Settings {
        domain: config.domain.clone(),
        algorithm: config.identity.algorithm,
        server_cert_days: config.identity.server_cert_days,
        session_cert_days: config.identity.session_cert_days,
    }
}

pub(super) fn accounts(config: &Config) -> accounts::Settings {
    accounts::Settings {
        domain: config.domain.clone(),
        registration: config.registration,
        token_days: config.token_days,
    }
}

pub(super) fn federation(config: &Config) -> home_servers::Settings {
    let federation = config.federation.clone();
    home_servers::Settings {
        enabled: federation.enabled,
        allow_private_addresses: federation.allow_private_addresses,
        cache_seconds: federation.cache_seconds,
        block: federation.block.into_iter().collect(),
        allow: federation.allow.into_iter().collect(),
        hosts: federation.hosts,
        https_port: 443,
    }
}

pub(super) fn key_packages(config: &Config) -> key_package_pool::Settings {
    key_package_pool::Settings {
        per_client: config.key_packages.per_client,
        claims_per_minute: config.key_packages.claims_per_minute,
    }
}
