//! "Which key signed this" has one answer, whatever rotates when.

use std::collections::HashSet;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr, Arbiter};
use antiphon_protocol::{ActorCert, Domain, KeyAlgorithm, ServerCert, Snowflake, Timestamp};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::cert_registry::{AppendServerCert, CertReader, ServerCertInForce, SessionRef};
use crate::clock::{Clock, ManualClock};
use crate::storage::{Storage, WriteSet};
use crate::tests::{Random, verified_csr};

const START: u64 = 1_800_000_000;

struct Running {
    manager: Addr<KeyManager>,
    reader: Addr<CertReader>,
    arbiters: Vec<Arbiter>,
}

/// A clock that can be set without anybody who waits hearing of it, as the system's can.
#[derive(Debug, Clone)]
struct SilentClock(ManualClock);

impl Clock for SilentClock {
    fn unix_millis(&self) -> u64 {
        self.0.unix_millis()
    }

    fn reached(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

struct Place {
    directory: TempDir,
    clock: ManualClock,
    sessions: u64,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("keys")).unwrap();
        Self {
            directory,
            clock: ManualClock::at(Timestamp::from_secs(START)),
            sessions: 0,
        }
    }

    fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    fn key_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.keys()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    async fn start(&self) -> Running {
        self.start_with(Arc::new(self.clock.clone())).await
    }

    /// With another clock for the manager.
    async fn start_with(&self, clock: SharedClock) -> Running {
        let storage = Storage::open(&self.directory.path().join("db"), 8).unwrap();
        let serials = Serials::begin(&storage, &self.clock).await.unwrap();
        let log = CertRegistry::open(storage, Arc::new(self.clock.clone())).unwrap();
        let newest = log.newest_server_cert().unwrap().map(|life| life.cert);
        let log_time = log.log_time();
        let is_first_start = newest.is_none();
        let arbiters = vec![Arbiter::new(), Arbiter::new()];
        let reader = log.reader();
        let reader = CertReader::start_in_arbiter(&arbiters[0].handle(), move |_| reader);
        let registry = CertRegistry::start_in_arbiter(&arbiters[0].handle(), move |_| log);
        let settings = Settings {
            domain: Domain::parse("a.example").unwrap(),
            algorithm: KeyAlgorithm::Ed25519,
            server_cert_days: 180,
            session_cert_days: 60,
        };
        let manager = KeyManager::open(
            settings,
            clock,
            &self.keys(),
            serials,
            newest,
            log_time,
            registry.clone(),
        );
        let manager = manager.unwrap();
        let cert = manager.current_cert().clone();
        let manager = KeyManager::start_in_arbiter(&arbiters[1].handle(), move |_| manager);
        if is_first_start {
            registry
                .send(AppendServerCert { cert })
                .await
                .unwrap()
                .unwrap();
        }
        Running {
            manager,
            reader,
            arbiters,
        }
    }

    /// A certificate for a new session.
    fn certify(&mut self) -> CertifySession {
        self.sessions += 1;
        CertifySession {
            csr: verified_csr("alice", &format!("s{}", self.sessions)),
            session: SessionRef {
                user: Snowflake::from_u64(1),
                session: Snowflake::from_u64(self.sessions),
            },
            purpose: Purpose::Open {
                rider: WriteSet::new(),
            },
        }
    }
}

impl Running {
    async fn certify(&self, place: &mut Place) -> ActorCert {
        let certified = self.manager.send(place.certify()).await;
        certified.unwrap().unwrap()
    }

    async fn check(&self, cert: &ActorCert) {
        let at = Some(cert.validity().not_before);
        let server = self
            .reader
            .send(ServerCertInForce { at })
            .await
            .unwrap()
            .unwrap();
        cert.verify(&ServerCert::from_der(&server.certs).unwrap())
            .unwrap();
    }

    fn stop(self) {
        for arbiter in self.arbiters {
            arbiter.stop();
            arbiter.join().unwrap();
        }
    }
}

#[actix::test]
async fn the_server_cert_at_not_before_verifies_whatever_happens() {
    for seed in 1..=8 {
        let mut random = Random(seed);
        let mut place = Place::new();
        let mut running = place.start().await;
        let mut certs: Vec<ActorCert> = Vec::new();
        for _ in 0..60 {
            match random.below(6) {
                0 | 1 => {
                    let cert = running.certify(&mut place).await;
                    if let Some(before) = certs.last() {
                        let (earlier, later) = (before.validity(), cert.validity());
                        assert!(
                            earlier.not_before <= later.not_before,
                            "notBefore went back"
                        );
                    }
                    certs.push(cert);
                }
                2 => {
                    // Three at once, signing meanwhile; the clock lets them go.
                    let rotations = [(); 3].map(|()| running.manager.send(RotateServerKey));
                    let cert = running.certify(&mut place).await;
                    // Past the second of the signature also where the clock was behind the log: if
                    // the turn of the rotations comes only now, there must be a second for them.
                    let signed = cert.validity().not_before;
                    place.clock.set(place.clock.now().max(signed).plus_secs(1));
                    certs.push(cert);
                    let mut keys = HashSet::new();
                    for rotation in rotations {
                        let cert = rotation.await.unwrap().unwrap();
                        keys.insert(cert.public_key().fingerprint().unwrap());
                    }
                    assert_eq!(keys.len(), 3);
                }
                3 => place.clock.advance(random.below(3)),
                4 => place
                    .clock
                    .set(place.clock.now().minus_secs(random.below(100))),
                _ => {
                    running.stop();
                    running = place.start().await;
                }
            }
            assert_eq!(place.key_files().len(), 1);
        }
        for cert in &certs {
            running.check(cert).await;
        }
        running.stop();
    }
}

