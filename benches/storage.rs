//! Raw records made durable by 1, 16, 128 and 1,024 writers at once, beside the disk's own fdatasync in
//! the same run: the store alone, no index and no registry (those are in `cert_registry`, "durable
//! session appends"). Each round is one append by each writer, so appends/s are comparable with the
//! floor's fdatasyncs/s.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_actors::storage::{Space, Storage, WriteSet};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use support::bare::RECORD;
use support::{floors, folder};

fn appends(criterion: &mut Criterion) {
    let folder = folder();
    let runtime = Runtime::new().unwrap();
    let storage = Storage::open(&folder.path().join("data"), 64).unwrap();
    let number = AtomicU64::new(0);
    let mut group = criterion.benchmark_group("durable appends");
    for writers in [1_u64, 16, 128, 1024] {
        floors::fdatasync_before(&mut group, writers);
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} writers"), |bencher| {
            bencher.iter(|| {
                let appends = (0..writers).map(|_| {
                    let key = number.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                    let mut writes = WriteSet::new();
                    writes.put_bytes(Space::LogEntries, &key, vec![7; RECORD]);
                    storage.commit(writes)
                });
                let done = runtime.block_on(join_all(appends));
                assert!(done.iter().all(Result::is_ok));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, appends);
criterion_main!(benches);
