//! What a node has acknowledged to its clients, and whether it still knows all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use antiphon::control::{self, Request};
use antiphon_protocol::{ActorCert, ServerCert};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use tokio::sync::watch;

use crate::support::{Api, Session, packages};

/// How much of the disk's journal there is, in bytes; always 0 where nobody keeps one.
type Position = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the clients know.
#[derive(Clone)]
pub struct Ledger {
    told: Arc<Mutex<Vec<(u64, Told)>>>,
    /// How much it was told.
    length: Arc<watch::Sender<usize>>,
    position: Position,
}

/// What clients tell it.
#[derive(Debug, Clone)]
pub enum Told {
    User(String),
    Began(Session),
    /// It is asked for another certificate: from here on it may have it.
    Renewing(String),
    Renewed(String, Vec<u8>),
    /// It is asked to end: from here on it may have ended.
    Ending(String),
    Ended(String),
    Key(String),
    Published(Vec<Vec<u8>>),
    Claimed(Vec<u8>),
}

/// A session that began.
#[derive(Debug, Clone)]
struct Life {
    session: Session,
    /// Whether `session` has its newest certificate for sure.
    is_certain: bool,
    /// None while nobody knows.
    is_live: Option<bool>,
}

/// Everything acknowledged up to some point.
#[derive(Debug, Default)]
pub struct Acknowledged {
    users: Vec<String>,
    /// By token.
    sessions: BTreeMap<String, Life>,
    keys: Vec<String>,
    /// Every one-time package.
    pub published: BTreeSet<Vec<u8>>,
    pub claimed: BTreeSet<Vec<u8>>,
}

impl Ledger {
    pub fn new() -> Self {
        Self::with_position(Arc::new(|| 0))
    }

    pub fn with_position(position: Position) -> Self {
        Self {
            told: Arc::default(),
            length: Arc::default(),
            position,
        }
    }

    /// One whose position is the number of what it was told.
    pub fn counting() -> Self {
        let count = AtomicU64::new(0);
        Self::with_position(Arc::new(move || count.fetch_add(1, Ordering::SeqCst)))
    }

    /// Where it is now.
    pub fn position(&self) -> u64 {
        (self.position)()
    }

    /// An acknowledgement that has just come, or a request that is about to go.
    pub fn note(&self, told: Told) {
        let position = (self.position)();
        self.told.lock().unwrap().push((position, told));
        self.length.send_modify(|length| *length += 1);
    }

    /// Waits until it has been told so much more.
    pub async fn until_told(&self, more: usize) {
        let mut length = self.length.subscribe();
        let enough = *length.borrow() + more;
        length.wait_for(|length| *length >= enough).await.unwrap();
    }

    /// What had been acknowledged at a position.
    pub fn at(&self, position: u64) -> Acknowledged {
        self.between(position, position)
    }

    /// What had been acknowledged at a position, and may have been changed by what was asked for
    /// up to another.
    pub fn between(&self, acknowledged: u64, asked: u64) -> Acknowledged {
        let mut known = Acknowledged::default();
        for (at, told) in self.told.lock().unwrap().iter() {
            let until = match told {
                Told::Renewing(token) | Told::Ending(token)
                    if known.sessions.contains_key(token) =>
                {
                    asked
                }
                _ => acknowledged,
            };
            if *at <= until {
                known.add(told.clone());
            }
        }
        known
    }

    /// What has been acknowledged.
    pub fn now(&self) -> Acknowledged {
        self.at(u64::MAX)
    }
}

impl Acknowledged {
    fn add(&mut self, told: Told) {
        match told {
            Told::User(fid) => self.users.push(fid),
            Told::Began(session) => {
                let life = Life {
                    session: session.clone(),
                    is_certain: true,
                    is_live: Some(true),
                };
                self.sessions.insert(session.token, life);
            }
            Told::Renewing(token) => self.life(&token).is_certain = false,
            Told::Renewed(token, id_cert) => {
                let life = self.life(&token);
                life.session.id_cert = id_cert;
                life.is_certain = true;
            }
            Told::Ending(token) => self.life(&token).is_live = None,
            Told::Ended(token) => self.life(&token).is_live = Some(false),
            Told::Key(pem) => self.keys.push(pem),
            Told::Published(packages) => self.published.extend(packages),
            Told::Claimed(package) => {
                assert!(
                    self.claimed.insert(package),
                    "a package was given out twice"
                );
            }
        }
    }

    fn life(&mut self, token: &str) -> &mut Life {
        self.sessions.get_mut(token).unwrap()
    }

