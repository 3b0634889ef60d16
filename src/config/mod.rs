//! Configuration: what can be set, and to what it is set.
//!
//! A setting comes from the configuration file, an `ANTIPHON_…` environment variable (two
//! underscores for a dot) or a flag; the later of these wins. Whatever is unknown or not allowed
//! stops the start with one line ([`ConfigError`]).

mod effective;
mod keys;
mod sources;
mod value;
mod words;

use std::collections::BTreeMap;
use std::net;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;

use antiphon_actors::accounts::RegistrationMode;
use antiphon_protocol::{Domain, KeyAlgorithm};
use reqwest::Url;

pub use sources::{Origin, Sources};
pub use value::ConfigError;
use value::Reader;

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
    /// Who named them, in this order.
    pub origins: [Origin; 2],
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
            domain: read.text("domain", "antiphon.localhost", DOMAIN, own_domain)?,
            data_dir: read.text("data_dir", "data", DIRECTORY, directory_with_socket)?,
            listen: Listen::read(&read)?,
            identity: Identity::read(&read)?,
            registration: read.word("registration.mode", RegistrationMode::Closed)?,
            token_days: read.whole("sessions.token_days", DAYS, 30, 1..=3650)?,
            key_packages: KeyPackages::read(&read)?,
            federation: Federation::read(&read)?,
            body_bytes: read.whole(
                "limits.body_bytes",
                " of bytes",
                1_048_576,
                4096..=67_108_864,
            )?,
            cache_mib: read.whole("storage.cache_mib", " of mebibytes", 64, 8..=65_536)?,
            log: Log::read(&read)?,
        })
    }
}

impl Listen {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        let files = ["listen.tls_certificate", "listen.tls_key"];
        let tls = read.pair(files, "the path of a PEM file", path)?;
        Ok(Self {
            address: read.text("listen.address", "127.0.0.1:7700", ADDRESS, address)?,
            tls: tls.map(|[certificate, key]| TlsFiles {
                certificate,
                key,
                origins: files.map(|name| read.origin(name)),
            }),
        })
    }
}

impl Identity {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        let days = read.whole("identity.server_cert_days", DAYS, 180, 1..=3650)?;
        Ok(Self {
            algorithm: read.word("identity.algorithm", KeyAlgorithm::P256)?,
            server_cert_days: days,
            // No longer than the certificate that vouches for it.
            session_cert_days: read.whole(
                "identity.session_cert_days",
                DAYS,
                60.min(days),
                1..=days,
            )?,
        })
    }
}

impl KeyPackages {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        let most = read.whole("key_packages.per_client", "", 100, 1..=100_000)?;
        Ok(Self {
            per_client: most,
            low_watermark: read.whole("key_packages.low_watermark", "", 10.min(most), 0..=most)?,
            claims_per_minute: read.whole(
                "key_packages.claims_per_minute",
                " (0: no limit)",
                60,
                0..=1_000_000,
            )?,
        })
    }
}

impl Federation {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: read.flag("federation.enabled", true)?,
            allow_private_addresses: read.flag("federation.allow_private_addresses", false)?,
            cache_seconds: read.whole(
                "federation.cache_seconds",
                " of seconds",
                3600,
                0..=604_800,
            )?,
            block: read.list("federation.block", DOMAINS, dns_name)?,
            allow: read.list("federation.allow", DOMAINS, dns_name)?,
            hosts: read.table("federation.hosts", HOSTS, dns_name, origin)?,
        })
    }
}

impl Log {
    fn read(read: &Reader) -> Result<Self, ConfigError> {
        Ok(Self {
            level: read.word("log.level", tracing::Level::INFO)?,
            format: read.word("log.format", LogFormat::Text)?,
        })
    }
}

// What the keys take, in words, and the check beside them.

const DAYS: &str = " of days";

const DOMAINS: &str = "a list of domains such as [\"b.example\"]";
const DOMAIN: &str = "a domain such as \"a.example\", of at most 253 characters in 48 labels, none longer than 63 or \
     with a hyphen at an end";

/// How many labels there may be, so that whatever carries the longest names fits: certificates into 4 KiB, a
/// KeyPackage with two of them into 6.
const MOST_LABELS: usize = 48;

/// A domain that certificates have room for.
fn own_domain(text: &str) -> Option<Domain> {
    let has_room = |domain: &Domain| domain.labels_top_down().count() <= MOST_LABELS;
    dns_name(text).filter(has_room)
}

/// A domain that other nodes can look for.
fn dns_name(text: &str) -> Option<Domain> {
    Domain::parse(text).ok().filter(Domain::is_dns_name)
}

const ADDRESS: &str = "an IP address and port such as \"127.0.0.1:7700\"";

fn address(text: &str) -> Option<net::SocketAddr> {
    text.parse().ok()
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

// On Linux; elsewhere some bytes less. It is what the name of a socket leaves.
const DIRECTORY: &str = "the path of a directory, of at most 94 bytes (what is longer can be \
                         reached by a link or from nearer)";

/// The path of a directory in which the control socket can be: the name of a socket must be short.
fn directory_with_socket(text: &str) -> Option<PathBuf> {
    let path = path(text)?;
    let socket = SocketAddr::from_pathname(path.join("control.sock"));
    socket.is_ok().then_some(path)
}

const HOSTS: &str = "domains and where to ask for them, such as \
                     { \"b.example\" = \"http://127.0.0.1:7701\" }";

/// `http://` or `https://` and an authority, nothing after it.
fn origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    (is_web && is_bare && is_anonymous).then_some(url)
}
