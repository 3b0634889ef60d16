//! What is forgotten.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr, Arbiter};
use antiphon_protocol::{
    CipherSuite, Domain, KeyAlgorithm, PrivateKey, SerialNumber, Snowflake, Timestamp, Validity,
    issue,
};
use futures_util::future::join_all;
use rand_core::OsRng;
use tempfile::TempDir;
use tokio::time::timeout;

use super::pools::MANY;
use super::store::{Package, Place};
use super::*;
use crate::cert_registry::{CertRegistry, OpenSession};
use crate::clock::ManualClock;
use crate::storage::Space;
use crate::tests::verified_csr;

const START: u64 = 1_800_000_000;

/// Long after everything that is swept at once.
const MUCH_LATER: u64 = 1_000_000;

/// A pool in an arbiter of its own, on a log.
struct Running {
    _directory: TempDir,
    storage: Storage,
    clock: ManualClock,
    registry: Addr<CertRegistry>,
    pool: Addr<KeyPackagePool>,
    arbiter: Arbiter,
}

impl Running {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let storage = Storage::open(directory.path(), 8).unwrap();
        let clock = ManualClock::at(Timestamp::from_secs(START));
        let shared: SharedClock = Arc::new(clock.clone());
        let registry = CertRegistry::open(storage.clone(), Arc::clone(&shared)).unwrap();
        let settings = Settings {
            per_client: 100,
            claims_per_minute: 0,
        };
        let pool = KeyPackagePool::new(settings, shared, storage.clone(), registry.reader());
        let arbiter = Arbiter::new();
        let registry = CertRegistry::start_in_arbiter(&arbiter.handle(), move |_| registry);
        let pool = KeyPackagePool::start_in_arbiter(&arbiter.handle(), move |_| pool);
        Self {
            _directory: directory,
            storage,
            clock,
            registry,
            pool,
            arbiter,
        }
    }

    /// Begins so many sessions, each with a certificate: the first has entry 1 of the log, and so on.
    async fn certs_of(&self, sessions: u64) -> Vec<SessionRef> {
        let validity = Validity {
            not_before: Timestamp::from_secs(START),
            not_after: Timestamp::from_secs(START + 4 * MUCH_LATER),
        };
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
        let domain = Domain::parse("a.example").unwrap();
        let serial = || SerialNumber::random(&mut OsRng);
        let server = issue::server_cert(&key, &domain, serial(), validity).unwrap();
        let csr = verified_csr("alice", "phone");
        let mut begun = Vec::new();
        for number in 1..=sessions {
            let session = SessionRef::from_numbers(number, number);
            let open = OpenSession {
                session,
                cert: issue::actor_cert(&key, &server, &csr, serial(), validity).unwrap(),
                rider: WriteSet::new(),
            };
            self.registry.send(open).await.unwrap().unwrap();
            begun.push(session);
        }
        begun
    }

    /// Lets minutes pass until that is so. The pool is asked something in each, so that it keeps up.
    async fn sweep_until(&self, session: SessionRef, is_so: impl Fn() -> bool) {
        for _ in 0..5000 {
            if is_so() {
                return;
            }
            self.clock.advance(61);
            self.pool.send(Count { session }).await.unwrap().unwrap();
        }
        panic!("it is never so");
    }

    fn stop(self) {
        self.arbiter.stop();
        self.arbiter.join().unwrap();
    }
}

#[actix::test]
async fn all_claims_that_are_not_repeated_any_more_are_forgotten() {
    let running = Running::start();
    let Running {
        storage,
        clock,
        pool,
        ..
    } = &running;
    let claims = (0..1000).map(|number| {
        pool.send(Claim {
            asker: SessionRef::from_numbers(1, 2),
            user: Snowflake::from_u64(3),
            cipher_suite: None,
            idempotency_key: Some(format!("{number}")),
        })
    });
    for claimed in join_all(claims).await {
        assert_eq!(claimed.unwrap(), Ok(Vec::new()));
    }
    let remembered = || storage.scan_bytes(Space::Claims, &[]).count();
    assert_eq!(remembered(), 1000);
    // One that cannot be read does not keep those behind it.
    let (first, _) = storage
        .scan_bytes(Space::Claims, &[])
        .next()
        .unwrap()
        .unwrap();
    let mut damage = WriteSet::new();
    damage.put_bytes(Space::Claims, &first, Vec::new());
    storage.commit(damage).await.unwrap();
    clock.advance(601);
    let forgotten = async {
        while remembered() > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), forgotten).await.unwrap();
    running.stop();
}

