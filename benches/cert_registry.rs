//! The `CertRegistry` and its readers through their messages, beside floors of the same run: a
//! message to an idle actor on the same thread or another, and the disk's own fdatasync.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use actix::{Handler, Message};
use antiphon_actors::cert_registry::{
    AppendServerCert, CertReader, CertRegistry, Logged, OpenSession, RegistryError, RenewSession,
    ServerCertInForce, SessionCertsInForce, SessionRef,
};
use antiphon_actors::clock::ManualClock;
use antiphon_actors::storage::WriteSet;
use antiphon_protocol::{ClientKey, KeyAlgorithm, Snowflake, Timestamp};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use rand_core::OsRng;

use support::START;
use support::asker::{Asker, start_elsewhere};
use support::floors::{self, Group};
use support::issuer::{Issuer, csr};
use support::owners::Log;
use support::random::Random;

const DAY: u64 = Timestamp::DAY;

/// How many certificates are on their way to the disk at once while a log is filled.
const FILLING: usize = 1_000;

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(START + second)
}

fn issuer() -> Issuer {
    Issuer::new(KeyAlgorithm::Ed25519, at(0))
}

/// Has everything logged.
fn fill<M>(asker: &Asker, log: &Log, messages: impl Iterator<Item = M>)
where
    M: Message<Result = Result<Logged, RegistryError>> + Send + 'static,
    CertRegistry: Handler<M>,
{
    let sent = stream::iter(messages.map(|message| log.registry.send(message)));
    let logging = sent.buffer_unordered(FILLING).for_each(async |logged| {
        logged.unwrap().unwrap();
    });
    asker.block_on(logging);
}

/// A log whose server has had so many certificates, one a second.
fn with_history(asker: &Asker, history: u64) -> Log {
    let clock = ManualClock::at(at(0));
    let (log, issuer) = (Log::open(Arc::new(clock.clone())), issuer());
    let append = |number| AppendServerCert {
        // Logged no earlier than at its notBefore, so one a second.
        cert: issuer.server_cert(at(number)),
    };
    fill(asker, &log, (0..history).map(append));
    clock.advance(history);
    log
}

/// A log of users with one session each, which has had two certificates, one a day.
fn with_users(asker: &Asker, users: u64) -> Log {
    let clock = ManualClock::at(at(0));
    let (log, issuer) = (Log::open(Arc::new(clock.clone())), issuer());
    // The log does not care whose name is in a certificate.
    let key = ClientKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
    let csr = csr(&key, "alice", "phone");
    let session = |number| SessionRef {
        user: Snowflake::from_u64(number),
        session: Snowflake::from_u64(number),
    };
    let open = |number| OpenSession {
        session: session(number),
        cert: issuer.actor_cert(&csr, at(0)),
        rider: WriteSet::new(),
    };
    fill(asker, &log, (0..users).map(open));
    clock.advance(DAY);
    let renew = |number| RenewSession {
        session: session(number),
        cert: issuer.actor_cert(&csr, at(DAY)),
    };
    fill(asker, &log, (0..users).map(renew));
    clock.advance(DAY);
    log
}

fn floors(group: &mut Group<'_>, asker: &Asker) {
    floors::message_here(group, asker);
    floors::message(group, asker);
}

/// Asks about now, and about random seconds of the `past`: a reader where it is in a node, and one
/// where each message has to wake a thread.
fn look_up<M, T>(
    group: &mut Group<'_>,
    asker: &Asker,
    log: &Log,
    size: u64,
    past: u64,
    ask: impl Fn(&Random, Option<Timestamp>) -> M,
) where
    M: Message<Result = Result<T, RegistryError>> + Send + 'static,
    CertReader: Handler<M>,
    T: Send + 'static,
{
    let random = Random::new();
    let now: &dyn Fn() -> _ = &|| None;
    let here = asker.start_here(log.reader.clone());
    let elsewhere = start_elsewhere(log.reader.clone());
    for (place, reader) in [
        ("reader on the asker's thread", here),
        ("reader on its own thread", elsewhere),
    ] {
        for (when, second) in [
            ("now", now),
            ("at a random second", &|| Some(at(random.below(past)))),
        ] {
            let name = BenchmarkId::new(format!("{when}, {place}"), size);
            group.bench_function(name, |bencher| {
                bencher.to_async(asker).iter(|| async {
                    let found = reader.send(ask(&random, second())).await;
                    black_box(found.unwrap().unwrap())
                });
            });
        }
    }
}

fn server_lookups(criterion: &mut Criterion) {
    let asker = Asker::new();
    let mut group = criterion.benchmark_group("look up the server's certificate");
    floors(&mut group, &asker);
    for history in [10, 1_000, 100_000] {
        let log = with_history(&asker, history);
        let ask = |_: &Random, at| ServerCertInForce { at };
        look_up(&mut group, &asker, &log, history, history, ask);
    }
    group.finish();
}

fn user_lookups(criterion: &mut Criterion) {
    let asker = Asker::new();
    let mut group = criterion.benchmark_group("look up a random user's certificates");
    floors(&mut group, &asker);
    for users in [1_000, 100_000] {
        let log = with_users(&asker, users);
        let ask = |random: &Random, at| SessionCertsInForce {
            user: Snowflake::from_u64(random.below(users)),
            at,
        };
        look_up(&mut group, &asker, &log, users, 2 * DAY, ask);
    }
    group.finish();
}

fn appends(criterion: &mut Criterion) {
    let asker = Asker::new();
    let mut group = criterion.benchmark_group("durable append of the server's certificates");
    group.sample_size(10);
    floors::fdatasync(&mut group);
    let log = Log::open(Arc::new(ManualClock::at(at(0))));
    let issuer = issuer();
    for writers in [1_usize, 16, 128] {
        let name = format!("{writers} writers");
        group.bench_function(name, |bencher| {
            bencher.to_async(&asker).iter_batched(
                || (0..writers).map(|_| issuer.server_cert(at(0))).collect(),
                |certs: Vec<_>| async {
                    let append = |cert| log.registry.send(AppendServerCert { cert });
                    for appended in join_all(certs.into_iter().map(append)).await {
                        appended.unwrap().unwrap();
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// What signing in leaves in the log: an entry with its certificate, and its indexes, each of another
/// user.
fn session_appends(criterion: &mut Criterion) {
    let asker = Asker::new();
    let mut group = criterion.benchmark_group("durable session appends");
    group.sample_size(10);
    let log = Log::open(Arc::new(ManualClock::at(at(0))));
    let issuer = issuer();
    let key = ClientKey::generate(KeyAlgorithm::P256, &mut OsRng);
    let csr = csr(&key, "alice", "phone");
    let number = Cell::new(0);
    let open = || {
        let session = Snowflake::from_u64(number.replace(number.get() + 1));
        OpenSession {
            session: SessionRef {
                user: session,
                session,
            },
            cert: issuer.actor_cert(&csr, at(0)),
            rider: WriteSet::new(),
        }
    };
    for writers in [1_u64, 16, 128] {
        floors::fdatasync_before(&mut group, writers);
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} writers"), |bencher| {
            bencher.to_async(&asker).iter_batched(
                || (0..writers).map(|_| open()).collect(),
                |opens: Vec<_>| async {
                    let opens = opens.into_iter().map(|open| log.registry.send(open));
                    for opened in join_all(opens).await {
                        opened.unwrap().unwrap();
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

// Appends first: long after a log is filled the disk still has to do with it.
criterion_group!(
    benches,
    session_appends,
    appends,
    server_lookups,
    user_lookups
);
criterion_main!(benches);
