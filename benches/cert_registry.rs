//! The CertRegistry through its messages, each figure beside a floor measured in the same run: a
//! message to an actor that answers at once, and the disk's own fdatasync.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System};
use antiphon_actors::cert_registry::{
    AppendServerCert, CertReader, CertRegistry, ServerCertInForce,
};
use antiphon_actors::clock::{ManualClock, SharedClock};
use antiphon_actors::storage::Storage;
use antiphon_protocol::{
    Domain, KeyAlgorithm, PrivateKey, SerialNumber, ServerCert, Timestamp, Validity, issue,
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_core::{OsRng, RngCore as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const START: u64 = 1_800_000_000;

/// An actor that answers at once.
struct Idle;

#[derive(Message)]
#[rtype(result = "u64")]
struct Ask;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Handler<Ask> for Idle {
    type Result = u64;

    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> u64 {
        1
    }
}

struct Signer {
    key: PrivateKey,
    domain: Domain,
}

impl Signer {
    fn new() -> Self {
        Self {
            key: PrivateKey::generate(KeyAlgorithm::Ed25519, &mut OsRng),
            domain: Domain::parse("a.example").expect("it is one"),
        }
    }

    /// A certificate that is valid throughout; a later one is in force in the place of it.
    fn cert(&self, from: u64) -> ServerCert {
        let validity = Validity {
            not_before: Timestamp::from_secs(from),
            not_after: Timestamp::from_secs(START * 2),
        };
        let serial = SerialNumber::random(&mut OsRng);
        issue::server_cert(&self.key, &self.domain, serial, validity).expect("it is sound")
    }
}

/// The registry, and a reader of it, each on a thread of its own.
fn registry(folder: &TempDir, clock: &ManualClock) -> (Addr<CertRegistry>, Addr<CertReader>) {
    let storage = Storage::open(&folder.path().join("db"), 64).unwrap();
    let clock: SharedClock = Arc::new(clock.clone());
    let registry = CertRegistry::open(storage, clock).unwrap();
    let reader = registry.reader();
    let reader = CertReader::start_in_arbiter(&Arbiter::new().handle(), move |_| reader);
    let start = |_: &mut Context<_>| registry;
    (
        CertRegistry::start_in_arbiter(&Arbiter::new().handle(), start),
        reader,
    )
}

/// A registry whose server has had `history` certificates, one a second.
fn with_history(runtime: &Runtime, folder: &TempDir, history: u64) -> Addr<CertReader> {
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let (registry, reader) = registry(folder, &clock);
    let signer = Signer::new();
    runtime.block_on(async {
        for batch in 0..history.div_ceil(500) {
            let numbers = batch * 500..history.min((batch + 1) * 500);
            let sent: Vec<_> = numbers
                .map(|number| {
                    // Logged no earlier than at its notBefore, so one a second.
                    let cert = signer.cert(START + number);
                    tokio::spawn(registry.send(AppendServerCert { cert }))
                })
                .collect();
            for appended in sent {
                appended.await.unwrap().unwrap().unwrap();
            }
        }
    });
    clock.advance(history);
    reader
}

fn lookups(criterion: &mut Criterion) {
    let system = System::new();
    let runtime = Runtime::new().unwrap();
    let _within = system.block_on(async { System::current() });
    let mut group = criterion.benchmark_group("lookup");
    let idle = Idle::start_in_arbiter(&Arbiter::new().handle(), |_| Idle);
    group.bench_function("floor: a message to an idle actor", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { black_box(idle.send(Ask).await.unwrap()) });
    });
    for history in [10, 1_000, 100_000] {
        let folder = TempDir::new().unwrap();
        let reader = with_history(&runtime, &folder, history);
        group.bench_function(BenchmarkId::new("now", history), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let found = reader.send(ServerCertInForce { at: None }).await;
                black_box(found.unwrap().unwrap())
            });
        });
        group.bench_function(BenchmarkId::new("at a random second", history), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let at = START + OsRng.next_u64() % history;
                let at = Some(Timestamp::from_secs(at));
                let found = reader.send(ServerCertInForce { at }).await;
                black_box(found.unwrap().unwrap())
            });
        });
    }
    group.finish();
}

fn appends(criterion: &mut Criterion) {
    let system = System::new();
    let runtime = Runtime::new().unwrap();
    let _within = system.block_on(async { System::current() });
    let mut group = criterion.benchmark_group("durable append");
    group.sample_size(10);
    let folder = TempDir::new().unwrap();
    let mut file = File::create(folder.path().join("floor")).unwrap();
    group.bench_function("floor: 1 KiB and fdatasync", |bencher| {
        bencher.iter(|| {
            file.write_all(&[7; 1024]).unwrap();
            file.sync_data().unwrap();
        });
    });
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let (registry, _) = registry(&folder, &clock);
    let signer = Signer::new();
    for writers in [1_usize, 16, 128] {
        let name = format!("{writers} certificates from {writers} writers");
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || (0..writers).map(|_| signer.cert(START)).collect::<Vec<_>>(),
                |certs| async {
                    let sent: Vec<_> = certs
                        .into_iter()
                        .map(|cert| tokio::spawn(registry.send(AppendServerCert { cert })))
                        .collect();
                    for appended in sent {
                        appended.await.unwrap().unwrap().unwrap();
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, lookups, appends);
criterion_main!(benches);
