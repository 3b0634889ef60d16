//! Those who write: they have sessions, keys, and KeyPackages.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use rand_core::{OsRng, RngCore as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::Outcome;
use super::key_kind::KeyKind;
use crate::support::key_package::draft;
use crate::support::{Api, ClientKey, PASSWORD, Session};

pub struct People {
    pub sessions: Vec<Session>,
    pub key: ClientKey,
    kind: KeyKind,
    /// The body of each session's next request for a certificate.
    pub rotations: Vec<Vec<u8>>,
    /// Whose KeyPackages are claimed. A claim looks at no signature, so that its key may be of the
    /// quicker kind.
    pub giver: Session,
    giver_key: ClientKey,
    publisher: String,
}

/// More would be refused if they signed in at once; clients share them.
const SESSIONS: u64 = 64;

/// The limit that a node is started with.
pub const POOL: u64 = 100_000;

/// As many as the node takes at once.
pub const BATCH: u64 = 100;

impl People {
    /// Registers them: the node must be open. A node that was there before may know earlier ones.
    pub async fn prepare(api: &Api, kind: KeyKind) -> Outcome<Arc<Self>> {
        let run = OsRng.next_u32();
        let (key, giver_key) = (kind.generate(), ClientKey::ed25519());
        let sessions = join_all((0..SESSIONS).map(|number| {
            let (name, key) = (format!("load-{run:x}-{number}"), &key);
            async move {
                register(api, &name).await?;
                Ok(api.trust(&name, "desk", key).await)
            }
        }));
        let sessions: Outcome<Vec<_>> = sessions.await.into_iter().collect();
        let sessions = sessions?;
        let rotations = sessions.iter().map(|session| {
            let csr = STANDARD.encode(key.csr(&session.fid, "desk"));
            json!({ "csr": csr }).to_string().into_bytes()
        });
        let publisher = format!("load-{run:x}-publisher");
        let giver = format!("load-{run:x}-giver");
        register(api, &publisher).await?;
        register(api, &giver).await?;
        Ok(Arc::new(Self {
            rotations: rotations.collect(),
            giver: api.trust(&giver, "desk", &giver_key).await,
            sessions,
            key,
            kind,
            giver_key,
            publisher,
        }))
    }

    /// The session that a client shares.
    pub fn of(&self, client: u64) -> usize {
        client as usize % self.sessions.len()
    }

    /// Fills the giver's pool up to so many packages, or to its limit; returns how many there are.
    pub async fn stock(&self, api: &Api, packages: u64) -> Outcome<u64> {
        let packages = packages.min(POOL - BATCH);
        let stock: Value = api.stock(&self.giver).await;
        let there = stock["available"]["1"].as_u64().unwrap_or_default();
        let missing = packages.saturating_sub(there).div_ceil(BATCH);
        for _ in 0..missing {
            let packages = packages_of(&self.giver, &self.giver_key, 1, BATCH);
            let request = api.request(Method::POST, "/keypackage/@me");
            let request = request.bearer_auth(&self.giver.token).body(json(&packages));
            let status = request.send().await.unwrap().status();
            if status != 201 {
                return Err(format!(
                    "{} does not take {POOL} KeyPackages of a client ({status}): see \
                     key_packages.per_client",
                    api.base
                ));
            }
        }
        Ok(there + missing * BATCH)
    }

    /// Batches that a new session may publish, and its token. A new one each time, since a pool has
    /// its limit.
    pub async fn batches(&self, api: &Api, batches: u64) -> (String, Vec<Vec<u8>>) {
        let session_id = format!("s{:x}", OsRng.next_u64());
        let session = api.trust(&self.publisher, &session_id, &self.key).await;
        let batches = batches.min(POOL / BATCH);
        let half = |count: u64| -> Vec<_> {
            let batch = || packages_of(&session, &self.key, self.kind.suite(), BATCH);
            (0..count).map(|_| json(&batch())).collect()
        };
        // Keys and signatures take a while, and the node has nothing to do meanwhile.
        let batches = std::thread::scope(|scope| {
            let other = scope.spawn(|| half(batches / 2));
            let mut all = half(batches.div_ceil(2));
            all.extend(other.join().expect("signing does not panic"));
            all
        });
        (session.token, batches)
    }

    /// KeyPackages as they are published, for nobody to publish.
    pub fn samples(&self) -> Vec<Vec<u8>> {
        packages_of(&self.sessions[0], &self.key, self.kind.suite(), BATCH)
    }

    /// A CSR as it is sent.
    pub fn csr(&self) -> Vec<u8> {
        self.key.csr(&self.sessions[0].fid, "desk")
    }
}

async fn register(api: &Api, name: &str) -> Outcome<()> {
    let body = json!({ "username": name, "password": PASSWORD });
    let request = api.request(Method::POST, "/identity").json(&body);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        201 => Ok(()),
        other => Err(format!(
            "{} does not register users ({other}): registration.mode = \"open\" does",
            api.base
        )),
    }
}

/// One-time packages of a session.
pub fn packages_of(session: &Session, key: &ClientKey, suite: u16, count: u64) -> Vec<Vec<u8>> {
    let package = |_| draft(suite, &session.id_cert, key).sign(key);
    (0..count).map(package).collect()
}

/// The body in which they are published.
pub fn json(packages: &[Vec<u8>]) -> Vec<u8> {
    let texts: Vec<_> = packages.iter().map(|one| STANDARD.encode(one)).collect();
    serde_json::to_vec(&texts).expect("texts are JSON")
}
