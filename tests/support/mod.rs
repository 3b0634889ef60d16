//! What the tests of both binaries share: clients with real keys, nodes on port 0, HTTP.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub)]

pub mod client_key;
pub mod home;
pub mod key_package;
pub mod node;
pub mod openssl;
pub mod polyproto_keys;
pub mod random;

use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

pub use client_key::ClientKey;

/// The password of every user in these tests.
pub const PASSWORD: &str = "correct horse battery";

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Api {
    /// `http://127.0.0.1:port`
    pub base: String,
    /// The node's domain.
    pub domain: String,
    client: Client,
}

/// A session as a client holds it.
#[derive(Debug, Clone)]
pub struct Session {
    pub fid: String,
    pub user_id: String,
    pub token: String,
    pub id_cert: Vec<u8>,
}

impl Api {
    pub fn new(base: String, domain: &str) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // A node in this process may have installed it.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        });
        Self {
            base,
            domain: domain.to_owned(),
            client: Client::new(),
        }
    }

    /// A request to a path below `/p2core`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/p2core{path}", self.base);
        self.client.request(method, url)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, path).json(body);
        request.send().await.unwrap()
    }

    /// Registers a user over HTTP; the node must be open. Returns the user ID.
    pub async fn register(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": PASSWORD });
        let response = self.post("/identity", &body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let body: Value = response.json().await.unwrap();
        body["payload"]["user_id"].as_str().unwrap().to_owned()
    }

    /// Asks for a session of a user, with a CSR for `key`.
    pub async fn try_trust(&self, name: &str, session_id: &str, key: &ClientKey) -> Response {
        let csr = STANDARD.encode(key.csr(&self.fid(name), session_id));
        let body = json!({ "username": name, "password": PASSWORD, "csr": csr });
        self.post("/session/trust", &body).await
    }

    /// Begins a session of a registered user.
    pub async fn trust(&self, name: &str, session_id: &str, key: &ClientKey) -> Session {
        let response = self.try_trust(name, session_id, key).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let body: Value = response.json().await.unwrap();
        Session {
            fid: self.fid(name),
            user_id: body["payload"]["user_id"].as_str().unwrap().to_owned(),
            token: body["token"].as_str().unwrap().to_owned(),
            id_cert: decode(&body["id_cert"]),
        }
    }

    /// A challenge of the node.
    pub async fn challenge(&self) -> String {
        let response = self.get("/challenge").await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        body["challenge"].as_str().unwrap().to_owned()
    }

    /// Tries to sign in with a certificate, a challenge and a signature over it.
    pub async fn identify_with(
        &self,
        id_cert: &[u8],
        challenge: &str,
        signature: &[u8],
    ) -> Response {
        let body = json!({
            "completed_challenge": {
                "challenge": challenge,
                "signature": STANDARD.encode(signature),
            },
            "id_cert": STANDARD.encode(id_cert),
        });
        self.post("/session/identify", &body).await
    }

    /// Tries to sign in with a certificate and its key.
    pub async fn try_identify(&self, id_cert: &[u8], key: &ClientKey) -> Response {
        let challenge = self.challenge().await;
        let signature = key.sign_challenge(&challenge);
        self.identify_with(id_cert, &challenge, &signature).await
    }

    /// Signs in with a certificate of this or another node.
    pub async fn identify(&self, fid: &str, id_cert: &[u8], key: &ClientKey) -> Session {
        let response = self.try_identify(id_cert, key).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{body}");
        Session {
            fid: fid.to_owned(),
            user_id: body["payload"]["user_id"].as_str().unwrap().to_owned(),
            token: body["token"].as_str().unwrap().to_owned(),
            id_cert: id_cert.to_vec(),
        }
    }

    /// Has a session certified again by its home server; returns the new certificate.
    pub async fn renew(&self, session: &Session, session_id: &str, key: &ClientKey) -> Vec<u8> {
        let csr = STANDARD.encode(key.csr(&session.fid, session_id));
        let request = self.request(Method::POST, "/session/idcert");
        let request = request.bearer_auth(&session.token);
        let response = request.json(&json!({ "csr": csr })).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        decode(&response.json::<Value>().await.unwrap()["id_cert"])
    }

    /// Tells the node that a session has another certificate.
    pub async fn present(&self, session: &Session, id_cert: &[u8]) -> Response {
        let request = self.request(Method::POST, "/session/idcert/extern");
        let request = request.bearer_auth(&session.token);
        let body = STANDARD.encode(id_cert);
        request.json(&body).send().await.unwrap()
    }

    /// Publishes one-time KeyPackages.
    pub async fn publish(&self, session: &Session, packages: &[Vec<u8>]) -> Response {
        let texts: Vec<_> = packages.iter().map(|one| STANDARD.encode(one)).collect();
        let request = self.request(Method::POST, "/keypackage/@me");
        let request = request.bearer_auth(&session.token).json(&texts);
        request.send().await.unwrap()
    }

    /// Publishes a last resort KeyPackage.
    pub async fn put_last_resort(&self, session: &Session, package: &[u8]) -> Response {
        let request = self.request(Method::PUT, "/keypackage_lr");
        let request = request.bearer_auth(&session.token);
        let text = STANDARD.encode(package);
        request.json(&text).send().await.unwrap()
    }

    /// What a session has in its pool.
    pub async fn stock(&self, session: &Session) -> Value {
        let request = self.request(Method::GET, "/keypackage/@me");
        let response = request.bearer_auth(&session.token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Asks for a user's KeyPackages; `tail` may hold a query.
    pub async fn try_claim(&self, asker: &Session, tail: &str, key: Option<&str>) -> Response {
        let request = self.request(Method::GET, &format!("/keypackage/{tail}"));
        let request = request.bearer_auth(&asker.token);
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// Claims a user's KeyPackages.
    pub async fn claim(&self, asker: &Session, tail: &str) -> Vec<Vec<u8>> {
        packages(self.try_claim(asker, tail, None).await).await
    }

    /// Ends the session that asks.
    pub async fn end(&self, session: &Session) -> StatusCode {
        let request = self.request(Method::DELETE, "/session/@me");
        let request = request.bearer_auth(&session.token);
        request.send().await.unwrap().status()
    }

    /// Rotates the server key as an administrator; returns the new public key in PEM.
    pub async fn rotate_server_key(&self, administrator: &Session) -> String {
        let request = self.request(Method::PUT, "/key/server");
        let response = request
            .bearer_auth(&administrator.token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// The server ID-Cert now, or at a second.
    pub async fn server_cert(&self, at: Option<u64>) -> Vec<u8> {
        let query = at.map(|at| format!("?timestamp={at}")).unwrap_or_default();
        let response = self.get(&format!("/key/server{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        decode(&response.json().await.unwrap())
    }

    /// The ID-Certs of a user now, or at a second.
    pub async fn user_certs(&self, user: &str, at: Option<u64>) -> Vec<Vec<u8>> {
        let query = at.map(|at| format!("?timestamp={at}")).unwrap_or_default();
        let response = self.get(&format!("/key/user/{user}{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let certs: Vec<Value> = response.json().await.unwrap();
        certs.iter().map(decode).collect()
    }

    pub fn fid(&self, name: &str) -> String {
        format!("{}@{}", name.to_lowercase(), self.domain)
    }
}

/// The KeyPackages, or the certificates, in an answer.
pub async fn packages(response: Response) -> Vec<Vec<u8>> {
    assert_eq!(response.status(), StatusCode::OK);
    let packages: Vec<Value> = response.json().await.unwrap();
    packages.iter().map(decode).collect()
}

/// The bytes behind a JSON string of Base64.
pub fn decode(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Asserts that an answer is a refusal in the one shape there is.
pub async fn assert_refused(response: Response, status: u16, error: &str) -> String {
    assert_eq!(response.status().as_u16(), status);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(
        content_type.starts_with("application/json"),
        "{content_type}"
    );
    let body: Value = response.json().await.unwrap();
    let members: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["errcode", "error", "message"]);
    assert_eq!(body["errcode"], status, "{body}");
    assert_eq!(body["error"], error, "{body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.ends_with('.'), "not a sentence: {message}");
    message.to_owned()
}
