//! What is asked of the node.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use rand_core::{OsRng, RngCore as _};
use serde_json::json;

use super::Outcome;
use super::client::{Answer, Request};
use super::kept::{Seeded, Wanted};
use super::key_kind::KeyKind;
use super::known::Known;
use super::measure::{Judge, Script, full, good};
use super::people::{BATCH, People};
use crate::support::{Api, PASSWORD};

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
    /// POST /p2core/session/idcert: a client's next certificate; no password, session or token is made
    Rotate,
    /// POST /p2core/keypackage/@me with 100 packages
    Publish,
    /// GET /p2core/keypackage/:id
    Claim,
    /// 80 lookups now, 10 in the past, 5 claims and 5 rotations in a hundred
    Mixed,
}

/// How many packages and batches there are for each second of a repetition: more than any node that
/// was measured hands out or takes in. Where they do not last, the repetition ends sooner, which is
/// said.
const CLAIMS: f64 = 60_000.0;
const CLAIMS_IN_MIXED: f64 = 6_000.0;
const BATCHES: f64 = 300.0;

impl Scenario {
    /// How many of what the floor counts are in one request.
    pub fn units(self) -> f64 {
        if self == Self::Publish {
            BATCH as f64
        } else {
            1.0
        }
    }

    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    pub fn needs_people(self) -> bool {
        !matches!(self, Self::ServerNow | Self::LookupNow | Self::LookupPast)
    }

    /// What clients of readers send.
    pub fn reading(self, known: &Arc<Known>) -> Script {
        let (known, salt) = (Arc::clone(known), OsRng.next_u64());
        Arc::new(move |_, number, request| {
            let random = salt.wrapping_add(number);
            Some(match self {
                Self::ServerNow => server(request),
                Self::LookupPast => lookup(&known, random, true, request),
                _ => lookup(&known, random, false, request),
            })
        })
    }

    /// What clients of this scenario send for so many seconds. What must not be made while the clock
    /// runs is made here.
    pub async fn script(
        self,
        api: &Api,
        known: &Arc<Known>,
        people: &Arc<People>,
        seconds: f64,
    ) -> Outcome<Script> {
        let people = Arc::clone(people);
        Ok(match self {
            Self::ServerNow | Self::LookupNow | Self::LookupPast => self.reading(known),
            Self::Trust => {
                Arc::new(move |client, _, request| Some(trust(&people, client, request)))
            }
            Self::Rotate => {
                Arc::new(move |client, _, request| Some(rotate(&people, client, request)))
            }
            Self::Claim => {
                let stock = people.stock(api, (CLAIMS * seconds) as u64).await?;
                Arc::new(move |client, number, request| {
                    (number < stock).then(|| claim(&people, client, request))
                })
            }
            Self::Publish => {
                let (token, batches) = people.batches(api, (BATCHES * seconds) as u64).await;
                Arc::new(move |_, number, request| {
                    let batch = batches.get(usize::try_from(number).ok()?)?;
                    request.post("/p2core/keypackage/@me", Some(&token), batch);
                    Some(good)
                })
            }
            Self::Mixed => {
                let stock = people
                    .stock(api, (CLAIMS_IN_MIXED * seconds) as u64)
                    .await?;
                let (known, salt) = (Arc::clone(known), OsRng.next_u64());
                Arc::new(move |client, number, request| {
                    let random = salt.wrapping_add(number);
                    Some(match number % 100 {
                        80..90 => lookup(&known, random, true, request),
                        90..95 if number / 20 >= stock => return None,
                        90..95 => claim(&people, client, request),
                        95.. => rotate(&people, client, request),
                        _ => lookup(&known, random, false, request),
                    })
                })
            }
        })
    }
}

fn server(request: &mut Request) -> Judge {
    request.get(format_args!("/p2core/key/server"), None);
    good
}

fn lookup(known: &Known, random: u64, in_past: bool, request: &mut Request) -> Judge {
    known.look_up(request, random, in_past);
    // A listed user may have had no session then.
    if in_past && !known.is_without_gaps() {
        return good;
    }
    full
}

fn trust(people: &People, client: u64, request: &mut Request) -> Judge {
    let session_id = format!("s{:x}", OsRng.next_u64());
    let fid = &people.sessions[people.of(client)].fid;
    let name = fid.split('@').next();
    let csr = STANDARD.encode(people.key.csr(fid, &session_id));
    let body = json!({ "username": name, "password": PASSWORD, "csr": csr });
    request.post("/p2core/session/trust", None, body.to_string().as_bytes());
    good
}

fn rotate(people: &People, client: u64, request: &mut Request) -> Judge {
    let client = people.of(client);
    let token = &people.sessions[client].token;
    let body = &people.rotations[client];
    request.post("/p2core/session/idcert", Some(token), body);
    good
}

fn claim(people: &People, client: u64, request: &mut Request) -> Judge {
    let token = &people.sessions[people.of(client)].token;
    let giver = &people.giver.fid;
    request.get(format_args!("/p2core/keypackage/{giver}"), Some(token));
    full
}

/// An index that has lost the past is quick, and what it says is an error.
pub fn test() {
    let has = Wanted {
        users: 2,
        certs_each: 1,
        kind: KeyKind::P256,
    };
    let (from, until) = (1_000, 2_000);
    let seeded = Known::seeded(Seeded { has, from, until });
    let listed = Known::listed(vec!["a@b.example".to_owned()], from, until).unwrap();
    let nothing = Answer {
        status: 200,
        body: b"[]",
    };
    for (known, in_past, is_good) in [
        (&seeded, false, false),
        (&seeded, true, false),
        (&listed, false, false),
        (&listed, true, true),
    ] {
        let judge = lookup(known, 1, in_past, &mut Request::default());
        assert_eq!(judge(&nothing), is_good);
    }
}
