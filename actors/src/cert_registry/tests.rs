//! "In force at t" against a plain list, through random histories and restarts.

use std::path::Path;
use std::sync::Arc;

use actix::{Actor as _, Addr, Arbiter};
use antiphon_protocol::issue;
use antiphon_protocol::{
    ActorCert, Domain, IdCsr, KeyAlgorithm, PrivateKey, SerialNumber, ServerCert, SessionId,
    Snowflake, Timestamp, Validity,
};
use rand_core::OsRng;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::store::{Change, Entry, Run, Step, Store, canonical};
use super::timelines::Timeline;
use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::storage::{Record as _, Space, StorageError};
use crate::tests::{Random, csr};

const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

/// What the model keeps: everything that was logged, in order.
struct Model {
    log: Vec<(u64, Happened)>,
    sessions: Vec<(SessionRef, SessionId)>,
}

enum Happened {
    Server(ServerCert),
    Session(SessionRef, ActorCert),
    Ended(SessionRef),
}

impl Model {
    fn now(&self, clock: &ManualClock) -> u64 {
        let newest = self.log.last().map_or(0, |(at, _)| *at);
        clock.now().as_secs().max(newest)
    }

    fn server_at(&self, at: u64) -> Option<Vec<u8>> {
        let newest = self
            .log
            .iter()
            .rev()
            .find_map(|(logged, happened)| match happened {
                Happened::Server(cert) if *logged <= at => Some(cert),
                _ => None,
            })?;
        let valid = newest.validity().covers(Timestamp::from_secs(at));
        valid.then(|| newest.as_der().to_vec())
    }

    fn user_at(&self, user: Snowflake, at: u64) -> Vec<Vec<u8>> {
        let of_user = self
            .sessions
            .iter()
            .filter(|(session, _)| session.user == user);
        of_user
            .filter_map(|(session, _)| {
                let mut newest = None;
                for (logged, happened) in &self.log {
                    match happened {
                        Happened::Session(of, cert) if of == session && *logged <= at => {
                            newest = Some(cert);
                        }
                        Happened::Ended(of) if of == session && *logged <= at => return None,
                        _ => {}
                    }
                }
                let cert = newest?;
                let valid = cert.validity().covers(Timestamp::from_secs(at));
                valid.then(|| cert.as_der().to_vec())
            })
            .collect()
    }
}

/// A registry in an arbiter of its own.
struct Running {
    registry: Addr<CertRegistry>,
    reader: Addr<CertReader>,
    arbiter: Arbiter,
}

impl Running {
    fn start(directory: &Path, clock: &ManualClock) -> Self {
        let storage = Storage::open(directory, 8).unwrap();
        let registry = CertRegistry::open(storage, Arc::new(clock.clone())).unwrap();
        let arbiter = Arbiter::new();
        let reader = registry.reader();
        let reader = CertReader::start_in_arbiter(&arbiter.handle(), move |_| reader);
        let registry = CertRegistry::start_in_arbiter(&arbiter.handle(), move |_| registry);
        Self {
            registry,
            reader,
            arbiter,
        }
    }

    fn stop(self) {
        self.arbiter.stop();
        self.arbiter.join().unwrap();
    }
}

fn validity(from: u64, days: u64) -> Validity {
    Validity {
        not_before: Timestamp::from_secs(from),
        not_after: Timestamp::from_secs(from + days * DAY),
    }
}

fn server_cert(key: &PrivateKey, from: u64) -> ServerCert {
    let domain = Domain::parse("a.example").unwrap();
    let serial = SerialNumber::random(&mut OsRng);
    issue::server_cert(key, &domain, serial, validity(from, 4000)).unwrap()
}

struct Issuer {
    key: PrivateKey,
    cert: ServerCert,
}

impl Issuer {
    fn new() -> Self {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
        let cert = server_cert(&key, START - 500 * DAY);
        Self { key, cert }
    }

    fn issue(&self, session_id: &SessionId, from: u64) -> ActorCert {
        let csr = csr("alice", session_id.as_str());
        let csr = IdCsr::from_der(&csr).unwrap().verify().unwrap();
        let serial = SerialNumber::random(&mut OsRng);
        issue::actor_cert(&self.key, &self.cert, &csr, serial, validity(from, 60)).unwrap()
    }
}

#[actix::test]
async fn lookups_agree_with_a_plain_list_through_any_history() {
    for seed in 1..=12 {
        agree_for(seed).await;
    }
}

