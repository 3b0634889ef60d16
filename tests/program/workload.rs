//! What many clients do at once, what the node has acknowledged to them, and whether a node still
//! knows all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use antiphon::control::{self, Request};
use antiphon_protocol::{ActorCert, ServerCert};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::program::Place;
use crate::support::key_package::draft;
use crate::support::node::DOMAIN;
use crate::support::{Api, ClientKey, PASSWORD, Session, decode, packages};

/// How many clients claim KeyPackages at once.
const CLAIMERS: usize = 2;

/// The settings that the workload needs.
pub const CONFIG: &str = "[key_packages]\nper_client = 100000\nclaims_per_minute = 0\n";

/// A place with these settings, in which no node runs yet.
pub fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path("config.toml"), CONFIG).unwrap();
    place
}

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

#[derive(Debug, Clone)]
enum Told {
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
    published: BTreeSet<Vec<u8>>,
    claimed: BTreeSet<Vec<u8>>,
}

/// The two whose KeyPackages and claims there are, and the administrator.
#[derive(Clone)]
pub struct People {
    pub admin: Session,
    pub alice: Session,
    pub alices_key: Arc<ClientKey>,
    pub bob: Session,
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
    fn note(&self, told: Told) {
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

    /// Prepares what the tasks of [`Self::work`] need, on a node that runs in `place`.
    pub async fn people(&self, place: &Place, api: &Api) -> People {
        let alices_key = Arc::new(ClientKey::ed25519());
        let mut sessions = Vec::new();
        for (name, key) in [
            ("admin", &ClientKey::ed25519()),
            ("alice", &*alices_key),
            ("bob", &ClientKey::ed25519()),
        ] {
            api.register(name).await;
            self.note(Told::User(api.fid(name)));
            let session = api.trust(name, "desk", key).await;
            self.note(Told::Began(session.clone()));
            sessions.push(session);
        }
        place.ok(&["--domain", DOMAIN, "user", "grant-admin", "admin"]);
        let [admin, alice, bob] = sessions.try_into().unwrap();
        People {
            admin,
            alice,
            alices_key,
            bob,
        }
    }

    /// Begins to work; the tasks end when the node does, or refuses.
    pub fn work(
        &self,
        api: &Api,
        people: &People,
        round: u64,
    ) -> Vec<tokio::task::JoinHandle<Option<()>>> {
        let mut tasks = vec![
            tokio::spawn(rotate(self.clone(), api.clone(), people.clone())),
            tokio::spawn(publish(self.clone(), api.clone(), people.clone())),
        ];
        for task in 0..2 {
            let name = format!("u{round}-{task}");
            tasks.push(tokio::spawn(live(self.clone(), api.clone(), name)));
        }
        for _ in 0..CLAIMERS {
            tasks.push(tokio::spawn(claim(
                self.clone(),
                api.clone(),
                people.clone(),
            )));
        }
        tasks
    }
}

/// A success, or none if the node has gone or takes no writes any more.
async fn acknowledged(request: reqwest::RequestBuilder, status: u16) -> Option<Response> {
    let response = request.send().await.ok()?;
    if response.status() == 503 {
        return None;
    }
    assert_eq!(response.status(), status, "{:?}", response.text().await);
    Some(response)
}

/// Registers users, each with sessions that begin, get another certificate, and end.
async fn live(ledger: Ledger, api: Api, prefix: String) -> Option<()> {
    for round in 0.. {
        let name = format!("{prefix}-{round}");
        let body = json!({ "username": name, "password": PASSWORD });
        let request = api.request(Method::POST, "/identity").json(&body);
        acknowledged(request, 201).await?;
        ledger.note(Told::User(api.fid(&name)));
        let key = ClientKey::ed25519();
        let first = trust(&ledger, &api, &name, "first", &key).await?;
        let second = trust(&ledger, &api, &name, "second", &key).await?;

        ledger.note(Told::Renewing(second.token.clone()));
        let csr = STANDARD.encode(ClientKey::ed25519().csr(&second.fid, "second"));
        let request = api
            .request(Method::POST, "/session/idcert")
            .bearer_auth(&second.token)
            .json(&json!({ "csr": csr }));
        let body: Value = acknowledged(request, 201).await?.json().await.ok()?;
        ledger.note(Told::Renewed(second.token, decode(&body["id_cert"])));

        ledger.note(Told::Ending(first.token.clone()));
        let request = api.request(Method::DELETE, "/session/@me");
        acknowledged(request.bearer_auth(&first.token), 204).await?;
        ledger.note(Told::Ended(first.token));
    }
    None
}

async fn trust(
    ledger: &Ledger,
    api: &Api,
    name: &str,
    session_id: &str,
    key: &ClientKey,
) -> Option<Session> {
    let csr = STANDARD.encode(key.csr(&api.fid(name), session_id));
    let body = json!({ "username": name, "password": PASSWORD, "csr": csr });
    let request = api.request(Method::POST, "/session/trust").json(&body);
    let body: Value = acknowledged(request, 201).await?.json().await.ok()?;
    let session = Session {
        fid: api.fid(name),
        user_id: body["payload"]["user_id"].as_str()?.to_owned(),
        token: body["token"].as_str()?.to_owned(),
        id_cert: decode(&body["id_cert"]),
    };
    ledger.note(Told::Began(session.clone()));
    Some(session)
}

async fn rotate(ledger: Ledger, api: Api, people: People) -> Option<()> {
    loop {
        let request = api.request(Method::PUT, "/key/server");
        let request = request.bearer_auth(&people.admin.token);
        let key = acknowledged(request, 200).await?.json().await.ok()?;
        ledger.note(Told::Key(key));
    }
}

async fn publish(ledger: Ledger, api: Api, people: People) -> Option<()> {
    loop {
        let package = || draft(1, &people.alice.id_cert, &people.alices_key);
        let packages: Vec<_> = (0..3).map(|_| package().sign(&people.alices_key)).collect();
        let texts: Vec<_> = packages.iter().map(|one| STANDARD.encode(one)).collect();
        let request = api.request(Method::POST, "/keypackage/@me");
        let request = request.bearer_auth(&people.alice.token).json(&texts);
        acknowledged(request, 201).await?;
        ledger.note(Told::Published(packages));
        // The claimers are slower.
        tokio::task::yield_now().await;
    }
}

async fn claim(ledger: Ledger, api: Api, people: People) -> Option<()> {
    loop {
        claim_one(&ledger, &api, &people.bob, &people.alice.fid).await?;
    }
}

/// Claims a package; whether there was one.
async fn claim_one(ledger: &Ledger, api: &Api, asker: &Session, of: &str) -> Option<bool> {
    let request = api.request(Method::GET, &format!("/keypackage/{of}"));
    let response = acknowledged(request.bearer_auth(&asker.token), 200).await?;
    let packages: Vec<Value> = response.json().await.ok()?;
    for package in &packages {
        ledger.note(Told::Claimed(decode(package)));
    }
    Some(!packages.is_empty())
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

    /// Every one-time package that was acknowledged.
    pub fn published(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.published.iter()
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
        for fid in sample(self.users.iter(), most) {
            let found = api.get(&format!("/key/user/{fid}")).await;
            if found.status() != 200 {
                return Err(format!("{fid} is lost: {}", found.status()));
            }
        }
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
        for fid in sample(self.users.iter(), most) {
            let found = api.get(&format!("/key/user/{fid}")).await;
            if found.status() != 200 {
                return Err(format!("{fid} is lost: {}", found.status()));
            }
        }
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

    /// Claims all packages that are left, and looks whether they are the ones that should be.
    pub async fn check_packages(
        &self,
        ledger: &Ledger,
        api: &Api,
        people: &People,
    ) -> Result<(), String> {
        let before = Ledger::new();
        while claim_one(&before, api, &people.bob, &people.alice.fid).await == Some(true) {}
        let left = before.now().claimed;
        if left.intersection(&self.claimed).next().is_some() {
            return Err("a package was given out twice".to_owned());
        }
        let is_missing = |one: &&Vec<u8>| !left.contains(*one) && !self.claimed.contains(*one);
        let missing: Vec<_> = self.published.iter().filter(is_missing).collect();
        // Each claimer may have had one on its way, which is never seen again.
        if missing.len() > CLAIMERS {
            return Err(format!("{} packages are lost", missing.len()));
        }
        for package in left.iter().chain(missing) {
            ledger.note(Told::Claimed(package.clone()));
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
