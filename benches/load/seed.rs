//! A data directory with many users and certificates, written through the registry itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix::{Actor as _, Arbiter};
use antiphon::config::{Config, Sources};
use antiphon::node::Node;
use antiphon_actors::accounts::new_user;
use antiphon_actors::cert_registry::{CertRegistry, OpenSession, RenewSession, SessionRef};
use antiphon_actors::clock::{Clock as _, ManualClock, SystemClock};
use antiphon_actors::storage::Storage;
use antiphon_protocol::{
    ActorCert, Fid, IdCsr, PrivateKey, SerialNumber, ServerCert, Snowflake, Timestamp, Validity,
    issue,
};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use rand_core::OsRng;

use super::key_kind::KeyKind;
use crate::support::ClientKey;
use crate::support::node::DOMAIN;

const DAY: u64 = 86_400;

/// UNIX seconds.
pub fn now() -> u64 {
    SystemClock.now().as_secs()
}

/// How many certificates are on their way to the disk at once.
const AT_ONCE: usize = 1_000;

/// What is to be in a directory.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub users: u64,
    pub certs_each: u64,
    pub kind: KeyKind,
}

/// The users of a seeded directory: `u0@a.example` and so on.
#[derive(Debug, Clone, Copy)]
pub struct Seeded {
    pub users: u64,
    /// The first and the last second between which certificates were issued.
    pub from: u64,
    pub until: u64,
}

pub fn fid(user: u64) -> String {
    format!("u{user}@{DOMAIN}")
}

/// Makes `data` unless that was done before; what is there is taken as it is.
pub fn kept(data: &Path, wanted: Wanted) -> Seeded {
    if let Some(seeded) = noted(data) {
        if seeded.users != wanted.users {
            eprintln!("{} has {} users", data.display(), seeded.users);
        }
        return seeded;
    }
    assert!(!data.exists(), "{} is not a seed", data.display());
    // Under another name until it is whole.
    let unfinished = data.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).unwrap();
    }
    std::fs::create_dir_all(data.parent().unwrap_or(Path::new("."))).unwrap();
    let system = actix::System::new();
    let seeded = system.block_on(seed(&unfinished, wanted));
    std::fs::rename(unfinished, data).unwrap();
    let Seeded { users, from, until } = seeded;
    std::fs::write(note(data), format!("{users} {from} {until}\n")).unwrap();
    seeded
}

/// What a directory was seeded with.
pub fn noted(data: &Path) -> Option<Seeded> {
    let text = std::fs::read_to_string(note(data)).ok()?;
    let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    let &[users, from, until] = numbers.ok()?.as_slice() else {
        return None;
    };
    Some(Seeded { users, from, until })
}

fn note(data: &Path) -> PathBuf {
    data.with_extension("seeded")
}

/// Fills `data` with users who had so many certificates each, one a day.
async fn seed(data: &Path, wanted: Wanted) -> Seeded {
    let Wanted {
        users,
        certs_each,
        kind,
    } = wanted;
    let now = now();
    let from = now - (certs_each + 1) * DAY;
    let clock = ManualClock::at(Timestamp::from_secs(from));
    let mut sources = Sources::default();
    for (key, value) in [
        ("domain", DOMAIN),
        ("data_dir", data.to_str().unwrap()),
        ("listen.address", "127.0.0.1:0"),
    ] {
        sources.add_flag("bench", key, value).unwrap();
    }
    let config = Config::from_sources(&sources).unwrap();
    let node = Node::start(&config, Arc::new(clock.clone())).await.unwrap();
    let server_cert = node.cert.clone();
    node.stop().await;
    let key = std::fs::read_dir(data.join("keys"))
        .unwrap()
        .next()
        .unwrap();
    let key = std::fs::read_to_string(key.unwrap().path()).unwrap();
    let key = PrivateKey::from_pkcs8_pem(&key).unwrap();

    let storage = Storage::open(data, 64).unwrap();
    let registry = CertRegistry::open(storage.clone(), Arc::new(clock.clone())).unwrap();
    let arbiter = Arbiter::new();
    let registry = CertRegistry::start_in_arbiter(&arbiter.handle(), move |_| registry);
    let client = kind.generate();
    let progress = ProgressBar::new(users * certs_each).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} certificates, {eta} left").unwrap(),
    );
    let numbers: Vec<u64> = (0..users).collect();
    for round in 0..certs_each {
        let at = from + 60 + round * DAY;
        clock.advance(at - clock.now().as_secs());
        for batch in numbers.chunks(AT_ONCE) {
            let sent = batch.iter().map(|user| {
                let session = SessionRef {
                    user: Snowflake::from_u64(user + 1),
                    session: Snowflake::from_u64(users + user + 1),
                };
                let cert = certify(&client, *user, (&key, &server_cert), at);
                let registry = registry.clone();
                async move {
                    if round > 0 {
                        return registry.send(RenewSession { session, cert }).await;
                    }
                    let name = Fid::parse(&fid(*user)).unwrap();
                    let rider = new_user(session.user, &name, Timestamp::from_secs(at)).unwrap();
                    let open = OpenSession {
                        session,
                        cert,
                        rider,
                    };
                    registry.send(open).await
                }
            });
            for logged in join_all(sent).await {
                logged.unwrap().unwrap();
            }
            progress.inc(batch.len() as u64);
        }
    }
    progress.finish_and_clear();
    drop(registry);
    arbiter.stop();
    arbiter.join().unwrap();
    storage.close().unwrap();
    Seeded {
        users,
        from: from + 60,
        until: now,
    }
}

/// A certificate for a user; all of them have the same key.
fn certify(
    client: &ClientKey,
    user: u64,
    issuer: (&PrivateKey, &ServerCert),
    at: u64,
) -> ActorCert {
    let csr = IdCsr::from_der(&client.csr(&fid(user), "phone")).unwrap();
    let validity = Validity {
        not_before: Timestamp::from_secs(at),
        not_after: Timestamp::from_secs(at + 60 * DAY),
    };
    let serial = SerialNumber::random(&mut OsRng);
    let csr = csr.verify().unwrap();
    issue::actor_cert(issuer.0, issuer.1, &csr, serial, validity).unwrap()
}
