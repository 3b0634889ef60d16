//! Configuration: what can be set, and to what it is set.
//!
//! A setting comes from the configuration file, an `ANTIPHON_…` environment variable (two
//! underscores for a dot) or a flag; the later of these wins. Whatever is unknown or not allowed
//! stops the start with one line ([`ConfigError`]).

mod effective;
mod keys;
mod sources;
mod value;

use std::collections::BTreeMap;
use std::net;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;

use antiphon_actors::accounts::RegistrationMode;
use antiphon_protocol::{Domain, KeyAlgorithm};
use reqwest::Url;

pub use sources::{Given, Origin, Sources};
pub use value::ConfigError;
use value::{Reader, one_of};

/// A whole configuration, every value checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's domain; fixed at the first start.
    pub domain: Domain,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// `listen.*`
    pub listen: Listen,
    /// `identity.*`
    pub identity: Identity,
    /// `registration.mode`
    pub registration: RegistrationMode,
    /// `sessions.token_days`
    pub token_days: u64,
    /// `key_packages.*`
    pub key_packages: KeyPackages,
    /// `federation.*`
    pub federation: Federation,
    /// `limits.body_bytes`: the largest request body taken, in bytes.
    pub body_bytes: usize,
    /// `storage.cache_mib`: the store's cache, in mebibytes.
    pub cache_mib: u64,
    /// `log.*`
    pub log: Log,
}

/// Where the node listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// IP address and port; port 0 takes a free one.
    pub address: net::SocketAddr,
    /// Certificate and key for TLS; without them the node speaks plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// PEM files for TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Keys and certificates of the node.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The kind of server keys made from now on.
    pub algorithm: KeyAlgorithm,
    /// How long a server ID-Cert is valid, in days.
    pub server_cert_days: u64,
    /// How long a session's ID-Cert is valid at most, in days.
    pub session_cert_days: u64,
}

/// Limits on KeyPackages.
#[derive(Debug, Clone)]
pub struct KeyPackages {
    /// The most one-time packages that a client may have in its pool.
    pub per_client: u64,
    /// Below this many a pool is low. Nothing depends on it yet.
    pub low_watermark: u64,
    /// One-time packages a minute for one asking session and target user; 0 for no limit.
    pub claims_per_minute: u64,
}

/// How the node deals with others.
#[derive(Debug, Clone)]
pub struct Federation {
    /// Whether it does at all.
    pub enabled: bool,
    /// Whether other nodes may be at addresses that are not public.
    pub allow_private_addresses: bool,
    /// How long answers of other nodes are kept, in seconds.
    pub cache_seconds: u64,
    /// Domains that are refused.
    pub block: Vec<Domain>,
    /// If not empty, the only domains that are not refused.
    pub allow: Vec<Domain>,
    /// Where to ask for a domain, if not at `https://<domain>`.
    pub hosts: BTreeMap<Domain, Url>,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Log {
    /// The least important level that is logged.
    pub level: tracing::Level,
    /// For people or for machines.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Checks all that the sources give, and fills in the defaults.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        sources.check_keys()?;
        let read = Reader::new(sources);
        Ok(Self {
            domain: read.text("domain", "antiphon.localhost", resolvable_domain)?,
            data_dir: read.text("data_dir", "data", directory_with_socket)?,
            listen: Listen::read(&read)?,
            identity: Identity::read(&read)?,
            registration: read.text("registration.mode", "closed", |mode| {
                one_of(
                    mode,
                    &[
                        ("closed", RegistrationMode::Closed),
                        ("invite", RegistrationMode::Invite),
                        ("open", RegistrationMode::Open),
                    ],
                )
            })?,
            token_days: read.whole("sessions.token_days", 30, 1..=3650)?,
            key_packages: KeyPackages::read(&read)?,
            federation: Federation::read(&read)?,
            body_bytes: read.whole("limits.body_bytes", 1_048_576, 4096..=67_108_864)?,
            cache_mib: read.whole("storage.cache_mib", 64, 8..=65_536)?,
            log: Log::read(&read)?,
        })
    }
}

impl Listen {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        let certificate = read.optional_text("listen.tls_certificate", path)?;
        let key = read.optional_text("listen.tls_key", path)?;
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(read.refuse("listen.tls_certificate")),
            (None, Some(_)) => return Err(read.refuse("listen.tls_key")),
        };
        let address = read.text("listen.address", "127.0.0.1:7700", |text| text.parse().ok())?;
        Ok(Self { address, tls })
    }
}

impl Identity {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        let server_cert_days = read.whole("identity.server_cert_days", 180, 1..=3650)?;
        let default = 60.min(server_cert_days);
        Ok(Self {
            algorithm: read.text("identity.algorithm", "p256", |algorithm| {
                one_of(
                    algorithm,
                    &[
                        ("p256", KeyAlgorithm::P256),
                        ("ed25519", KeyAlgorithm::Ed25519),
                    ],
                )
            })?,
            server_cert_days,
            session_cert_days: read.whole(
                "identity.session_cert_days",
                default,
                1..=server_cert_days,
            )?,
        })
    }
}

impl KeyPackages {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        let per_client = read.whole("key_packages.per_client", 100, 1..=100_000)?;
        let default = 10.min(per_client);
        Ok(Self {
            per_client,
            low_watermark: read.whole("key_packages.low_watermark", default, 0..=per_client)?,
            claims_per_minute: read.whole("key_packages.claims_per_minute", 60, 0..=1_000_000)?,
        })
    }
}

impl Federation {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: read.flag("federation.enabled", true)?,
            allow_private_addresses: read.flag("federation.allow_private_addresses", false)?,
            cache_seconds: read.whole("federation.cache_seconds", 3600, 0..=604_800)?,
            block: read.list("federation.block", resolvable_domain)?,
            allow: read.list("federation.allow", resolvable_domain)?,
            hosts: read.table("federation.hosts", resolvable_domain, origin)?,
        })
    }
}

impl Log {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        Ok(Self {
            level: read.text("log.level", "info", |level| {
                one_of(
                    level,
                    &[
                        ("error", tracing::Level::ERROR),
                        ("warn", tracing::Level::WARN),
                        ("info", tracing::Level::INFO),
                        ("debug", tracing::Level::DEBUG),
                        ("trace", tracing::Level::TRACE),
                    ],
                )
            })?,
            format: read.text("log.format", "text", |format| {
                one_of(
                    format,
                    &[("text", LogFormat::Text), ("json", LogFormat::Json)],
                )
            })?,
        })
    }
}

/// A domain that the DNS can hold (RFC 1035 §2.3.4).
fn resolvable_domain(text: &str) -> Option<Domain> {
    let domain = Domain::parse(text).ok()?;
    let fits = text.len() <= 253 && text.split('.').all(|label| label.len() <= 63);
    fits.then_some(domain)
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// The path of a directory in which the control socket can be: the name of a socket must be short.
fn directory_with_socket(text: &str) -> Option<PathBuf> {
    let path = path(text)?;
    let socket = SocketAddr::from_pathname(path.join("control.sock"));
    socket.is_ok().then_some(path)
}

/// `http://` or `https://` and an authority, nothing after it.
fn origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    (is_web && is_bare && is_anonymous).then_some(url)
}