/// A thousand at once need no more stack than one.
#[actix::test]
async fn each_of_a_thousand_rotations_has_its_own_certificate() {
    let mut place = Place::new();
    let running = place.start().await;
    // So that all of them wait for the next second, and get it together.
    running.certify(&mut place).await;
    let rotations: Vec<_> = (0..1000)
        .map(|_| running.manager.send(RotateServerKey))
        .collect();
    let rotations: Vec<_> = rotations.into_iter().map(actix::spawn).collect();
    // Answered after all of them have been handed over.
    let held = running.manager.send(HoldKey).await;
    held.unwrap().unwrap();
    place.clock.advance(1);
    let mut keys = HashSet::new();
    for rotation in rotations {
        let cert = rotation.await.unwrap().unwrap().unwrap();
        keys.insert(cert.public_key().fingerprint().unwrap());
    }
    assert_eq!(keys.len(), 1000);
    running.stop();
}

#[actix::test]
async fn a_rotation_waits_only_if_the_key_has_signed_in_this_second() {
    let mut place = Place::new();
    let running = place.start().await;
    // Nothing signed: any number in the same second.
    for _ in 0..3 {
        let cert = running
            .manager
            .send(RotateServerKey)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(cert.validity().not_before.as_secs(), START);
    }
    let signed = running.certify(&mut place).await;
    let rotation = running.manager.send(RotateServerKey);
    // Signing goes on, with the retiring key.
    let meanwhile = running.certify(&mut place).await;
    assert_eq!(meanwhile.validity().not_before.as_secs(), START);
    place.clock.advance(1);
    let cert = rotation.await.unwrap().unwrap();
    assert_eq!(cert.validity().not_before.as_secs(), START + 1);
    running.check(&signed).await;
    running.check(&meanwhile).await;
    running.stop();
}

#[actix::test]
async fn a_clock_set_back_does_not_hold_up_a_rotation() {
    let mut place = Place::new();
    let running = place.start().await;
    let signed = running.certify(&mut place).await;
    place.clock.set(Timestamp::from_secs(START - 5000));
    let cert = running
        .manager
        .send(RotateServerKey)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cert.validity().not_before.as_secs(), START + 1);
    running.check(&signed).await;
    running.stop();
}

#[actix::test]
async fn a_certificate_is_replaced_once_however_many_ask() {
    let place = Place::new();
    let running = place.start().await;
    let manager = &running.manager;
    let first = manager.send(RotateServerKey).await.unwrap().unwrap();
    let replace = |cert: &ServerCert| {
        let cert = cert.clone();
        let replacing = manager.send(ReplaceServerKey { cert });
        async { replacing.await.unwrap().unwrap() }
    };
    let (second, same) = tokio::join!(replace(&first), replace(&first));
    assert_ne!(second, first);
    assert_eq!(same, second);
    assert_eq!(replace(&first).await, second);
    assert_ne!(replace(&second).await, second);
    running.stop();
}

#[actix::test]
async fn a_rotation_that_nobody_asked_for_is_tried_until_it_succeeds() {
    let place = Place::new();
    let running = place.start().await;
    let in_force = async || {
        let asked = running.reader.send(ServerCertInForce { at: None }).await;
        asked.unwrap().unwrap().certs
    };
    let first = in_force().await;
    // No directory, no new key; permissions would not keep root out.
    let aside = place.directory.path().join("aside");
    std::fs::rename(place.keys(), &aside).unwrap();
    std::fs::write(place.keys(), "").unwrap();
    for seconds in [120 * Timestamp::DAY, 61] {
        place.clock.advance(seconds);
        for _ in 0..2 {
            let asked_for = running.manager.send(RotateServerKey).await.unwrap();
            assert!(asked_for.is_err());
        }
    }
    assert_eq!(in_force().await, first);
    std::fs::remove_file(place.keys()).unwrap();
    std::fs::rename(&aside, place.keys()).unwrap();
    place.clock.advance(61);
    let rotated = async { while in_force().await == first {} };
    timeout(Duration::from_mins(1), rotated).await.unwrap();
    running.stop();
}

#[actix::test]
async fn a_clock_set_past_the_end_of_the_certificate_holds_up_nobody() {
    let mut place = Place::new();
    let clock = SilentClock(place.clock.clone());
    let running = place.start_with(Arc::new(clock)).await;
    let signed = running.certify(&mut place).await;
    place.clock.advance(200 * Timestamp::DAY);
    let certifying = [(); 3].map(|()| running.manager.send(place.certify()));
    let mut issuers = Vec::new();
    for certifying in certifying {
        let cert = certifying.await.unwrap().unwrap();
        assert_eq!(cert.validity().not_before, place.clock.now());
        running.check(&cert).await;
        let at = Some(cert.validity().not_before);
        let server = running.reader.send(ServerCertInForce { at }).await;
        issuers.push(server.unwrap().unwrap().certs);
    }
    issuers.dedup();
    assert_eq!(issuers.len(), 1, "rotated more than once");
    running.check(&signed).await;
    running.stop();
}
