//! One client of the churn: mostly new certificates, and of everything else that leaves something
//! behind a little.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::Request;
use super::key_kind::KeyKind;
use super::line::{self, Line, Trouble};
use super::measure;
use super::people::{json as packages_json, packages_of};
use crate::support::{Api, ClientKey, PASSWORD, Session};

/// What all of them did.
#[derive(Debug, Default)]
pub struct Counts {
    pub requests: AtomicU64,
    pub errors: AtomicU64,
    /// Certificates that were issued, and what they are long together.
    pub certs: AtomicU64,
    pub der_bytes: AtomicU64,
}

pub struct Churner {
    name: String,
    session: Session,
    /// Whose KeyPackages it claims.
    neighbour: String,
    key: ClientKey,
    kind: KeyKind,
    rotation: Vec<u8>,
    counts: Arc<Counts>,
}

/// A client's connection to the node.
struct Wire {
    line: Line,
    request: Request,
    /// Nobody listens any more.
    is_over: bool,
}

impl Churner {
    /// Registers and signs in; `numbers` are its own and its neighbour's.
    pub async fn prepare(
        api: &Api,
        numbers: (u64, u64),
        kind: KeyKind,
        key: &ClientKey,
        counts: &Arc<Counts>,
    ) -> Self {
        let name = format!("churner{}", numbers.0);
        api.register(&name).await;
        let session = api.trust(&name, "desk", key).await;
        let csr = STANDARD.encode(key.csr(&session.fid, "desk"));
        counts.certs.fetch_add(1, Relaxed);
        let length = session.id_cert.len() as u64;
        counts.der_bytes.fetch_add(length, Relaxed);
        Self {
            name,
            session,
            neighbour: api.fid(&format!("churner{}", numbers.1)),
            key: key.clone(),
            kind,
            rotation: json!({ "csr": csr }).to_string().into_bytes(),
            counts: Arc::clone(counts),
        }
    }

    /// Goes on until the end.
    pub async fn churn(mut self, address: Arc<str>, end: Instant, rotations_only: bool) {
        let mut wire = Wire {
            line: Line::new(&address),
            request: Request::default(),
            is_over: false,
        };
        let mut number = 0_u64;
        while Instant::now() < end && !wire.is_over {
            number += 1;
            // What was refused has been counted.
            let _done = match number % 100 {
                10 | 35 | 60 | 85 if !rotations_only => self.identify(&mut wire).await,
                20 if !rotations_only => self.come_and_go(number, &mut wire).await,
                30 | 80 if !rotations_only => self.publish(&mut wire).await,
                40 | 90 if !rotations_only => self.claim(&mut wire).await,
                _ => self.rotate(&mut wire).await,
            };
        }
    }

    async fn rotate(&mut self, wire: &mut Wire) -> Option<()> {
        let path = "/p2core/session/idcert";
        let token = Some(&*self.session.token);
        wire.request.post(path, token, &self.rotation);
        let answer = self.send(wire).await?;
        self.session.id_cert = self.issued(&answer)?;
        Some(())
    }

    /// Signs in with the certificate; the token before it dies.
    async fn identify(&mut self, wire: &mut Wire) -> Option<()> {
        wire.request.get(format_args!("/p2core/challenge"), None);
        let answer = self.send(wire).await?;
        let challenge = answer["challenge"].as_str()?;
        let body = json!({
            "completed_challenge": {
                "challenge": challenge,
                "signature": STANDARD.encode(self.key.sign_challenge(challenge)),
            },
            "id_cert": STANDARD.encode(&self.session.id_cert),
        });
        let body = body.to_string();
        wire.request
            .post("/p2core/session/identify", None, body.as_bytes());
        let answer = self.send(wire).await?;
        answer["token"]
            .as_str()?
            .clone_into(&mut self.session.token);
        Some(())
    }

    /// A second session, signed in with the password and ended.
    async fn come_and_go(&self, number: u64, wire: &mut Wire) -> Option<()> {
        let session_id = format!("s{number}");
        let csr = STANDARD.encode(self.key.csr(&self.session.fid, &session_id));
        let body = json!({ "username": self.name, "password": PASSWORD, "csr": csr });
        let body = body.to_string();
        wire.request
            .post("/p2core/session/trust", None, body.as_bytes());
        let answer = self.send(wire).await?;
        self.issued(&answer)?;
        let token = answer["token"].as_str();
        wire.request
            .delete(format_args!("/p2core/session/@me"), token);
        self.send(wire).await.map(drop)
    }

    async fn publish(&self, wire: &mut Wire) -> Option<()> {
        let packages = packages_of(&self.session, &self.key, self.kind.suite(), 2);
        let path = "/p2core/keypackage/@me";
        let token = Some(&*self.session.token);
        wire.request.post(path, token, &packages_json(&packages));
        self.send(wire).await.map(drop)
    }

    async fn claim(&self, wire: &mut Wire) -> Option<()> {
        let token = Some(&*self.session.token);
        wire.request
            .get(format_args!("/p2core/keypackage/{}", self.neighbour), token);
        self.send(wire).await.map(drop)
    }

    /// Counts a certificate, and gives it.
    fn issued(&self, answer: &Value) -> Option<Vec<u8>> {
        let cert = STANDARD.decode(answer["id_cert"].as_str()?).ok()?;
        self.counts.certs.fetch_add(1, Relaxed);
        let length = cert.len() as u64;
        self.counts.der_bytes.fetch_add(length, Relaxed);
        Some(cert)
    }

    /// The answer, which is null where there is no body; none where it is not one of success.
    async fn send(&self, wire: &mut Wire) -> Option<Value> {
        self.counts.requests.fetch_add(1, Relaxed);
        let trouble = match wire.line.send(&wire.request).await {
            Ok(answer) if measure::good(&answer) => {
                return Some(serde_json::from_slice(answer.body).unwrap_or_default());
            }
            Ok(answer) => answer.to_string(),
            Err(trouble) => {
                wire.is_over = matches!(trouble, Trouble::NoConnection(_));
                trouble.to_string()
            }
        };
        if self.counts.errors.fetch_add(1, Relaxed) == 0 {
            eprintln!("the first error: {trouble}");
        }
        None
    }
}

/// A server that hangs up again and again is counted, and does not end the churn.
pub fn test() {
    let counts = Arc::new(Counts::default());
    let text = String::new;
    let churner = Churner {
        name: text(),
        session: Session {
            fid: text(),
            user_id: text(),
            token: text(),
            id_cert: Vec::new(),
        },
        neighbour: text(),
        key: ClientKey::ed25519(),
        kind: KeyKind::Ed25519,
        rotation: Vec::new(),
        counts: Arc::clone(&counts),
    };
    let end = Instant::now() + Duration::from_secs(2);
    let address: Arc<str> = line::server(2).into();
    measure::on_one_thread(churner.churn(address, end, true));
    let errors = counts.errors.load(Relaxed);
    assert!(errors > 1, "{errors}");
    assert!(counts.requests.load(Relaxed) > errors);
}
