//! `just churn`: what remains on the disk of minutes at full speed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::churner::{Churner, Counts};
use super::key_kind::KeyKind;
use super::measure::on_one_thread;
use super::node::{self, Node};
use super::process::{Disk, disk, rss_mib};
use super::target::{api, runtime};
use super::{Outcome, values};
use crate::support::Api;
use crate::support::node::DOMAIN;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long
    #[arg(default_value = "10", value_parser = values::positive)]
    minutes: f64,
    /// Clients, each with a session of its own
    #[arg(long, default_value_t = 64, value_parser = values::some())]
    clients: u64,
    /// Seconds from one line to the next
    #[arg(long, default_value = "30", value_parser = values::positive)]
    every: f64,
    /// Nothing but new certificates: no sign-ins, no KeyPackages
    #[arg(long)]
    rotations_only: bool,
    /// The keys of clients
    #[arg(long, value_enum, default_value = "p256")]
    client_key: KeyKind,
}

/// More would be refused if they signed in at once.
const AT_ONCE: usize = 64;

/// Whether there were no errors.
pub fn run(args: &Args) -> Outcome<bool> {
    let place = node::place(None)?;
    let node = Node::start(&place)?;
    let counts = Arc::new(Counts::default());
    let api = api(&node.address, DOMAIN);
    let churners = runtime().block_on(prepare(args, &api, &counts));

    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(args.minutes * 60.0);
    let data = place.data();
    println!(
        "seconds  certificates  per second   requests  errors  apparent MiB  allocated MiB  bytes each    RSS MiB"
    );
    let address = node.address.clone();
    let rotations_only = args.rotations_only;
    std::thread::scope(|scope| {
        let churning =
            scope.spawn(move || on_one_thread(churn(churners, address, end, rotations_only)));
        let mut next = begun;
        while next < end {
            next = (next + Duration::from_secs_f64(args.every)).min(end);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            line(begun, &counts, &data, rss_mib(node.id()));
        }
        churning.join().expect("no client panics");
    });
    node.stop();
    println!("after a clean stop:");
    let disk = line(begun, &counts, &data, 0.0);
    conclude(&counts, disk);
    Ok(counts.errors.load(Relaxed) == 0)
}

async fn prepare(args: &Args, api: &Api, counts: &Arc<Counts>) -> Vec<Churner> {
    let key = args.client_key.generate();
    let numbers: Vec<u64> = (0..args.clients).collect();
    let mut churners = Vec::new();
    for some in numbers.chunks(AT_ONCE) {
        let kind = args.client_key;
        let prepared = some.iter().map(|number| {
            let neighbour = (number + 1) % args.clients;
            Churner::prepare(api, (*number, neighbour), kind, &key, counts)
        });
        churners.extend(join_all(prepared).await);
    }
    churners
}

async fn churn(churners: Vec<Churner>, address: String, end: Instant, rotations_only: bool) {
    let address: Arc<str> = address.into();
    let churning: Vec<_> = churners
        .into_iter()
        .map(|churner| tokio::spawn(churner.churn(Arc::clone(&address), end, rotations_only)))
        .collect();
    for one in churning {
        one.await.expect("no client panics");
    }
}

/// How things stand.
fn line(begun: Instant, counts: &Counts, data: &Path, rss_mib: f64) -> Disk {
    let seconds = begun.elapsed().as_secs_f64();
    let certs = counts.certs.load(Relaxed);
    let disk = disk(data);
    println!(
        "{seconds:>7.0} {certs:>13} {:>11.0} {:>10} {:>7} {:>13.1} {:>14.1} {:>11.0} {rss_mib:>10.0}",
        certs as f64 / seconds,
        counts.requests.load(Relaxed),
        counts.errors.load(Relaxed),
        disk.apparent as f64 / 1_048_576.0,
        disk.allocated as f64 / 1_048_576.0,
        disk.allocated as f64 / certs as f64,
    );
    disk
}

fn conclude(counts: &Counts, disk: Disk) {
    let certs = counts.certs.load(Relaxed) as f64;
    let der = counts.der_bytes.load(Relaxed) as f64 / certs;
    println!("DER of a certificate: {der:.0} bytes on average");
    for (name, bytes) in [("apparent", disk.apparent), ("allocated", disk.allocated)] {
        let each = bytes as f64 / certs;
        println!(
            "{name}: {each:.0} bytes a certificate, {:.2} x (DER + 64)",
            each / (der + 64.0)
        );
    }
}