async fn agree_for(seed: u64) {
    let mut random = Random(seed);
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let issuer = Issuer::new();
    let mut running = Running::start(directory.path(), &clock);
    let mut model = Model {
        log: Vec::new(),
        sessions: Vec::new(),
    };
    let ids = ["phone", "laptop", "tablet"].map(|id| SessionId::parse(id).unwrap());
    for step in 0..150 {
        let user = Snowflake::from_u64(1 + random.below(2));
        let id = &ids[usize::try_from(random.below(3)).unwrap()];
        let now = model.now(&clock);
        let live = model.sessions.iter().rev().find(|(session, of)| {
            let ended = |(_, happened): &(u64, Happened)| matches!(happened, Happened::Ended(of) if of == session);
            session.user == user && of == id && !model.log.iter().any(ended)
        });
        let live = live.map(|(session, _)| *session);
        let registry = &running.registry;
        match random.below(9) {
            0 | 1 => {
                let session = SessionRef {
                    user,
                    session: Snowflake::from_u64(100 + step),
                };
                let cert = issuer.issue(id, now);
                let open = OpenSession {
                    session,
                    cert: cert.clone(),
                    rider: WriteSet::new(),
                };
                let opened = registry.send(open).await.unwrap();
                if live.is_some() {
                    assert_eq!(opened, Err(RegistryError::SessionIdTaken));
                } else {
                    assert_eq!(opened.unwrap().at.as_secs(), now);
                    model.log.push((now, Happened::Session(session, cert)));
                    model.sessions.push((session, id.clone()));
                }
            }
            2 | 3 => {
                let session = live.unwrap_or(SessionRef {
                    user,
                    session: Snowflake::from_u64(99),
                });
                let cert = issuer.issue(id, now);
                let renew = RenewSession {
                    session,
                    cert: cert.clone(),
                };
                match registry.send(renew).await.unwrap() {
                    Ok(_) => model.log.push((now, Happened::Session(session, cert))),
                    Err(error) => assert_eq!((error, live), (RegistryError::NoSuchSession, None)),
                }
            }
            4 => {
                let session = live.unwrap_or(SessionRef {
                    user,
                    session: Snowflake::from_u64(99),
                });
                let end = EndSession {
                    session,
                    rider: WriteSet::new(),
                };
                match registry.send(end).await.unwrap() {
                    Ok(_) => model.log.push((now, Happened::Ended(session))),
                    Err(error) => assert_eq!((error, live), (RegistryError::NoSuchSession, None)),
                }
            }
            5 => {
                let cert = server_cert(&issuer.key, now);
                registry
                    .send(AppendServerCert { cert: cert.clone() })
                    .await
                    .unwrap()
                    .unwrap();
                model.log.push((now, Happened::Server(cert)));
            }
            6 => clock.advance([0, 1, 2, DAY, 61 * DAY][usize::try_from(random.below(5)).unwrap()]),
            7 => clock.set(clock.now().minus_secs(random.below(3 * DAY))),
            _ => {
                running.stop();
                running = Running::start(directory.path(), &clock);
            }
        }
        compare(&running.reader, &model, &clock, &mut random).await;
    }
    running.stop();
}

async fn compare(
    reader: &Addr<CertReader>,
    model: &Model,
    clock: &ManualClock,
    random: &mut Random,
) {
    let now = model.now(clock);
    let logged = |random: &mut Random| {
        let index = usize::try_from(random.below(model.log.len() as u64 + 1)).unwrap();
        model.log.get(index).map_or(START, |(at, _)| *at)
    };
    let seconds = [
        None,
        Some(now),
        Some(now + 60),
        Some(now + 61),
        Some(START - 1),
        Some(logged(random)),
        Some(logged(random) - 1),
        Some(logged(random) + 60 * DAY),
        Some(logged(random) + 60 * DAY + 1),
    ];
    for second in seconds {
        let at = second.map(Timestamp::from_secs);
        let server = reader.send(ServerCertInForce { at }).await.unwrap();
        let is_future = second.is_some_and(|second| second > now + 60);
        let meant = second.unwrap_or(now).min(now);
        for user in [1, 2] {
            let user = Snowflake::from_u64(user);
            let certs = reader.send(SessionCertsInForce { user, at }).await.unwrap();
            if is_future {
                assert_eq!(certs, Err(RegistryError::InFuture));
            } else {
                assert_eq!(certs.unwrap(), model.user_at(user, meant), "at {second:?}");
            }
        }
        if is_future {
            assert_eq!(server, Err(RegistryError::InFuture));
        } else {
            let expected = model.server_at(meant).ok_or(RegistryError::NoneInForce);
            assert_eq!(server, expected, "at {second:?}");
        }
    }
}

