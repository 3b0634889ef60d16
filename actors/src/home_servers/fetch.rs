//! Asking another node, within limits.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use antiphon_protocol::{ActorCert, Domain, ServerCert, base64};
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;

use super::addresses::{Guarded, Names, NoAddress, is_public};
use super::messages::{Question, Said};
use super::{HomeServerError, NotFederated, Settings};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a question may take in all, the last byte of its answer included.
const IN_ALL: Duration = Duration::from_secs(10);

/// How long a connection is kept after an answer: for the second question about a certificate, and no longer. Who
/// owns a domain has as many names as he likes, and each may leave a connection behind.
const IDLE: Duration = Duration::from_secs(5);

/// The largest answer, in bytes.
const LARGEST: usize = 64 * 1024;

/// Asks; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    /// For domains as the DNS has them.
    guarded: Client,
    /// For hosts that the operator has mapped.
    mapped: Client,
    hosts: Arc<BTreeMap<Domain, Url>>,
    allow_private: bool,
    https_port: u16,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Fetcher {
    pub(super) fn new(settings: &Settings, names: Arc<dyn Names>) -> Result<Self, reqwest::Error> {
        let guarded = Guarded {
            names,
            allow_private: settings.allow_private_addresses,
        };
        Ok(Self {
            guarded: client(Some(&guarded))?,
            mapped: client(None)?,
            hosts: Arc::new(settings.hosts.clone()),
            allow_private: settings.allow_private_addresses,
            https_port: settings.https_port,
        })
    }

    /// Puts a question to the node that it is for.
    pub(super) async fn ask(self, question: Question) -> Result<Said, HomeServerError> {
        let asking = tokio::time::timeout(IN_ALL, self.get(&question));
        let (status, body) = asking
            .await
            .map_err(|_| unreachable_because("it took longer than 10 s"))??;
        read(&question, status, &body)
    }

    async fn get(&self, question: &Question) -> Result<(StatusCode, Vec<u8>), HomeServerError> {
        let (client, url) = self.place(question)?;
        let request = client.get(url);
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(unreachable_because("its answer is larger than 64 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }

    /// Where to ask, and with which client.
    fn place(&self, question: &Question) -> Result<(&Client, Url), HomeServerError> {
        let domain = question.domain();
        let no_place = HomeServerError::NotFederated(NotFederated::NoSuchServer);
        let (client, mut url) = if let Some(host) = self.hosts.get(domain) {
            (&self.mapped, host.clone())
        } else {
            let url = format!("https://{domain}:{}", self.https_port);
            let url = Url::parse(&url).map_err(|_| no_place.clone())?;
            self.check_literal(&url)?;
            (&self.guarded, url)
        };
        let mut path = url.path_segments_mut().map_err(|()| no_place)?;
        path.clear();
        match question {
            Question::ServerCert { at, .. } => {
                path.extend(["p2core", "key", "server"]);
                drop(path);
                url.set_query(Some(&format!("timestamp={at}")));
            }
            Question::UserCerts { fid } => {
                path.extend(["p2core", "key", "user", &fid.to_string()]);
                drop(path);
            }
        }
        Ok((client, url))
    }

    /// A domain may be an address in disguise (`127.1`, `2130706433`): no name, no resolver.
    fn check_literal(&self, url: &Url) -> Result<(), HomeServerError> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        match literal {
            Ok(address) if !self.allow_private && !is_public(address) => {
                Err(HomeServerError::NotFederated(NotFederated::NotPublic))
            }
            _ => Ok(()),
        }
    }
}

fn client(resolver: Option<&Guarded>) -> Result<Client, reqwest::Error> {
    // Another one may be there already, which does as well.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("antiphon/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE);
        match resolver {
            Some(resolver) => builder.dns_resolver(resolver.clone()),
            None => builder,
        }
    };
    builder().build().or_else(|error| {
        tracing::warn!(
            error = causes(&error),
            "the system's CA certificates cannot be read: no other server can be asked over HTTPS; \
             install them (ca-certificates) and restart the node"
        );
        builder().tls_certs_only([]).build()
    })
}

/// What an answer says.
fn read(question: &Question, status: StatusCode, body: &[u8]) -> Result<Said, HomeServerError> {
    match (question, status) {
        (Question::ServerCert { .. }, StatusCode::OK) => {
            let text: String = parse(body)?;
            let der = base64::decode(&text).map_err(|_| unreadable())?;
            let cert = ServerCert::from_outside(&der).map_err(|error| {
                unreachable_because(&format!("its ID-Cert is refused: {error}"))
            })?;
            // Of whichever domain: that is for the certificate in hand to judge, which may then ask again.
            Ok(Said::ServerCert(Some(Arc::new(cert))))
        }
        (Question::UserCerts { .. }, StatusCode::OK) => {
            let texts: Vec<String> = parse(body)?;
            // One that this node would refuse anyway must not hide the others.
            let certs = texts.iter().filter_map(|text| {
                let der = base64::decode(text).ok()?;
                ActorCert::from_outside(&der).ok()
            });
            Ok(Said::UserCerts(Arc::new(certs.collect())))
        }
        (_, StatusCode::NOT_FOUND) => {
            let refusal: Refusal = parse(body)?;
            match (question, refusal.error.as_str()) {
                (Question::ServerCert { .. }, "P2CORE_NO_CERT_AT_TIME") => {
                    Ok(Said::ServerCert(None))
                }
                (Question::UserCerts { .. }, "P2CORE_USER_NOT_FOUND") => {
                    Ok(Said::UserCerts(Arc::default()))
                }
                _ => Err(unreachable_because("it answered 404")),
            }
        }
        (_, status) => Err(unreachable_because(&format!("it answered {status}"))),
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, HomeServerError> {
    serde_json::from_slice(body).map_err(|_| unreadable())
}

fn unreadable() -> HomeServerError {
    unreachable_because("its answer cannot be read")
}

fn unreachable_because(reason: &str) -> HomeServerError {
    HomeServerError::Unreachable(reason.to_owned())
}

fn failure(error: &reqwest::Error) -> HomeServerError {
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<NoAddress>() {
            Some(NoAddress::Unknown) => {
                return HomeServerError::NotFederated(NotFederated::NoSuchServer);
            }
            Some(NoAddress::NotPublic) => {
                return HomeServerError::NotFederated(NotFederated::NotPublic);
            }
            None => cause = error.source(),
        }
    }
    HomeServerError::Unreachable(causes(error))
}

/// An error with everything behind it.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
