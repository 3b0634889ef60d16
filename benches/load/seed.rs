//! A data directory with many users and certificates, written through the registry itself.

use std::path::Path;
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

use crate::support::ClientKey;
use crate::support::node::DOMAIN;

const DAY: u64 = 86_400;

/// How many certificates are on their way to the disk at once.
const AT_ONCE: usize = 1_000;

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

/// Fills `data` with users who had so many certificates each, one a day.
pub async fn seed(data: &Path, users: u64, certs_each: u64) -> Seeded {
    let now = SystemClock.now().as_secs();
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
    let client = ClientKey::ed25519();
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
