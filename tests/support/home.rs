//! A home server in the hands of the test: it can answer like an honest one, and in every other way.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::http::header::LOCATION;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use antiphon_protocol::{
    ActorCert, Domain, IdCsr, KeyAlgorithm, PrivateKey, SerialNumber, ServerCert, Timestamp,
    Validity, base64, issue,
};
use der::asn1::{Any, BitString};
use der::{Decode as _, Encode as _, Tag};
use futures_util::stream;
use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use rand_core::OsRng;
use tokio::sync::Notify;
use x509_cert::Certificate;

use super::ClientKey;

/// How it answers.
#[derive(Debug, Clone)]
pub enum Mood {
    Honest,
    /// With this status and body.
    Says(u16, String),
    /// What is right, behind more blanks than anybody should read.
    Huge,
    /// Never.
    Silent,
    /// Of its users, what is right when it is asked, once it is told to.
    Late(Arc<Notify>),
    /// A byte at a time, for ever.
    Drips,
    /// Somebody else would know.
    Redirects(String),
    /// With this as its own certificate.
    Shows(Vec<u8>),
}

#[derive(Debug)]
struct State {
    mood: Mutex<Mood>,
    cert: Vec<u8>,
    listed: Mutex<Vec<Vec<u8>>>,
    asked: Mutex<Vec<String>>,
}

/// The server.
pub struct Home {
    pub domain: Domain,
    pub key: PrivateKey,
    pub cert: ServerCert,
    /// `http://127.0.0.1:port`
    pub base: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl Home {
    /// A server whose certificate is valid for a year around `now`.
    pub fn start(domain: &str, now: u64) -> Self {
        let domain = Domain::parse(domain).unwrap();
        let key = PrivateKey::generate(KeyAlgorithm::P256, &mut OsRng);
        let cert = server_cert(&key, &domain, now - 1_000_000, now + 30_000_000);
        let state = Arc::new(State {
            mood: Mutex::new(Mood::Honest),
            cert: cert.as_der().to_vec(),
            listed: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shared = Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            let shared = Data::clone(&shared);
            App::new().app_data(shared).default_service(web::to(answer))
        });
        // A connection that is kept may still be answered when `stop` has returned.
        let server = server.keep_alive(KeepAlive::Disabled);
        let server = server.workers(1).disable_signals().listen(listener);
        let server = server.unwrap().run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            domain,
            key,
            cert,
            base,
            state,
            handle,
        }
    }

    /// The setting by which a node finds it.
    pub fn hosts(&self) -> String {
        format!("{{ \"{}\" = \"{}\" }}", self.domain, self.base)
    }

