//! Some scenarios, one after the other, on one node.

use std::path::PathBuf;

use clap::ValueEnum as _;
use tempfile::TempDir;

use super::key_kind::KeyKind;
use super::measure::Load;
use super::page;
use super::repetitions::{Settings, measure};
use super::report::{self, Row};
use super::scenarios::Scenario;
use super::seed::{self, Wanted};
use super::target::{Running, Target};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to ask; all of them if none is given
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How many clients, each with a connection
    #[arg(long, default_value_t = 64)]
    clients: u64,
    /// Open loop: so many requests a second, whatever the answers do
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds for each repetition
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Repetitions, each with its floor beside it
    #[arg(long, default_value_t = 7)]
    repetitions: u32,
    /// Seconds of lookups before they are measured
    #[arg(long, default_value_t = 8.0)]
    warm_up: f64,
    /// Users in the log
    #[arg(long, default_value_t = 10_000)]
    users: u64,
    /// Certificates of each of them
    #[arg(long, default_value_t = 1)]
    certs: u64,
    /// The keys of clients
    #[arg(long, value_enum, default_value = "p256")]
    client_key: KeyKind,
    /// Keep the seeded data in this folder, and use them again
    #[arg(long)]
    keep: Option<PathBuf>,
    #[command(flatten)]
    running: Running,
    /// Write everything as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a page with latency curves
    #[arg(long)]
    html: Option<PathBuf>,
    /// Say what has moved by more than 10 % since this JSON was written; exit 1 if something has
    #[arg(long)]
    compare: Option<PathBuf>,
}

/// Whether there were no errors, and nothing moved.
pub fn run(args: &Args) -> bool {
    let mut target = target(args);
    let settings = Settings {
        load: Load {
            clients: args.clients,
            seconds: args.seconds,
            rate: args.rate,
        },
        repetitions: args.repetitions.max(1),
        warm_up: args.warm_up,
        certs: args.certs,
        kind: args.client_key,
    };
    let asked: &[Scenario] = if args.scenarios.is_empty() {
        Scenario::value_variants()
    } else {
        &args.scenarios
    };
    let mut rows = Vec::new();
    println!("{}", report::HEADINGS);
    for scenario in asked {
        let row = measure(&mut target, *scenario, settings);
        println!("{}", report::line(&row));
        rows.push(row);
    }
    drop(target);
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&rows).unwrap()).unwrap();
    }
    if let Some(path) = &args.html {
        std::fs::write(path, page::html(&rows)).unwrap();
    }
    let is_sound = report::tell_failures(&rows);
    let Some(baseline) = &args.compare else {
        return is_sound;
    };
    let baseline: Vec<Row> = serde_json::from_slice(&std::fs::read(baseline).unwrap()).unwrap();
    let moved = report::compare(&rows, &baseline);
    for line in &moved {
        println!("moved: {line}");
    }
    if moved.is_empty() {
        println!("nothing has moved by more than 10 %");
    }
    is_sound && moved.is_empty()
}

fn target(args: &Args) -> Target {
    if let Some(base) = &args.running.node {
        return Target::running(base, &args.running, args.client_key);
    }
    let wanted = Wanted {
        users: args.users,
        certs_each: args.certs,
        kind: args.client_key,
    };
    let folder = TempDir::new().unwrap();
    let data = args.keep.clone();
    let data = data.unwrap_or_else(|| folder.path().join("seed"));
    let seeded = seed::kept(&data, wanted);
    Target::start(&data, seeded, args.client_key)
}
