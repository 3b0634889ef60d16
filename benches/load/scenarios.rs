//! What is asked of the node.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use futures_util::future::join_all;
use hyper::Method;
use rand_core::{OsRng, RngCore as _};
use serde_json::json;

use super::http::Ask;
use super::measure::Script;
use super::seed::{Seeded, fid};
use crate::support::key_package::draft;
use crate::support::{Api, ClientKey, PASSWORD, Session};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// GET /p2core/key/server
    ServerNow,
    /// GET /p2core/key/user/:id of a random user
    LookupNow,
    /// The same at a random second of the past
    LookupPast,
    /// POST /p2core/session/trust, with its password hash
    Trust,
    /// POST /p2core/session/idcert: a client's next certificate, the same work without a password
    Rotate,
    /// POST /p2core/keypackage/@me with 100 packages
    Publish,
    /// GET /p2core/keypackage/:id
    Claim,
    /// 80 lookups now, 10 in the past, 5 claims and 5 rotations in a hundred
    Mixed,
}

/// What a scenario is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// The same bytes from a static handler.
    Static,
    /// The disk's fdatasync.
    Fdatasync,
    /// One signature verified and one made, on one core.
    VerifyAndSign,
    /// Two signatures verified, on one core, for each package.
    VerifyTwice,
}

impl Scenario {
    pub fn floor(self) -> Floor {
        match self {
            Self::ServerNow | Self::LookupNow | Self::LookupPast | Self::Mixed => Floor::Static,
            Self::Claim => Floor::Fdatasync,
            Self::Trust | Self::Rotate => Floor::VerifyAndSign,
            Self::Publish => Floor::VerifyTwice,
        }
    }

    /// How many of what the floor counts are in one request.
    pub fn units(self) -> f64 {
        if self == Self::Publish { 100.0 } else { 1.0 }
    }

    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// The people of the write scenarios.
pub struct People {
    sessions: Vec<Session>,
    /// Whose KeyPackages there are.
    publisher: Session,
    rotations: Vec<Vec<u8>>,
    key: ClientKey,
}

/// More would be refused if they signed in at once; clients share them.
const SESSIONS: u64 = 64;

impl People {
    pub async fn prepare(api: &Api, clients: u64) -> Arc<Self> {
        let clients = clients.min(SESSIONS);
        let key = ClientKey::ed25519();
        let sessions = join_all((0..=clients).map(|client| {
            let (name, key) = (format!("client{client}"), &key);
            async move {
                api.register(&name).await;
                api.trust(&name, "desk", key).await
            }
        }));
        let mut sessions = sessions.await;
        let publisher = sessions.pop().expect("there is one more than clients");
        let rotations = sessions.iter().map(|session| {
            let csr = STANDARD.encode(key.csr(&session.fid, "desk"));
            json!({ "csr": csr }).to_string().into_bytes()
        });
        Arc::new(Self {
            rotations: rotations.collect(),
            sessions,
            publisher,
            key,
        })
    }

    /// Batches of a hundred packages of the publisher.
    fn batches(&self, count: u64) -> Vec<Vec<u8>> {
        let cert = &self.publisher.id_cert;
        let package = || STANDARD.encode(draft(1, cert, &self.key).sign(&self.key));
        let batch = |_| serde_json::to_vec(&(0..100).map(|_| package()).collect::<Vec<_>>());
        (0..count).map(batch).collect::<Result<_, _>>().unwrap()
    }

    /// Puts packages into the publisher's pool.
    pub async fn stock(&self, api: &Api, packages: u64) {
        for batch in self.batches(packages.div_ceil(100)) {
            let request = api.request(Method::POST, "/keypackage/@me");
            let request = request.bearer_auth(&self.publisher.token).body(batch);
            assert_eq!(request.send().await.unwrap().status(), 201);
        }
    }

    fn rotate(&self, client: u64) -> Ask {
        let client = usize::try_from(client).unwrap() % self.sessions.len();
        let token = self.sessions[client].token.clone();
        Ask::post(
            "/p2core/session/idcert",
            Some(token),
            self.rotations[client].clone(),
        )
    }

    fn claim(&self, client: u64) -> Ask {
        let client = usize::try_from(client).unwrap() % self.sessions.len();
        Ask {
            token: Some(self.sessions[client].token.clone()),
            ..Ask::get(format!("/p2core/keypackage/{}", self.publisher.fid))
        }
    }
}

fn lookup(seeded: Seeded, in_past: bool) -> Ask {
    let user = fid(OsRng.next_u64() % seeded.users);
    if in_past {
        let at = seeded.from + OsRng.next_u64() % (seeded.until - seeded.from);
        return Ask::get(format!("/p2core/key/user/{user}?timestamp={at}"));
    }
    Ask::get(format!("/p2core/key/user/{user}"))
}

/// How many batches a publisher has in hand.
const BATCHES: u64 = 30;

/// What clients send. What must not be made while the clock runs is made here.
pub fn script(scenario: Scenario, seeded: Seeded, people: &Arc<People>) -> Script {
    let people = Arc::clone(people);
    match scenario {
        Scenario::ServerNow => Arc::new(|_, _| Some(Ask::get("/p2core/key/server".to_owned()))),
        Scenario::LookupNow => Arc::new(move |_, _| Some(lookup(seeded, false))),
        Scenario::LookupPast => Arc::new(move |_, _| Some(lookup(seeded, true))),
        Scenario::Trust => Arc::new(move |client, number| {
            let name = format!("client{}", client % people.sessions.len() as u64);
            let session_id = format!("s{number}-{:x}", OsRng.next_u32());
            let csr = STANDARD.encode(people.key.csr(
                &format!("{name}@{}", crate::support::node::DOMAIN),
                &session_id,
            ));
            let body = json!({ "username": name, "password": PASSWORD, "csr": csr });
            Some(Ask::post(
                "/p2core/session/trust",
                None,
                body.to_string().into_bytes(),
            ))
        }),
        Scenario::Rotate => Arc::new(move |client, _| Some(people.rotate(client))),
        Scenario::Claim => Arc::new(move |client, _| Some(people.claim(client))),
        Scenario::Publish => {
            let batches = people.batches(BATCHES);
            Arc::new(move |_, number| {
                let batch = batches.get(usize::try_from(number).ok()?)?;
                let token = people.publisher.token.clone();
                Some(Ask::post(
                    "/p2core/keypackage/@me",
                    Some(token),
                    batch.clone(),
                ))
            })
        }
        Scenario::Mixed => Arc::new(move |client, number| {
            Some(match number % 100 {
                0..80 => lookup(seeded, false),
                80..90 => lookup(seeded, true),
                90..95 => people.claim(client),
                _ => people.rotate(client),
            })
        }),
    }
}