    pub fn is(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// What it has been asked since the last time, in order.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }

    /// Certifies a session of `name` from `from` to `until`, and lists the certificate.
    pub fn certify(
        &self,
        name: &str,
        session: &str,
        key: &ClientKey,
        from: u64,
        until: u64,
    ) -> Vec<u8> {
        let cert = self.forge(&self.key, name, session, key, from, until);
        self.list(cert.clone());
        cert
    }

    /// From now on it names this certificate among those in force.
    pub fn list(&self, cert: Vec<u8>) {
        self.state.listed.lock().unwrap().push(cert);
    }

    /// A certificate that names this server as its issuer, signed with any key.
    pub fn forge(
        &self,
        issuer: &PrivateKey,
        name: &str,
        session: &str,
        key: &ClientKey,
        from: u64,
        until: u64,
    ) -> Vec<u8> {
        let csr = key.csr(&format!("{name}@{}", self.domain), session);
        let csr = IdCsr::from_der(&csr).unwrap().verify().unwrap();
        let serial = SerialNumber::random(&mut OsRng);
        let wide = server_cert(issuer, &self.domain, from, until);
        let cert: ActorCert =
            issue::actor_cert(issuer, &wide, &csr, serial, between(from, until)).unwrap();
        cert.as_der().to_vec()
    }

    /// No certificate of its users is in force any more.
    pub fn revoke_all(&self) {
        self.state.listed.lock().unwrap().clear();
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

/// A self-signed server certificate.
pub fn server_cert(key: &PrivateKey, domain: &Domain, from: u64, until: u64) -> ServerCert {
    let serial = SerialNumber::random(&mut OsRng);
    issue::server_cert(key, domain, serial, between(from, until)).unwrap()
}

/// A certificate of this server's key once more, with an element before its extensions that X.509 does not know:
/// the library that parses it passes over that.
pub fn stuffed(key: &PrivateKey, cert: &[u8]) -> Vec<u8> {
    let cert = Certificate::from_der(cert).unwrap();
    let mut tbs = cert.tbs_certificate;
    let whole = tbs.to_der().unwrap();
    tbs.extensions = None;
    let (whole, before) = (contents(&whole), contents(&tbs.to_der().unwrap()));
    let (_, extensions) = whole.split_at(before.len());
    let tbs = sequence(&[&before, &[0x80, 3, 1, 2, 3], extensions]);
    let key = SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
    let signature = ClientKey::P256(key).sign(&tbs);
    let signature = BitString::from_bytes(&signature).unwrap();
    let algorithm = cert.signature_algorithm.to_der().unwrap();
    sequence(&[&tbs, &algorithm, &signature.to_der().unwrap()])
}

fn contents(sequence: &[u8]) -> Vec<u8> {
    Any::from_der(sequence).unwrap().value().to_vec()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let sequence = Any::new(Tag::Sequence, parts.concat()).unwrap();
    sequence.to_der().unwrap()
}

fn between(from: u64, until: u64) -> Validity {
    Validity {
        not_before: Timestamp::from_secs(from),
        not_after: Timestamp::from_secs(until),
    }
}

async fn answer(request: HttpRequest, state: Data<State>) -> HttpResponse {
    state.asked.lock().unwrap().push(request.uri().to_string());
    let mood = state.mood.lock().unwrap().clone();
    let is_about_server = request.path() == "/p2core/key/server";
    match mood {
        Mood::Says(status, body) => {
            let status = status.try_into().unwrap();
            HttpResponse::build(status)
                .content_type("application/json")
                .body(body)
        }
        Mood::Huge if is_about_server => {
            let cert = base64::encode(&state.cert);
            let body = format!("{}\"{cert}\"", " ".repeat(64 * 1024));
            HttpResponse::Ok().body(body)
        }
        Mood::Silent => std::future::pending().await,
        Mood::Drips => {
            let drops = stream::unfold((), |()| async {
                // Dripping is what it does: no single wait is long, all together are.
                actix_web::rt::time::sleep(Duration::from_millis(300)).await;
                Some((Ok::<_, actix_web::Error>(Bytes::from_static(b" ")), ()))
            });
            HttpResponse::Ok().streaming(Box::pin(drops))
        }
        Mood::Redirects(to) => {
            let to = format!("{to}{}", request.uri());
            HttpResponse::TemporaryRedirect()
                .insert_header((LOCATION, to))
                .finish()
        }
        Mood::Shows(cert) if is_about_server => HttpResponse::Ok().json(base64::encode(&cert)),
        Mood::Honest | Mood::Shows(_) | Mood::Late(_) if is_about_server => {
            HttpResponse::Ok().json(base64::encode(&state.cert))
        }
        Mood::Honest | Mood::Shows(_) | Mood::Huge => HttpResponse::Ok().json(state.listed()),
        Mood::Late(told) => {
            let listed = state.listed();
            told.notified().await;
            HttpResponse::Ok().json(listed)
        }
    }
}

impl State {
    fn listed(&self) -> Vec<String> {
        let listed = self.listed.lock().unwrap();
        listed.iter().map(|cert| base64::encode(cert)).collect()
    }
}
