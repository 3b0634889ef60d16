//! The `CertRegistry` and its readers through their messages, beside floors of the same run: a
//! message to an idle actor on the same thread or another, and the disk's own fdatasync.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::hint::black_box;
use std::sync::Arc;

use actix::{Handler, Message};
use antiphon_actors::cert_registry::{
    AppendServerCert, CertReader, CertRegistry, Logged, RegistryError, ServerCertInForce,
};
use antiphon_actors::clock::ManualClock;
use antiphon_protocol::{KeyAlgorithm, Timestamp};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;

use support::START;
use support::asker::{Asker, start_elsewhere};
use support::floors::{self, Group};
use support::issuer::Issuer;
use support::owners::Log;
use support::random::Random;

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

fn appends(criterion: &mut Criterion) {
    let asker = Asker::new();
    let mut group = criterion.benchmark_group("durable append");
    group.sample_size(10);
    floors::fdatasync(&mut group);
    let log = Log::open(Arc::new(ManualClock::at(at(0))));
    let issuer = issuer();
    for writers in [1_usize, 16, 128] {
        let name = format!("{writers} certificates from {writers} writers");
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

// Appends first: long after a log is filled the disk still has to do with it.
criterion_group!(benches, appends, server_lookups);
criterion_main!(benches);
