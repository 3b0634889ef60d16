//! `just load`: requests at a node, each figure beside a floor measured in the same run.

// Benches may stop at the first surprise; what they share with the tests they do not use all of.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::new_without_default,
    clippy::unwrap_used
)]

mod floor;
mod http;
mod measure;
#[path = "../../tests/program/program.rs"]
mod program;
mod report;
mod scenarios;
mod seed;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum as _};
use indicatif::{ProgressBar, ProgressStyle};

use floor::Static;
use measure::{Load, Measured};
use report::Row;
use scenarios::{Floor, People, Scenario, script};
use seed::Seeded;

/// Puts a node that it starts under load, and compares what it does with what the machine can do.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Args {
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
    /// Users in the log
    #[arg(long, default_value_t = 10_000)]
    users: u64,
    /// Certificates of each of them
    #[arg(long, default_value_t = 1)]
    certs: u64,
    /// Keep the seeded data here, and use them again
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Write everything as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a page with latency curves
    #[arg(long)]
    html: Option<PathBuf>,
    /// Say what has moved by more than 10 % since this JSON was written; exit 1 if something has
    #[arg(long)]
    compare: Option<PathBuf>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(floor::STATIC_SERVER) {
        floor::serve(Path::new(&arguments.next().expect("a file")));
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let folder = tempfile::TempDir::new().unwrap();
    let data = args
        .keep
        .clone()
        .unwrap_or_else(|| folder.path().join("seed"));
    let seeded = seeded(&data, &args);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rows = runtime.block_on(measure_all(&args, &data, seeded));
    print!("{}", report::table(&rows));
    let json = serde_json::to_vec_pretty(&rows).unwrap();
    if let Some(path) = &args.json {
        std::fs::write(path, json).unwrap();
    }
    if let Some(path) = &args.html {
        std::fs::write(path, report::html(&rows)).unwrap();
    }
    let Some(baseline) = &args.compare else {
        return ExitCode::SUCCESS;
    };
    let baseline: Vec<Row> = serde_json::from_slice(&std::fs::read(baseline).unwrap()).unwrap();
    let moved = report::compare(&rows, &baseline);
    for line in &moved {
        println!("moved: {line}");
    }
    if moved.is_empty() {
        println!("nothing has moved by more than 10 %");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Seeds, unless that was done before.
fn seeded(data: &Path, args: &Args) -> Seeded {
    let note = data.with_extension("seeded");
    if let Ok(text) = std::fs::read_to_string(&note) {
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(|one| one.parse().unwrap())
            .collect();
        return Seeded {
            users: numbers[0],
            from: numbers[1],
            until: numbers[2],
        };
    }
    let system = actix::System::new();
    let seeded = system.block_on(seed::seed(data, args.users, args.certs));
    let Seeded { users, from, until } = seeded;
    std::fs::write(note, format!("{users} {from} {until}\n")).unwrap();
    seeded
}

/// How many packages a repetition may claim, a second.
const CLAIMS: f64 = 4_000.0;

async fn measure_all(args: &Args, data: &Path, seeded: Seeded) -> Vec<Row> {
    let place = program::Place::new();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([data, &place.data()])
        .status();
    assert!(copied.unwrap().success());
    let limits = "[key_packages]\nper_client = 100000\nclaims_per_minute = 0\n";
    std::fs::write(place.path("config.toml"), limits).unwrap();
    let node = place.start();
    let people = People::prepare(&node.api, args.clients).await;
    let all = Scenario::value_variants();
    let asked = if args.scenarios.is_empty() {
        all
    } else {
        &args.scenarios
    };
    let mut rows = Vec::new();
    for scenario in asked {
        rows.push(measure_one(*scenario, args, &node, &place, seeded, &people).await);
    }
    println!("{}", memory(node.id()));
    rows
}

/// Resident memory of the node.
fn memory(process: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    format!(
        "memory of the node at its peak: {}",
        line.unwrap_or("VmHWM: unknown")
            .replace("VmHWM:", "")
            .trim()
    )
}

async fn measure_one(
    scenario: Scenario,
    args: &Args,
    node: &program::Program,
    place: &program::Place,
    seeded: Seeded,
    people: &Arc<People>,
) -> Row {
    let load = Load {
        clients: args.clients,
        seconds: args.seconds,
        rate: args.rate,
    };
    let address = node.api.base.trim_start_matches("http://");
    let floor = scenario.floor();
    let statics = (floor == Floor::Static).then(|| {
        let body = sample(scenario, seeded, people, address);
        async move { Static::start(&body.await, place.folder.path()) }
    });
    let statics = match statics {
        Some(starting) => Some(starting.await),
        None => None,
    };
    let progress = ProgressBar::new(args.repetitions.into()).with_style(
        ProgressStyle::with_template(&format!(
            "{:<12} {{wide_bar}} {{pos}}/{{len}}",
            scenario.name()
        ))
        .unwrap(),
    );
    let mut all = Measured::new();
    let (mut ratios, mut floors, mut p99s) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.repetitions {
        if matches!(scenario, Scenario::Claim | Scenario::Mixed) {
            people
                .stock(&node.api, (CLAIMS * args.seconds) as u64)
                .await;
        }
        let script = script(scenario, seeded, people);
        let before = floor_of(floor, statics.as_ref(), load, place).await;
        let measured = measure::run(address, &script, load).await;
        floors.push(before.0);
        ratios.push(measured.per_second() * scenario.units() / before.0);
        p99s.extend(before.1.map(|p99| millis(&measured, 0.99) / p99));
        all.add(&measured);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Row {
        scenario: scenario.name(),
        clients: args.clients,
        rate: args.rate,
        users: seeded.users,
        requests: all.requests,
        errors: all.errors,
        per_second: all.per_second(),
        p50: millis(&all, 0.5),
        p99: millis(&all, 0.99),
        p999: millis(&all, 0.999),
        floor: match floor {
            Floor::Static => "static handler",
            Floor::Fdatasync => "fdatasync",
            Floor::VerifyAndSign => "verify + sign, one core",
            Floor::VerifyTwice => "2 verified, one core",
        }
        .to_owned(),
        floor_per_second: median(floors),
        ratio: median(ratios),
        p99_ratio: (!p99s.is_empty()).then(|| median(p99s)),
        curve: [
            0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999,
        ]
        .map(|share| (share, millis(&all, share)))
        .to_vec(),
    }
}

/// The floor's rate, and its 99th percentile in milliseconds if it has one.
async fn floor_of(
    floor: Floor,
    statics: Option<&Static>,
    load: Load,
    place: &program::Place,
) -> (f64, Option<f64>) {
    let folder = place.folder.path();
    match (floor, statics) {
        (Floor::Static, Some(server)) => {
            let script: measure::Script =
                Arc::new(|_, _| Some(http::Ask::get("/p2core/key/server".to_owned())));
            let measured = measure::run(&server.address, &script, load).await;
            (measured.per_second(), Some(millis(&measured, 0.99)))
        }
        (Floor::Fdatasync, _) => (floor::fdatasync(folder), None),
        (Floor::VerifyAndSign, _) => (floor::verify_and_sign(), None),
        (Floor::VerifyTwice | Floor::Static, _) => (floor::verify_twice(), None),
    }
}

/// What the node answers to the first request of a scenario.
async fn sample(
    scenario: Scenario,
    seeded: Seeded,
    people: &Arc<People>,
    address: &str,
) -> Vec<u8> {
    let script = script(scenario, seeded, people);
    let mut connection = http::Connection::open(address).await.unwrap();
    let (_, body) = connection.send(script(0, 0).unwrap()).await.unwrap();
    body.to_vec()
}

fn millis(measured: &Measured, share: f64) -> f64 {
    measured.latencies.value_at_quantile(share) as f64 / 1_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