#[actix::test]
async fn of_many_sessions_with_one_id_one_begins() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let issuer = Issuer::new();
    let running = Running::start(directory.path(), &clock);
    let id = SessionId::parse("phone").unwrap();
    let mut opening = Vec::new();
    for number in 0..64 {
        opening.push(running.registry.send(OpenSession {
            session: SessionRef {
                user: Snowflake::from_u64(1),
                session: Snowflake::from_u64(number),
            },
            cert: issuer.issue(&id, START),
            rider: WriteSet::new(),
        }));
    }
    let mut begun = 0;
    for opened in opening {
        match opened.await.unwrap() {
            Ok(_) => begun += 1,
            Err(error) => assert_eq!(error, RegistryError::SessionIdTaken),
        }
    }
    assert_eq!(begun, 1);
    running.stop();
}

/// Later serial numbers are unique by how they are drawn, in the KeyManager.
#[actix::test]
async fn a_serial_number_from_before_format_3_is_not_used_again() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let cert = server_cert(&Issuer::new().key, START);
    let entry = Entry {
        at: START,
        previous: [0; 32],
        event: NewEvent::server_cert(&cert).event,
    };
    let storage = Storage::open(directory.path(), 8).unwrap();
    let mut writes = WriteSet::new();
    let stored = entry.to_canonical().unwrap();
    writes.put_bytes(Space::LogEntries, &1_u64.to_be_bytes(), stored);
    storage.commit(writes).await.unwrap();
    rebuild_indexes(&storage).await.unwrap();
    drop(storage);
    let running = Running::start(directory.path(), &clock);
    let again = running.registry.send(AppendServerCert { cert }).await;
    assert_eq!(again.unwrap(), Err(RegistryError::SerialNumberTaken));
    running.stop();
}

#[actix::test]
async fn a_history_too_long_to_keep_is_read_from_the_log() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let issuer = Issuer::new();
    let running = Running::start(directory.path(), &clock);
    let id = SessionId::parse("phone").unwrap();
    let session = SessionRef::from_numbers(1, 2);
    let first = issuer.issue(&id, START);
    let open = OpenSession {
        session,
        cert: first.clone(),
        rider: WriteSet::new(),
    };
    running.registry.send(open).await.unwrap().unwrap();
    let mut certs = vec![first];
    for second in 1..=300 {
        clock.advance(1);
        let cert = issuer.issue(&id, START + second);
        let renew = RenewSession {
            session,
            cert: cert.clone(),
        };
        running.registry.send(renew).await.unwrap().unwrap();
        certs.push(cert);
        let lookup = SessionCertsInForce {
            user: session.user,
            at: None,
        };
        let now = running.reader.send(lookup).await.unwrap().unwrap();
        assert_eq!(now, [certs.last().unwrap().as_der().to_vec()]);
        // The first time it is kept in memory.
        if second == 100 || second == 300 {
            each_at_its_time(&running.reader, session.user, &certs).await;
        }
    }
    running.stop();
}

/// What cannot be read is the trouble of whoever asks about its time.
#[actix::test]
async fn an_unreadable_record_hides_no_newer_certificate_of_the_server() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let issuer = Issuer::new();
    let running = Running::start(directory.path(), &clock);
    let mut newest = None;
    for _ in 0..2 {
        let cert = server_cert(&issuer.key, clock.now().as_secs());
        let append = AppendServerCert { cert: cert.clone() };
        running.registry.send(append).await.unwrap().unwrap();
        newest = Some(cert);
        clock.advance(100);
    }
    running.stop();

    let storage = Storage::open(directory.path(), 8).unwrap();
    let mut writes = WriteSet::new();
    let first = [START.to_be_bytes(), 1_u64.to_be_bytes()].concat();
    writes.put_bytes(Space::ServerCertIndex, &first, Vec::new());
    storage.commit(writes).await.unwrap();
    drop(storage);

    let running = Running::start(directory.path(), &clock);
    let ask = |at| running.reader.send(ServerCertInForce { at });
    let now = ask(None).await.unwrap().unwrap();
    assert_eq!(now, newest.unwrap().as_der());
    let then = ask(Some(Timestamp::from_secs(START + 50))).await.unwrap();
    assert!(
        matches!(
            then,
            Err(RegistryError::Storage(StorageError::Damaged { .. }))
        ),
        "{then:?}"
    );
    running.stop();
}

