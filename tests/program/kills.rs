//! Killed at any instant, a node has lost nothing that it acknowledged, and its key is whole.
//!
//! `KILL_CYCLES` sets how often; the seed that is printed can be set with `KILL_SEED`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_protocol::{ActorCert, ServerCert};
use rand_core::{OsRng, RngCore as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::program::{Place, Program, key_files};
use crate::support::{Api, ClientKey, PASSWORD, Session, decode};

/// What the node has acknowledged.
#[derive(Clone, Default)]
struct Acknowledged {
    users: Vec<String>,
    live: Vec<Session>,
    ended: Vec<Session>,
    keys: Vec<String>,
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed() {
    let cycles = from_environment("KILL_CYCLES").unwrap_or(20);
    let seed = from_environment("KILL_SEED").unwrap_or_else(|| OsRng.next_u64());
    println!("KILL_SEED={seed}");
    let mut random = seed | 1;
    let place = Place::new();
    let program = place.start();
    let api = &program.api;
    api.register("admin").await;
    let admin = api.trust("admin", "desk", &ClientKey::ed25519()).await;
    place.ok(&["user", "grant-admin", "admin"]);
    program.kill();

    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    for cycle in 0..cycles {
        let program = place.start();
        let tasks = [
            tokio::spawn(register_and_trust(
                program.api.clone(),
                cycle,
                0,
                Arc::clone(&acknowledged),
            )),
            tokio::spawn(register_and_trust(
                program.api.clone(),
                cycle,
                1,
                Arc::clone(&acknowledged),
            )),
            tokio::spawn(rotate(
                program.api.clone(),
                admin.clone(),
                Arc::clone(&acknowledged),
            )),
        ];
        // xorshift64: the instant of the kill, 0 to 511 ms after the start.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        tokio::time::sleep(Duration::from_millis(random % 512)).await;
        program.kill();
        for task in tasks {
            task.await.unwrap();
        }
        let program = place.start();
        let so_far = acknowledged.lock().unwrap().clone();
        check(&place, &program, &so_far).await;
        program.kill();
    }
    let acknowledged = acknowledged.lock().unwrap();
    println!(
        "{cycles} kills: {} users, {} live sessions, {} ended, {} keys acknowledged",
        acknowledged.users.len(),
        acknowledged.live.len(),
        acknowledged.ended.len(),
        acknowledged.keys.len()
    );
    assert!(!acknowledged.live.is_empty() && !acknowledged.keys.is_empty());
}

/// Works until the node is gone.
async fn register_and_trust(api: Api, cycle: u64, task: u64, told: Arc<Mutex<Acknowledged>>) {
    for round in 0.. {
        let name = format!("u{cycle}-{task}-{round}");
        let body = json!({ "username": name, "password": PASSWORD });
        let sent = api.request(Method::POST, "/identity").json(&body).send();
        let Ok(response) = sent.await else { return };
        assert_eq!(response.status(), 201);
        told.lock().unwrap().users.push(api.fid(&name));
        let Some(first) = trust(&api, &name, "first").await else {
            return;
        };
        told.lock().unwrap().live.push(first.clone());
        let Some(second) = trust(&api, &name, "second").await else {
            return;
        };
        told.lock().unwrap().live.push(second.clone());
        let ending = api
            .request(Method::DELETE, "/session/first")
            .bearer_auth(&second.token);
        // From here on it may or may not have ended.
        told.lock()
            .unwrap()
            .live
            .retain(|session| session.token != first.token);
        let Ok(response) = ending.send().await else {
            return;
        };
        assert_eq!(response.status(), 204);
        told.lock().unwrap().ended.push(first);
    }
}

async fn trust(api: &Api, name: &str, session_id: &str) -> Option<Session> {
    let csr = ClientKey::ed25519().csr(&api.fid(name), session_id);
    let csr = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, csr);
    let body = json!({ "username": name, "password": PASSWORD, "csr": csr });
    let sent = api
        .request(Method::POST, "/session/trust")
        .json(&body)
        .send();
    let response = sent.await.ok()?;
    assert_eq!(response.status(), 201);
    let body: Value = response.json().await.ok()?;
    Some(Session {
        fid: api.fid(name),
        user_id: body["payload"]["user_id"].as_str()?.to_owned(),
        token: body["token"].as_str()?.to_owned(),
        id_cert: decode(&body["id_cert"]),
    })
}

async fn rotate(api: Api, admin: Session, told: Arc<Mutex<Acknowledged>>) {
    loop {
        let request = api
            .request(Method::PUT, "/key/server")
            .bearer_auth(&admin.token);
        let Ok(response) = request.send().await else {
            return;
        };
        assert_eq!(response.status(), 200);
        let Ok(pem) = response.json().await else {
            return;
        };
        told.lock().unwrap().keys.push(pem);
    }
}

async fn check(place: &Place, program: &Program, acknowledged: &Acknowledged) {
    let api = &program.api;
    for fid in &acknowledged.users {
        let found = api.get(&format!("/key/user/{fid}")).await;
        assert_eq!(found.status(), 200, "{fid} is lost");
    }
    for session in &acknowledged.live {
        let certs = api.user_certs(&session.fid, None).await;
        assert!(
            certs.contains(&session.id_cert),
            "a session of {} is lost",
            session.fid
        );
        let cert = ActorCert::from_der(&session.id_cert).unwrap();
        let signed_at = cert.validity().not_before.as_secs();
        let server = ServerCert::from_der(&api.server_cert(Some(signed_at)).await).unwrap();
        cert.verify(&server).unwrap();
        assert_eq!(
            probe(api, session).await,
            404,
            "a token of {} is lost",
            session.fid
        );
    }
    for session in &acknowledged.ended {
        let certs = api.user_certs(&session.fid, None).await;
        assert!(!certs.contains(&session.id_cert), "{} is back", session.fid);
        assert_eq!(
            probe(api, session).await,
            401,
            "a token of {} is back",
            session.fid
        );
    }
    let history = place.ok(&["key", "history", "--json"]);
    let history: Vec<Value> = serde_json::from_str(&history).unwrap();
    let logged: Vec<_> = history
        .iter()
        .map(|key| ServerCert::from_der(&decode(&key["id_cert"])).unwrap())
        .map(|cert| cert.public_key().to_pem().unwrap())
        .collect();
    for key in &acknowledged.keys {
        assert!(logged.contains(key), "a rotated key is lost");
    }
    assert_eq!(key_files(&place.data()).len(), 1);
}

/// What a session's token is good for: 404 for a session that is not there, or 401.
async fn probe(api: &Api, session: &Session) -> u16 {
    let request = api.request(Method::DELETE, "/session/not-there");
    let response = request.bearer_auth(&session.token).send().await.unwrap();
    response.status().as_u16()
}
