//! The registry and its readers, through their messages.

mod in_force;
mod kept;

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

use super::store::{Change, Entry, LastRun, Run, Step, Store, canonical};
use super::timelines::Timeline;
use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::storage::{Record as _, Space, StorageError};
use crate::tests::{Random, csr};
use crate::verify::KeyAt;

const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

/// A registry in an arbiter of its own.
struct Running {
    registry: Addr<CertRegistry>,
    reader: Addr<CertReader>,
    certs_read: Arc<CertsRead>,
    arbiter: Arbiter,
}

impl Running {
    fn start(directory: &Path, clock: &ManualClock) -> Self {
        let storage = Storage::open(directory, 8).unwrap();
        let registry = CertRegistry::open(storage, Arc::new(clock.clone())).unwrap();
        let arbiter = Arbiter::new();
        let (reader, certs_read) = (registry.reader(), Arc::clone(&registry.certs_read));
        let reader = CertReader::start_in_arbiter(&arbiter.handle(), move |_| reader);
        let registry = CertRegistry::start_in_arbiter(&arbiter.handle(), move |_| registry);
        Self {
            registry,
            reader,
            certs_read,
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

/// A registry that has logged nothing, in a directory of its own.
fn begin() -> (TempDir, ManualClock, Running) {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let running = Running::start(directory.path(), &clock);
    (directory, clock, running)
}

#[actix::test]
async fn of_many_sessions_with_one_id_one_begins() {
    let (_directory, _, running) = begin();
    let issuer = Issuer::new();
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

/// What would go on with it otherwise is another session.
#[actix::test]
async fn a_session_begins_once_also_after_its_end() {
    let (_directory, _, running) = begin();
    let issuer = Issuer::new();
    let session = SessionRef::from_numbers(1, 2);
    let open = |id: &str| {
        let opening = running.registry.send(OpenSession {
            session,
            cert: issuer.issue(&SessionId::parse(id).unwrap(), START),
            rider: WriteSet::new(),
        });
        async { opening.await.unwrap() }
    };
    open("phone").await.unwrap();
    assert_eq!(open("tablet").await, Err(RegistryError::SessionTaken));
    let rider = SessionRider::none();
    let ended = running.registry.send(EndSession { session, rider }).await;
    ended.unwrap().unwrap();
    assert_eq!(open("phone").await, Err(RegistryError::SessionTaken));
    running.stop();
}

/// A token may be on its way to the log when the end is asked for.
#[actix::test]
async fn what_goes_with_the_end_of_a_session_is_decided_at_its_turn() {
    const TOKEN: &[u8] = b"token";
    let directory = TempDir::new().unwrap();
    let storage = Storage::open(directory.path(), 8).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let registry = CertRegistry::open(storage.clone(), Arc::new(clock)).unwrap();
    let registry = registry.start();
    let session = SessionRef::from_numbers(1, 2);
    let cert = Issuer::new().issue(&SessionId::parse("phone").unwrap(), START);
    let opening = registry.send(OpenSession {
        session,
        cert: cert.clone(),
        rider: WriteSet::new(),
    });
    let signing_in = registry.send(SignInWithCert {
        new_session: SessionRef::from_numbers(1, 3),
        cert,
        standing: Standing::Own,
        rider: SessionRider(Box::new(|_| {
            let mut writes = WriteSet::new();
            writes.put_bytes(Space::Tokens, TOKEN, vec![1]);
            Ok(writes)
        })),
    });
    let store = storage.clone();
    let ending = registry.send(EndSession {
        session,
        rider: SessionRider(Box::new(move |_| {
            let mut writes = WriteSet::new();
            if store.contains(Space::Tokens, TOKEN)? {
                writes.remove(Space::Tokens, TOKEN);
            }
            Ok(writes)
        })),
    });
    let (opened, signed_in, ended) = tokio::join!(opening, signing_in, ending);
    opened.unwrap().unwrap();
    signed_in.unwrap().unwrap();
    ended.unwrap().unwrap();
    assert!(!storage.contains(Space::Tokens, TOKEN).unwrap());
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
async fn certificates_of_another_server_or_session_are_found_in_a_sound_chain() {
    let directory = TempDir::new().unwrap();
    let storage = Storage::open(directory.path(), 8).unwrap();
    let store = Store::new(storage.clone());
    let ours = Issuer::new();
    let session_id = SessionId::parse("phone").unwrap();
    let own = ours.issue(&session_id, START);
    let of_another_session = ours.issue(&SessionId::parse("tablet").unwrap(), START);
    // Everything is as it should be, but for the key that signed it.
    let theirs = Issuer {
        key: PrivateKey::generate(KeyAlgorithm::Ed25519, &mut OsRng),
        cert: ours.cert.clone(),
    };
    let others = theirs.issue(&session_id, START);
    let session = SessionRef::from_numbers(1, 2);
    let mut head = store.head().unwrap();
    for cert in [None, Some(own), Some(others), Some(of_another_session)] {
        let event = match cert {
            None => NewEvent::server_cert(&ours.cert),
            Some(cert) => {
                let last = store.check_is_live(session);
                NewEvent::session_cert(session, &cert, last.unwrap_or(LastRun::NOT_BEGUN))
            }
        };
        let at = Timestamp::from_secs(START);
        let (writes, appended) = store.append(&head, at, event).unwrap();
        storage.commit(writes).await.unwrap();
        head = appended;
    }
    drop((store, storage));
    let storage = Storage::open(directory.path(), 8).unwrap();
    let domain = Domain::parse("a.example").unwrap();
    let report = crate::verify::verify(&storage, &domain, KeyAt::Elsewhere);
    for (entry, what) in [
        ("entry 3: ", "under the server key of its notBefore"),
        ("entry 4: ", "it is not the certificate of its session"),
    ] {
        let found = report.findings.iter();
        let found: Vec<_> = found.filter(|finding| finding.contains(what)).collect();
        assert_eq!(found.len(), 1, "{:?}", report.findings);
        assert!(found[0].starts_with(entry), "{found:?}");
    }
}
