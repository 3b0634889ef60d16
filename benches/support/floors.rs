//! What remains if a node does nothing of its own: a message to an idle actor, the disk's own
//! fdatasync, a signature by AWS-LC.

use std::hint::black_box;
use std::path::Path;

use actix::{Actor, Addr, Context, Handler, Message};
use antiphon_protocol::KeyAlgorithm;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};

use super::asker::{Asker, start_elsewhere};
use super::bare::{BareKey, Disk};

pub type Group<'a> = BenchmarkGroup<'a, WallTime>;

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

/// A message to an owner that has nothing to do.
pub fn message(group: &mut Group<'_>, asker: &Asker) {
    let name = "floor: a message to an idle actor on its own thread";
    send(group, asker, name, &start_elsewhere(Idle));
}

/// A message to a reader that has nothing to do.
pub fn message_here(group: &mut Group<'_>, asker: &Asker) {
    let name = "floor: a message to an idle actor on the asker's thread";
    send(group, asker, name, &asker.start_here(Idle));
}

fn send(group: &mut Group<'_>, asker: &Asker, name: &str, idle: &Addr<Idle>) {
    group.bench_function(name, |bencher| {
        bencher
            .to_async(asker)
            .iter(|| async { black_box(idle.send(Ask).await.unwrap()) });
    });
}

/// The disk that the stores are on, too.
pub fn disk() -> Disk {
    Disk::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// What the disk takes for one record after the other.
pub fn fdatasync(group: &mut Group<'_>) {
    fdatasyncs(group, "");
}

/// The same just before so many writers have their turn: what the disk does at the time is seen.
pub fn fdatasync_before(group: &mut Group<'_>, writers: u64) {
    group.throughput(Throughput::Elements(1));
    fdatasyncs(group, &format!(", before {writers}"));
}

fn fdatasyncs(group: &mut Group<'_>, when: &str) {
    let mut disk = disk();
    group.bench_function(format!("floor: a record and fdatasync{when}"), |bencher| {
        bencher.iter(|| disk.append());
    });
    let steady = format!("floor: the same in a file that does not grow{when}");
    group.bench_function(steady, |bencher| bencher.iter(|| disk.overwrite()));
}

/// What signing takes on one core.
pub fn signature(group: &mut Group<'_>, algorithm: KeyAlgorithm) {
    let key = BareKey::generate(algorithm);
    group.bench_function("floor: a signature by AWS-LC", |bencher| {
        bencher.iter(|| key.sign());
    });
}
