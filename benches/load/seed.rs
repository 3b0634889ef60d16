//! A data directory with many users and certificates, written through the registry itself.

use std::path::Path;
use std::sync::{Arc, mpsc};

use actix::{Actor as _, Arbiter};
use antiphon::config::{Config, Sources};
use antiphon::node::Node;
use antiphon_actors::accounts::new_user;
use antiphon_actors::cert_registry::{CertRegistry, OpenSession, RenewSession, SessionRef};
use antiphon_actors::clock::{Clock as _, ManualClock, SystemClock};
use antiphon_actors::storage::Storage;
use antiphon_protocol::{
    ActorCert, Fid, IdCsr, PrivateKey, SerialNumber, ServerCert, Snowflake, Timestamp, Validity,
    VerifiedCsr, issue,
};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use rand_core::OsRng;

use super::Outcome;
use super::kept::{Seeded, Wanted};
use crate::support::node::DOMAIN;

const DAY: u64 = Timestamp::DAY;

/// For how long each certificate is valid.
pub const VALID_DAYS: u64 = 60;

/// UNIX seconds.
pub fn now() -> u64 {
    SystemClock.now().as_secs()
}

/// How many certificates are on their way to the disk at once.
const AT_ONCE: usize = 1_000;

/// MiB. Rounds come to every user again.
const CACHE: u64 = 4_096;

/// A user's federation ID.
pub fn fid(user: u64) -> String {
    format!("u{user}@{DOMAIN}")
}

/// Fills `data`, an empty folder.
pub fn seed(data: &Path, wanted: Wanted) -> Outcome<Seeded> {
    actix::System::new().block_on(fill(data, wanted))
}

/// Fills `data` with users who had so many certificates each, one a day.
async fn fill(data: &Path, wanted: Wanted) -> Outcome<Seeded> {
    let Wanted {
        users, certs_each, ..
    } = wanted;
    let now = now();
    let from = now - (certs_each + 1) * DAY;
    let clock = ManualClock::at(Timestamp::from_secs(from));
    let issuer = Issuer::begin(data, &clock).await?;
    let storage = Storage::open(data, CACHE).unwrap();
    let registry = CertRegistry::open(storage.clone(), Arc::new(clock.clone())).unwrap();
    let arbiter = Arbiter::new();
    let registry = CertRegistry::start_in_arbiter(&arbiter.handle(), move |_| registry);
    let batches = issuer.start(wanted, from);
    let progress = ProgressBar::new(users * certs_each).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} certificates, {eta} left").unwrap(),
    );
    for Batch { round, at, certs } in batches {
        clock.advance(at - clock.now().as_secs());
        progress.inc(certs.len() as u64);
        let sent = certs.into_iter().map(|(user, cert)| {
            let session = SessionRef {
                user: Snowflake::from_u64(user + 1),
                session: Snowflake::from_u64(users + user + 1),
            };
            let registry = registry.clone();
            async move {
                if round > 0 {
                    return registry.send(RenewSession { session, cert }).await;
                }
                let name = Fid::parse(&fid(user)).unwrap();
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
    }
    assert_eq!(progress.position(), users * certs_each);
    progress.finish_and_clear();
    drop(registry);
    arbiter.stop();
    arbiter.join().unwrap();
    storage.close().unwrap();
    Ok(Seeded {
        has: wanted,
        from: from + 60,
        until: now,
    })
}

/// Certificates of some users, with their numbers.
struct Batch {
    /// Which certificate of theirs it is.
    round: u64,
    at: u64,
    certs: Vec<(u64, ActorCert)>,
}

/// The server's key and its certificate.
struct Issuer {
    key: PrivateKey,
    cert: ServerCert,
}

impl Issuer {
    /// That of a node that ran here for a moment.
    async fn begin(data: &Path, clock: &ManualClock) -> Outcome<Self> {
        let path = data.to_str();
        let path = path.ok_or_else(|| format!("{} is no text", data.display()))?;
        let mut sources = Sources::default();
        for (key, value) in [
            ("domain", DOMAIN),
            ("data_dir", path),
            ("listen.address", "127.0.0.1:0"),
        ] {
            sources.add_flag("bench", key, value);
        }
        let config = Config::from_sources(&sources).unwrap();
        let node = Node::start(&config, Arc::new(clock.clone())).await;
        let node = node.map_err(|error| format!("cannot seed {path}: {error}"))?;
        let cert = node.cert.clone();
        node.stop().await;
        let mut keys = std::fs::read_dir(data.join("keys")).unwrap();
        let key = keys.next().expect("a node has a key").unwrap();
        let key = std::fs::read_to_string(key.path()).unwrap();
        let key = PrivateKey::from_pkcs8_pem(&key).unwrap();
        Ok(Self { key, cert })
    }

    /// Makes all certificates on a thread of its own, while others are written; all users have the
    /// same key.
    fn start(self, wanted: Wanted, from: u64) -> mpsc::Receiver<Batch> {
        let (made, batches) = mpsc::sync_channel(4);
        std::thread::spawn(move || {
            let client = wanted.kind.generate();
            let csr = |user: u64| {
                let csr = IdCsr::from_der(&client.csr(&fid(user), "phone"));
                (user, csr.unwrap().verify().unwrap())
            };
            let mut csrs = Vec::new();
            for round in 0..wanted.certs_each {
                let at = from + 60 + round * DAY;
                for first in (0..wanted.users).step_by(AT_ONCE) {
                    let last = wanted.users.min(first + AT_ONCE as u64);
                    if round == 0 {
                        csrs.extend((first..last).map(csr));
                    }
                    let certs = csrs[first as usize..last as usize].iter();
                    let certs = certs.map(|(user, csr)| (*user, self.certify(csr, at)));
                    let certs = certs.collect();
                    if made.send(Batch { round, at, certs }).is_err() {
                        return;
                    }
                }
            }
        });
        batches
    }

    fn certify(&self, csr: &VerifiedCsr, at: u64) -> ActorCert {
        let validity = Validity {
            not_before: Timestamp::from_secs(at),
            not_after: Timestamp::from_secs(at + VALID_DAYS * DAY),
        };
        let serial = SerialNumber::random(&mut OsRng);
        issue::actor_cert(&self.key, &self.cert, csr, serial, validity).unwrap()
    }
}