    /// How much there is, for people.
    pub fn summary(&self) -> String {
        format!(
            "{} users, {} sessions, {} keys, {} packages published, {} claimed",
            self.users.len(),
            self.sessions.len(),
            self.keys.len(),
            self.published.len(),
            self.claimed.len()
        )
    }

    /// Whether the node, whose data are in `data`, knows all of it; if not, what it does not know.
    /// `most` of the users and of the sessions are asked for, the newest among them.
    pub async fn check(&self, api: &Api, data: &Path, most: usize) -> Result<(), String> {
        self.check_users(api, most).await?;
        for life in sample(self.sessions.values(), most) {
            check_session(api, life).await?;
        }
        let data = data.to_owned();
        let history = tokio::task::spawn_blocking(move || {
            control::ask::<Vec<control::Key>>(&data, &Request::KeyHistory).unwrap()
        });
        let logged: BTreeSet<_> = history
            .await
            .unwrap()
            .iter()
            .map(|key| ServerCert::from_der(&STANDARD.decode(&key.id_cert).unwrap()).unwrap())
            .map(|cert| cert.public_key().to_pem().unwrap())
            .collect();
        match self.keys.iter().find(|key| !logged.contains(*key)) {
            Some(_) => Err("a rotated key is lost".to_owned()),
            None => Ok(()),
        }
    }

    async fn check_users(&self, api: &Api, most: usize) -> Result<(), String> {
        for fid in sample(self.users.iter(), most) {
            let found = api.get(&format!("/key/user/{fid}")).await;
            if found.status() != 200 {
                return Err(format!("{fid} is lost: {}", found.status()));
            }
        }
        Ok(())
    }

    /// Whether a node whose disk has failed goes on telling of it what it can read.
    pub async fn check_seen(&self, api: &Api) -> Result<(), String> {
        let is_certain = |life: &&Life| life.is_live == Some(true) && life.is_certain;
        for Life { session, .. } in self.sessions.values().filter(is_certain) {
            let found = api.get(&format!("/key/user/{}", session.fid)).await;
            let status = found.status().as_u16();
            let is_seen = match status {
                200 => packages(found).await.contains(&session.id_cert),
                _ => status == 503,
            };
            if !is_seen {
                return Err(format!("{} is not seen ({status})", session.fid));
            }
        }
        Ok(())
    }

    /// Whether a node that was restored from a backup knows all of it, but for tokens and packages.
    pub async fn check_restored(&self, api: &Api, most: usize) -> Result<(), String> {
        self.check_users(api, most).await?;
        for life in sample(self.sessions.values(), most) {
            let session = &life.session;
            let certs = api.user_certs(&session.fid, None).await;
            let has_cert = certs.contains(&session.id_cert);
            match life.is_live {
                Some(true) if life.is_certain && !has_cert => {
                    return Err(format!("a certificate of {} is lost", session.fid));
                }
                Some(false) if has_cert => {
                    return Err(format!("an ended session of {} is back", session.fid));
                }
                _ => {}
            }
            if token_is_good(api, session).await? {
                return Err(format!("a token of {} is good again", session.fid));
            }
        }
        Ok(())
    }
}

fn sample<T>(
    all: impl DoubleEndedIterator<Item = T> + ExactSizeIterator,
    most: usize,
) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(most).max(1);
    all.rev().step_by(step)
}

/// What the token is good for: 404 for a session that is not there, or 401.
async fn token_is_good(api: &Api, session: &Session) -> Result<bool, String> {
    let request = api.request(Method::DELETE, "/session/not-there");
    let response = request.bearer_auth(&session.token).send().await.unwrap();
    match response.status().as_u16() {
        404 => Ok(true),
        401 => Ok(false),
        other => Err(format!(
            "a token of {} is answered with {other}",
            session.fid
        )),
    }
}

async fn check_session(api: &Api, life: &Life) -> Result<(), String> {
    let session = &life.session;
    let certs = api.user_certs(&session.fid, None).await;
    let has_cert = certs.contains(&session.id_cert);
    let token_is_good = token_is_good(api, session).await?;
    match life.is_live {
        Some(true) if !token_is_good => Err(format!("a token of {} is lost", session.fid)),
        Some(true) if life.is_certain && !has_cert => {
            Err(format!("a certificate of {} is lost", session.fid))
        }
        Some(false) if token_is_good || has_cert => {
            Err(format!("an ended session of {} is back", session.fid))
        }
        _ => {
            let cert = ActorCert::from_der(&session.id_cert).unwrap();
            let signed_at = cert.validity().not_before.as_secs();
            let server = api.server_cert(Some(signed_at)).await;
            let server = ServerCert::from_der(&server).unwrap();
            cert.verify(&server)
                .map_err(|error| format!("a certificate of {}: {error}", session.fid))
        }
    }
}
