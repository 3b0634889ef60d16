//! What many clients do at once; what is acknowledged to them, they tell a ledger.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::ledger::{Acknowledged, Ledger, Told};
use super::program::Place;
use crate::support::key_package::draft;
use crate::support::node::DOMAIN;
use crate::support::{Api, ClientKey, PASSWORD, Session, decode};

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

/// The two whose KeyPackages and claims there are, and the administrator.
#[derive(Clone)]
pub struct People {
    pub admin: Session,
    pub alice: Session,
    pub alices_key: Arc<ClientKey>,
    pub bob: Session,
}

impl Ledger {
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
