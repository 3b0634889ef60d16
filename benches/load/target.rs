//! The node that is under load, started for it or running already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_protocol::{ServerCert, base64};
use clap::Args;
use tokio::runtime::Runtime;

use super::key_kind::KeyKind;
use super::known::Known;
use super::node::{self, Node};
use super::people::People;
use super::seed::{self, Seeded};
use crate::program::Place;
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
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// With --node: whom to look up, one federation ID a line, each with a certificate in force
    /// (an empty answer is an error). Without it users are registered, for which registration must
    /// be open
    #[arg(long, value_name = "FILE", requires = "node")]
    pub fids: Option<PathBuf>,
    /// With --node: the process of a node on this machine, to measure its processor time and memory.
    /// Without it those columns are empty, and what is held against one core is so per second
    #[arg(long, requires = "node")]
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
    place: Place,
}

impl Target {
    /// Starts a node on a copy of seeded data.
    pub fn start(data: &Path, seeded: Seeded, kind: KeyKind) -> Self {
        let place = node::place(Some(data));
        let node = Node::start(&place);
        Self {
            api: api(&node.address, DOMAIN),
            address: node.address.clone(),
            pid: Some(node.id()),
            known: Arc::new(Known::seeded(seeded)),
            kind,
            people: None,
            runtime: runtime(),
            node: Some(node),
            place,
        }
    }

    /// Takes one that runs. The past that is asked for begins with its certificate.
    pub fn running(base: &str, running: &Running, kind: KeyKind) -> Self {
        let runtime = runtime();
        let address = base.trim_start_matches("http://").trim_end_matches('/');
        let stranger = api(address, "");
        let cert = runtime.block_on(async {
            let response = stranger.get("/key/server").await;
            response.json::<String>().await.unwrap()
        });
        let cert = ServerCert::from_der(&base64::decode(&cert).unwrap()).unwrap();
        let api = api(address, cert.domain().as_str());
        let (mut people, fids) = (None, running.fids.as_ref());
        let fids: Vec<String> = if let Some(file) = fids {
            let text = std::fs::read_to_string(file).unwrap();
            text.split_whitespace().map(str::to_owned).collect()
        } else {
            let all = runtime.block_on(People::prepare(&api, kind));
            let fid = |session: &Session| session.fid.clone();
            let fids = all.sessions.iter().map(fid).collect();
            people = Some(all);
            fids
        };
        let from = cert.validity().not_before.as_secs();
        let until = seed::now();
        Self {
            known: Arc::new(Known::listed(fids, from, until)),
            address: address.to_owned(),
            pid: running.pid,
            api,
            kind,
            people,
            runtime,
            node: None,
            place: Place::new(),
        }
    }

    /// Does what is not measured.
    pub fn block_on<T>(&self, doing: impl Future<Output = T>) -> T {
        self.runtime.block_on(doing)
    }

    /// Those who write. They come when they are needed: not every node takes them in.
    pub fn people(&mut self) -> Arc<People> {
        let prepare = || self.runtime.block_on(People::prepare(&self.api, self.kind));
        Arc::clone(self.people.get_or_insert_with(prepare))
    }

    pub fn folder(&self) -> &Path {
        self.place.folder.path()
    }
}

/// For a node that was started again.
pub fn api(address: &str, domain: &str) -> Api {
    Api::new(format!("http://{address}"), domain)
}

pub fn runtime() -> Runtime {
    Runtime::new().unwrap()
}