/// They were checked against one that was replaced before it was their turn.
#[actix::test]
async fn packages_for_another_certificate_than_the_current_one_are_not_published() {
    let running = Running::start();
    let session = running.certs_of(1).await[0];
    let publish = |cert| {
        let packages = Vec::new();
        running.pool.send(Publish {
            session,
            cert,
            packages,
        })
    };
    for other in [0, 2] {
        let refused = publish(other).await.unwrap();
        assert_eq!(refused, Err(PoolError::CertChanged));
    }
    assert_eq!(publish(1).await.unwrap(), Ok(()));
    running.stop();
}

#[test]
fn those_who_were_only_looked_at_take_nobodys_place() {
    let mut pools = Pools::default();
    let session = |number| SessionRef::from_numbers(number, number);
    let left = |until| {
        let mut left = Left::NOTHING;
        left.add(1, START..=until);
        left
    };
    let half = MANY as u64 / 2;
    for number in 0..2 * half {
        pools.note_seen(session(number), left(1));
    }
    assert_eq!(pools.left(session(half - 1)), Some(&left(1)));
    assert_eq!(pools.left(session(half)), None);
    pools.note_seen(session(0), left(2));
    assert_eq!(pools.left(session(0)), Some(&left(2)));
    for number in half..2 * half {
        pools.note_left(session(number), left(3));
    }
    assert_eq!(pools.left(session(0)), Some(&left(2)));
    assert_eq!(pools.left(session(2 * half - 1)), Some(&left(3)));
    // Then all are forgotten.
    pools.note_left(session(2 * half), left(4));
    assert_eq!(pools.left(session(0)), None);
    assert_eq!(pools.left(session(2 * half)), Some(&left(4)));
}

/// Also of more sessions than one sweep looks at, and of those that it knows already.
#[actix::test]
async fn packages_that_cannot_be_given_out_any_more_go_and_no_others() {
    const SESSIONS: u64 = 300;
    let running = Running::start();
    let storage = &running.storage;
    let certs = running.certs_of(SESSIONS).await;
    let mut writes = WriteSet::new();
    let suite = CipherSuite::ALL[0];
    for (number, session) in (1..).zip(&certs) {
        // One has a certificate that its packages do not carry.
        let cert = if number == 7 { number + 1 } else { number };
        let mut rack = Rack::new(cert);
        rack.next = 2;
        rack.suites.insert(suite.number());
        rack.put(*session, &mut writes).unwrap();
        for (place, not_after) in [
            (Some(0), START + 10),
            (None, START + MUCH_LATER),
            (Some(1), START + 2 * MUCH_LATER),
        ] {
            let place = Place::new(*session, suite, place);
            let package = Package {
                not_before: START,
                not_after,
                bytes: vec![1; 10],
            };
            writes.put(place.space(), &place.key(), &package).unwrap();
        }
    }
    // Of those that go with their certificate, one cannot be read.
    let unreadable = Place::new(certs[6], suite, Some(1)).key();
    writes.put_bytes(Space::OneTimePackages, &unreadable, Vec::new());
    // Before them all there is one that cannot be read.
    let unreadable = SessionRef::from_numbers(0, 0);
    writes.put_bytes(Space::Racks, &unreadable.key(), Vec::new());
    storage.commit(writes).await.unwrap();

    let one_time = || storage.scan_bytes(Space::OneTimePackages, &[]).count() as u64;
    let last_resort = || storage.scan_bytes(Space::LastResortPackages, &[]).count() as u64;
    let of_others = SESSIONS - 1;
    let session = certs[0];
    running
        .sweep_until(session, || one_time() == of_others)
        .await;
    assert_eq!(last_resort(), of_others);
    // What is left of this one is known, so that nobody reads it before some of it expires; and then it is
    // the trouble of one session.
    let mut damage = WriteSet::new();
    let unreadable = Place::new(certs[10], suite, Some(1)).key();
    damage.put_bytes(Space::OneTimePackages, &unreadable, Vec::new());
    storage.commit(damage).await.unwrap();
    running
        .clock
        .set(Timestamp::from_secs(START + MUCH_LATER + 1));
    running.sweep_until(session, || last_resort() == 0).await;
    assert_eq!(one_time(), of_others);
    running
        .clock
        .set(Timestamp::from_secs(START + 2 * MUCH_LATER + 1));
    running.sweep_until(session, || one_time() == 1).await;
    running.stop();
}
