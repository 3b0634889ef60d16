//! The node that is under load, started for it or running already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_protocol::{ServerCert, base64};
use clap::Args;
use reqwest::{Method, Response};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::kept::Seeded;
use super::key_kind::KeyKind;
use super::known::Known;
use super::node::{self, Node};
use super::people::People;
use super::{Outcome, left, output, seed, values};
use crate::support::node::DOMAIN;
use crate::support::{Api, Session};

/// Where a node is that was there before.
#[derive(Debug, Clone, Args)]
pub struct Running {
    /// Aim at this node (http://HOST:PORT) instead of starting one
    ///
    /// Whoever writes (trust, rotate, publish, claim, mixed) is registered first: the node needs
    /// registration.mode = "open", and for claims `key_packages.per_client` = 100000,
    /// `key_packages.claims_per_minute` = 0. The users stay there. The floor fdatasync is this machine's.
    #[arg(
        long,
        value_name = "URL",
        value_parser = values::node,
        conflicts_with_all = ["users", "certs", "keep"]
    )]
    pub node: Option<String>,
    /// With --node: whom to look up, one federation ID a line, each with a certificate in force
    /// (an empty answer is an error). Without it users are registered, for which registration must
    /// be open
    #[arg(long, value_name = "FILE", requires = "node")]
    pub fids: Option<PathBuf>,
    /// With --node: the process of a node on this machine, to measure its processor time and memory.
    /// Without it those columns are empty, and what is held against one core is so per second
    #[arg(long, requires = "node", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
}

pub struct Target {
    pub api: Api,
    /// `host:port`
    pub address: String,
    pub pid: Option<u32>,
    pub known: Arc<Known>,
    kind: KeyKind,
    people: Option<Arc<People>>,
    runtime: Runtime,
    // The node ends before its data go.
    node: Option<Node>,
    folder: TempDir,
}

impl Target {
    /// Starts a node on a copy of seeded data.
    pub fn start(data: &Path, seeded: Seeded, kind: KeyKind) -> Outcome<Self> {
        let place = node::place(Some(data))?;
        let node = Node::start(&place)?;
        Ok(Self {
            api: api(&node.address, DOMAIN),
            address: node.address.clone(),
            pid: Some(node.id()),
            known: Arc::new(Known::seeded(seeded)),
            kind,
            people: None,
            runtime: runtime(),
            node: Some(node),
            folder: place.folder,
        })
    }

    /// Takes one that runs at `host:port`. The past that is asked for begins with its certificate.
    pub fn running(address: &str, running: &Running, kind: KeyKind) -> Outcome<Self> {
        if let Some(id) = running.pid
            && !Path::new(&format!("/proc/{id}")).exists()
        {
            return Err(format!("there is no process {id}"));
        }
        let listed = running.fids.as_deref().map(output::read).transpose()?;
        let runtime = runtime();
        let cert = runtime.block_on(server_cert(&api(address, "")));
        let cert = cert.map_err(|error| format!("no node answers at {address}: {error}"))?;
        let api = api(address, cert.domain().as_str());
        let mut people = None;
        let fids: Vec<String> = if let Some(text) = listed {
            text.split_whitespace().map(str::to_owned).collect()
        } else {
            let all = runtime.block_on(People::prepare(&api, kind))?;
            let fid = |session: &Session| session.fid.clone();
            let fids = all.sessions.iter().map(fid).collect();
            people = Some(all);
            fids
        };
        let from = cert.validity().not_before.as_secs();
        let until = seed::now();
        Ok(Self {
            known: Arc::new(Known::listed(fids, from, until)?),
            address: address.to_owned(),
            pid: running.pid,
            api,
            kind,
            people,
            runtime,
            node: None,
            folder: left::folder()?,
        })
    }

    /// Does what is not measured.
    pub fn block_on<T>(&self, doing: impl Future<Output = T>) -> T {
        self.runtime.block_on(doing)
    }

    /// Those who write. They come when they are needed: not every node takes them in.
    pub fn people(&mut self) -> Outcome<Arc<People>> {
        if let Some(people) = &self.people {
            return Ok(Arc::clone(people));
        }
        let people = People::prepare(&self.api, self.kind);
        let people = self.runtime.block_on(people)?;
        Ok(Arc::clone(self.people.insert(people)))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn server_cert(stranger: &Api) -> Outcome<ServerCert> {
    let answer = stranger.request(Method::GET, "/key/server").send().await;
    let answer = answer.and_then(Response::error_for_status);
    let text: String = match answer {
        Ok(answer) => answer.json().await.map_err(|error| error.to_string())?,
        Err(error) => return Err(error.to_string()),
    };
    let der = base64::decode(&text).map_err(|error| error.to_string())?;
    ServerCert::from_der(&der).map_err(|error| error.to_string())
}

/// For a node that was started again.
pub fn api(address: &str, domain: &str) -> Api {
    Api::new(format!("http://{address}"), domain)
}

pub fn runtime() -> Runtime {
    Runtime::new().unwrap()
}
