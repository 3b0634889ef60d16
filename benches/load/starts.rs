//! `just starts`: how soon a node answers, after a clean stop and after a kill under load.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::key_kind::KeyKind;
use super::known::Known;
use super::measure::{self, Load};
use super::node::{self, Node};
use super::people::People;
use super::report::Spread;
use super::scenarios::Scenario;
use super::target::{api, runtime};
use super::{Outcome, kept, values};
use crate::support::node::DOMAIN;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A seed that was kept (`--keep`); it is copied, not changed
    seed: PathBuf,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = values::some())]
    repetitions: u64,
    /// Clients, and seconds of mixed load before each kill
    #[arg(long, default_value_t = 64, value_parser = values::some())]
    clients: u64,
    #[arg(long, default_value = "3", value_parser = values::positive)]
    seconds: f64,
}

pub fn run(args: &Args) -> Outcome<()> {
    let seeded = kept::noted(&args.seed)?;
    let place = node::place(Some(&args.seed))?;
    let known = Arc::new(Known::seeded(seeded));
    let runtime = runtime();
    // The first start reads what no cache has; it is not one of those measured.
    let first = Node::start(&place)?;
    println!("first {:>13.0} ms", millis(first.started_in));
    let api_of = |node: &Node| api(&node.address, DOMAIN);
    let people = runtime.block_on(People::prepare(&api_of(&first), KeyKind::P256))?;
    first.stop();

    let mut clean = Vec::new();
    for _ in 0..args.repetitions {
        let node = Node::start(&place)?;
        clean.push(millis(node.started_in));
        node.stop();
    }
    say("clean stop", &clean);

    let load = Load {
        clients: args.clients,
        // Longer than the node lives.
        seconds: args.seconds + 60.0,
        rate: None,
    };
    let (mut killed, mut requests) = (Vec::new(), 0);
    for _ in 0..args.repetitions {
        let node = Node::start(&place)?;
        let api = api_of(&node);
        let script = Scenario::Mixed.script(&api, &known, &people, args.seconds);
        let script = runtime.block_on(script)?;
        let address = node.address.clone();
        let loading = std::thread::spawn(move || measure::run(&address, &script, load));
        std::thread::sleep(Duration::from_secs_f64(args.seconds));
        node.kill();
        requests += loading.join().expect("clients end with the node").requests;
        let again = Node::start(&place)?;
        killed.push(millis(again.started_in));
        again.stop();
    }
    say("kill -9", &killed);
    println!("killed under {requests} requests in all, until the first answer each time");
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn say(after: &str, times: &[f64]) {
    if let Some(Spread { median, range }) = Spread::of(times) {
        println!(
            "{after:<12} {:>6.0} ms min {median:>6.0} ms median {:>6.0} ms max",
            range.0, range.1
        );
    }
}
