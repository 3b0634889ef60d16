//! The `KeyManager` through its messages, beside what AWS-LC and the disk take for the same.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use antiphon_actors::cert_registry::SessionRef;
use antiphon_actors::clock::ManualClock;
use antiphon_actors::key_manager::{CertifySession, Purpose, RotateServerKey};
use antiphon_actors::storage::WriteSet;
use antiphon_protocol::{ClientKey, KeyAlgorithm, Snowflake, Timestamp, VerifiedCsr};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use rand_core::OsRng;

use support::START;
use support::asker::Asker;
use support::bare::BareKey;
use support::floors;
use support::issuer::csr;
use support::owners::Log;

const ALGORITHMS: [KeyAlgorithm; 2] = [KeyAlgorithm::P256, KeyAlgorithm::Ed25519];

/// How many sessions there are, each of which renews its certificate at most once at a time.
const SESSIONS: u64 = 64;

/// How often a rotation waits for the disk at least: for the key, its name, and the log entry.
const SYNCS: usize = 3;

fn log() -> Log {
    // It stands still, so a rotation after a rotation never waits for the next second.
    Log::open(Arc::new(ManualClock::at(Timestamp::from_secs(START))))
}

fn certify(session: u64, csr: &VerifiedCsr, purpose: Purpose) -> CertifySession {
    CertifySession {
        csr: csr.clone(),
        session: SessionRef {
            user: Snowflake::from_u64(1),
            session: Snowflake::from_u64(session),
        },
        purpose,
    }
}

fn renewals(criterion: &mut Criterion) {
    for algorithm in ALGORITHMS {
        let asker = Asker::new();
        let mut group = criterion.benchmark_group(format!("renew sessions, {algorithm}"));
        group.throughput(Throughput::Elements(1));
        floors::fdatasync(&mut group);
        floors::signature(&mut group, algorithm);
        let log = log();
        let manager = log.key_manager(&asker, algorithm);
        let client = ClientKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
        let csrs: Vec<_> = (0..SESSIONS)
            .map(|number| csr(&client, "alice", &format!("s{number}")))
            .collect();
        let rider = WriteSet::new;
        for (number, csr) in (0..).zip(&csrs) {
            let open = certify(number, csr, Purpose::Open { rider: rider() });
            asker.block_on(manager.send(open)).unwrap().unwrap();
        }
        for at_once in [1, SESSIONS] {
            group.throughput(Throughput::Elements(at_once));
            group.bench_function(format!("{at_once} at once"), |bencher| {
                let renewals = || {
                    let renewing = (0..at_once).zip(&csrs);
                    let renewing = renewing.map(|(at, csr)| certify(at, csr, Purpose::Renew));
                    renewing.collect::<Vec<_>>()
                };
                bencher.to_async(&asker).iter_batched(
                    renewals,
                    |renewals| async {
                        let sent = renewals.into_iter().map(|renewal| manager.send(renewal));
                        for renewed in join_all(sent).await {
                            renewed.unwrap().unwrap();
                        }
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

fn rotations(criterion: &mut Criterion) {
    for algorithm in ALGORITHMS {
        let asker = Asker::new();
        let mut group = criterion.benchmark_group(format!("rotate the server's key, {algorithm}"));
        let mut disk = floors::disk();
        let name = format!("floor: a key and a signature by AWS-LC, and {SYNCS} fdatasyncs");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                BareKey::generate(algorithm).sign();
                (0..SYNCS).for_each(|_| disk.append());
            });
        });
        let log = log();
        let manager = log.key_manager(&asker, algorithm);
        group.bench_function("one after the other", |bencher| {
            bencher.to_async(&asker).iter(|| async {
                manager.send(RotateServerKey).await.unwrap().unwrap();
            });
        });
        group.finish();
    }
}

criterion_group!(benches, renewals, rotations);
criterion_main!(benches);
