//! The whole story with two real nodes on loopback: certified at home, signed in abroad, rotated,
//! and looked up by time. Each step is held to what the contract says.

mod client;

use std::path::Path;
use std::sync::Arc;

use antiphon_actors::clock::{Clock as _, SystemClock};
use antiphon_protocol::{
    ActorCert, Challenge, ClientKey, Domain, Fid, IdCertError, KeyAlgorithm, KeyError, ServerCert,
    SessionId,
};
use rand_core::OsRng;
use reqwest::StatusCode;
use tempfile::TempDir;

use crate::config::{Config, ConfigError, Sources};
use crate::control::{self, AskError, Request, User};
use crate::node::{Node, NodeError};
use client::{Answer, Server};

/// Why the demo did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An answer is not the one that the contract says.
    #[error("{asked}: expected {expected}, got {status} {body}")]
    Unexpected {
        /// What was asked.
        asked: String,
        /// What the contract says.
        expected: String,
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Something that was to hold does not.
    #[error("{0}")]
    Wrong(&'static str),
    /// A certificate.
    #[error("a certificate was refused: {0}")]
    Cert(#[from] IdCertError),
    /// A key.
    #[error("{0}")]
    Key(KeyError),
    /// A request.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// A node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An order to it.
    #[error(transparent)]
    Order(#[from] AskError),
    /// The temporary directory.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A thread.
    #[error("{0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Tells the story, a line a step, to `say`.
pub async fn run(mut say: impl FnMut(String)) -> Result<(), DemoError> {
    let directory = TempDir::new()?;
    let a = start(directory.path(), "a.example", None).await?;
    let at_a = server(&a, "a.example")?;
    let b = start(directory.path(), "b.example", Some(&at_a)).await?;
    let at_b = server(&b, "b.example")?;
    let told = tell(&at_a, &at_b, directory.path(), &mut say).await;
    b.stop().await;
    a.stop().await;
    told
}

async fn tell(
    a: &Server,
    b: &Server,
    directory: &Path,
    say: &mut impl FnMut(String),
) -> Result<(), DemoError> {
    say(format!(
        "a.example runs at {}, b.example at {}",
        a.base, b.base
    ));
    let fid = Fid::parse("alice@a.example").map_err(|_| DemoError::Wrong("no federation ID"))?;
    let phone = SessionId::parse("phone").map_err(|_| DemoError::Wrong("no session ID"))?;

    let registered = created(a.register("alice").await?)?;
    let user_id = registered.text("/payload/user_id")?;
    say(format!("{fid} registers at a.example: user {user_id}"));

    let first_key = ClientKey::generate(KeyAlgorithm::P256, &mut OsRng);
    let trusted = created(a.trust(&fid, &phone, &first_key).await?)?;
    let (home_token, first) = (trusted.text("/token")?, trusted.id_cert()?);
    let old_server = a.cert(None).await?;
    first.verify(&old_server)?;
    say(format!(
        "a.example certifies her phone: {}",
        described(&first)
    ));

    b.user(&fid, None)
        .await?
        .must_be_refusal(404, "P2CORE_USER_NOT_FOUND")?;
    say("b.example has never heard of her (404)".to_owned());

    let challenge = challenge(b).await?;
    let signed_in = created(b.identify(&challenge, &first, &first_key).await?)?;
    let (abroad, token) = (
        signed_in.text("/payload/user_id")?,
        signed_in.text("/token")?,
    );
    say(format!(
        "she signs b.example's challenge; b asks a, and signs her in: user {abroad} there"
    ));
    b.identify(&challenge, &first, &first_key)
        .await?
        .must_be_refusal(401, "P2CORE_CHALLENGE_FAILED")?;
    say("the same challenge does not sign anybody in again (401)".to_owned());
    same(&b.user_cert(&fid, None).await?, &first)?;
    let then = second_over().await;
    say(format!(
        "b.example answers for her with the ID-Cert it verified, at second {then}"
    ));

    let second_key = ClientKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
    let renewed = created(a.renew(&home_token, &fid, &phone, &second_key).await?)?;
    let second = renewed.id_cert()?;
    say(format!(
        "her phone takes a new key, certified by a.example: {}",
        described(&second)
    ));
    created(b.present(&token, &second).await?)?;
    say("she tells b.example, which takes the new ID-Cert".to_owned());
    b.present(&token, &first)
        .await?
        .must_be_refusal(400, "P2CORE_INVALID_ID_CERT")?;
    say("the old ID-Cert cannot be put back (400)".to_owned());
    second_over().await;

    let new_server = rotate(a, directory, &fid, &home_token).await?;
    say(format!(
        "a.example rotates its server key: {}…",
        fingerprint(&new_server)?
    ));
    let tablet = SessionId::parse("tablet").map_err(|_| DemoError::Wrong("no session ID"))?;
    let third_key = ClientKey::generate(KeyAlgorithm::P256, &mut OsRng);
    let third = created(a.trust(&fid, &tablet, &third_key).await?)?.id_cert()?;
    third.verify(&new_server)?;
    if third.verify(&old_server).is_ok() {
        return Err(DemoError::Wrong("the retired key still signs"));
    }
    let tablet_challenge = self::challenge(b).await?;
    created(b.identify(&tablet_challenge, &third, &third_key).await?)?;
    say("her tablet, certified with the new key, signs in on b.example, too".to_owned());

    // Years later, all that is known of a message is its second and who it says it is from.
    for (server, at, expected) in [(a, then, &first), (b, then, &first)] {
        let found = server.user_cert(&fid, Some(at)).await?;
        same(&found, expected)?;
        let issuer = a.cert(Some(found.validity().not_before.as_secs())).await?;
        found.verify(&issuer)?;
    }
    say(format!(
        "asked about second {then}, both nodes name the first ID-Cert, and it verifies"
    ));
    let now = b.user(&fid, None).await?.must_be(StatusCode::OK)?;
    if now.body.as_array().map(Vec::len) != Some(2) {
        return Err(DemoError::Wrong("b.example does not name two ID-Certs now"));
    }
    second.verify(&a.cert(Some(second.validity().not_before.as_secs())).await?)?;
    say("asked about now, b.example names the two of today, and they verify".to_owned());
    Ok(())
}

/// The operator makes alice an administrator, and she rotates the server key.
async fn rotate(
    a: &Server,
    directory: &Path,
    fid: &Fid,
    token: &str,
) -> Result<ServerCert, DemoError> {
    let data = directory.join(&a.domain);
    let order = Request::UserSetAdministrator {
        user: fid.to_string(),
        is_administrator: true,
    };
    tokio::task::spawn_blocking(move || control::ask::<User>(&data, &order)).await??;
    let rotated = a.rotate(token).await?.must_be(StatusCode::OK)?;
    let cert = a.cert(None).await?;
    let pem = cert.public_key().to_pem().map_err(DemoError::Key)?;
    if rotated.body.as_str() != Some(&pem) {
        return Err(DemoError::Wrong(
            "the new key is not the one in the ID-Cert",
        ));
    }
    Ok(cert)
}

/// Starts a node in `directory` that asks `other` at its address.
async fn start(directory: &Path, domain: &str, other: Option<&Server>) -> Result<Node, DemoError> {
    let data = directory.join(domain).display().to_string();
    let hosts = other.map(|other| format!("{{ \"{}\" = \"{}\" }}", other.domain, other.base));
    let mut sources = Sources::default();
    for (name, value) in [
        ("domain", domain),
        ("data_dir", &data),
        ("listen.address", "127.0.0.1:0"),
        ("registration.mode", "open"),
        ("federation.hosts", hosts.as_deref().unwrap_or("{}")),
    ] {
        sources.add_flag("demo", name, value);
    }
    let config = Config::from_sources(&sources)?;
    Ok(Node::start(&config, Arc::new(SystemClock)).await?)
}

fn server(node: &Node, domain: &str) -> Result<Server, DemoError> {
    Server::new(domain, format!("http://{}", node.address))
}

async fn challenge(server: &Server) -> Result<String, DemoError> {
    let answer = server.challenge().await?.must_be(StatusCode::OK)?;
    let challenge = answer.text("/challenge")?;
    // What one signs for a server must be worth nothing at another.
    match Domain::parse(&server.domain) {
        Ok(domain) if Challenge::is_of(&challenge, &domain) => Ok(challenge),
        _ => Err(DemoError::Wrong("the challenge is another server's")),
    }
}

fn created(answer: Answer) -> Result<Answer, DemoError> {
    answer.must_be(StatusCode::CREATED)
}

fn same(found: &ActorCert, expected: &ActorCert) -> Result<(), DemoError> {
    if found == expected {
        Ok(())
    } else {
        Err(DemoError::Wrong("a lookup names another ID-Cert"))
    }
}

/// The current second, once it is over: what happens after is in a later one.
async fn second_over() -> u64 {
    let now = SystemClock.now();
    SystemClock.reached(now.plus_secs(1)).await;
    now.as_secs()
}

fn described(cert: &ActorCert) -> String {
    format!(
        "{} key, valid until {}",
        cert.public_key().algorithm(),
        cert.validity().not_after.to_utc()
    )
}

fn fingerprint(cert: &ServerCert) -> Result<String, DemoError> {
    let fingerprint = cert.public_key().fingerprint().map_err(DemoError::Key)?;
    Ok(fingerprint.chars().take(16).collect())
}