/// A run may have steps that are not on disk yet: nobody sees those.
#[test]
fn a_timeline_ends_where_it_says() {
    let step = |sequence| Step {
        sequence,
        at: START,
        change: Change::Cert {
            not_before: START,
            not_after: START + DAY,
        },
    };
    let mut run = Run::of(step(5));
    assert!(run.add(step(6)) && run.add(step(8)));
    for (as_of, newest) in [(4, None), (5, Some(5)), (7, Some(6)), (8, Some(8))] {
        assert_eq!(run.newest(START, as_of), newest.map(step));
        let runs = [Ok((1, run.to_bytes().unwrap()))].into_iter();
        let timeline = Timeline::gather(as_of, runs).unwrap().unwrap();
        let told = timeline.read().unwrap();
        let found = told.in_force(Timestamp::from_secs(START)).unwrap();
        let sequences = found.iter().map(|(_, step)| step.sequence);
        assert_eq!(sequences.collect::<Vec<_>>(), Vec::from_iter(newest));
    }
}

/// Asserts that these are a user's certificates, one for each second from the start on.
async fn each_at_its_time(reader: &Addr<CertReader>, user: Snowflake, certs: &[ActorCert]) {
    for (second, cert) in (0..).zip(certs) {
        let lookup = SessionCertsInForce {
            user,
            at: Some(Timestamp::from_secs(START + second)),
        };
        let then = reader.send(lookup).await.unwrap().unwrap();
        assert_eq!(then, [cert.as_der().to_vec()], "after {second} s");
    }
}

#[actix::test]
async fn each_entry_carries_the_hash_of_the_one_before() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let issuer = Issuer::new();
    for _ in 0..3 {
        // Across restarts, so that the head is read back.
        let running = Running::start(directory.path(), &clock);
        for _ in 0..2 {
            let cert = server_cert(&issuer.key, START);
            running
                .registry
                .send(AppendServerCert { cert })
                .await
                .unwrap()
                .unwrap();
        }
        running.stop();
    }
    let storage = Storage::open(directory.path(), 8).unwrap();
    let mut previous = [0; 32];
    for sequence in 1..=6_u64 {
        let stored = storage.get_bytes(Space::LogEntries, &sequence.to_be_bytes());
        let stored = stored.unwrap().unwrap();
        assert_eq!(Entry::from_bytes(&stored).unwrap().previous, previous);
        previous = Sha256::digest(canonical(&stored).unwrap()).into();
    }
    assert_eq!(Store::new(storage).head().unwrap().sequence, 6);
}

#[actix::test]
async fn a_certificate_that_another_server_signed_is_found_in_a_sound_chain() {
    let directory = TempDir::new().unwrap();
    let store = Store::new(Storage::open(directory.path(), 8).unwrap());
    let ours = Issuer::new();
    let session_id = SessionId::parse("phone").unwrap();
    let own = ours.issue(&session_id, START);
    // Everything is as it should be, but for the key that signed it.
    let theirs = Issuer {
        key: PrivateKey::generate(KeyAlgorithm::Ed25519, &mut OsRng),
        cert: ours.cert.clone(),
    };
    let others = theirs.issue(&session_id, START);
    let session = SessionRef::from_numbers(1, 2);
    let mut head = store.head().unwrap();
    for event in [
        NewEvent::server_cert(&ours.cert),
        NewEvent::session_cert(session, &own),
        NewEvent::session_cert(session, &others),
    ] {
        let at = Timestamp::from_secs(START);
        let (writes, appended) = store.append(&head, at, event).unwrap();
        store.commit(writes).await.unwrap();
        head = appended;
    }
    drop(store);
    let storage = Storage::open(directory.path(), 8).unwrap();
    let domain = Domain::parse("a.example").unwrap();
    let report = crate::verify::verify(&storage, &domain, None);
    let of_signatures =
        |finding: &&String| finding.contains("under the server key of its notBefore");
    let found: Vec<_> = report.findings.iter().filter(of_signatures).collect();
    assert_eq!(found.len(), 1, "{:?}", report.findings);
    assert!(found[0].starts_with("entry 3: "), "{found:?}");
}
