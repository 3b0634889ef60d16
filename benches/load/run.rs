//! Some scenarios, one after the other, on one node.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::kept::{Wanted, kept};
use super::key_kind::KeyKind;
use super::measure::Load;
use super::output::Output;
use super::repetitions::{Settings, measure};
use super::report::{self, Row};
use super::scenarios::Scenario;
use super::target::{Running, Target};
use super::{Outcome, left, output, page, values};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to ask; all of them if none is given
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How many clients, each with a connection
    #[arg(long, default_value_t = 64, value_parser = values::some())]
    clients: u64,
    /// Open loop: so many requests a second, whatever the answers do
    #[arg(long, value_parser = values::positive)]
    rate: Option<f64>,
    /// Seconds for each repetition
    #[arg(long, default_value = "1", value_parser = values::positive)]
    seconds: f64,
    /// Repetitions, each with its floor beside it
    #[arg(long, default_value_t = 7, value_parser = values::some())]
    repetitions: u64,
    /// Seconds of lookups before they are measured
    #[arg(long, default_value = "8", value_parser = values::positive_or_zero)]
    warm_up: f64,
    /// Users in the log
    #[arg(long, default_value = "10000", value_parser = values::many)]
    users: u64,
    /// Certificates of each of them
    #[arg(long, default_value_t = 1, value_parser = values::days())]
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
pub fn run(args: &Args) -> Outcome<bool> {
    let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
    let (json, html) = (open(&args.json)?, open(&args.html)?);
    let baseline = args.compare.as_deref().map(output::read_json::<Vec<Row>>);
    let baseline = baseline.transpose()?;
    let temporary = left::folder()?;
    let mut target = target(args, temporary.path())?;
    let settings = Settings {
        load: Load {
            clients: args.clients,
            seconds: args.seconds,
            rate: args.rate,
        },
        repetitions: args.repetitions,
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
        let row = measure(&mut target, *scenario, settings)?;
        println!("{}", report::line(&row));
        rows.push(row);
    }
    drop(target);
    if let Some(json) = json {
        json.write(&output::json(&rows))?;
    }
    if let Some(html) = html {
        html.write(page::html(&rows).as_bytes())?;
    }
    let is_sound = report::tell_failures(&rows);
    let Some(baseline) = baseline else {
        return Ok(is_sound);
    };
    let moved = report::compare(&rows, &baseline);
    for line in &moved {
        println!("moved: {line}");
    }
    if moved.is_empty() {
        println!("nothing has moved by more than 10 %");
    }
    Ok(is_sound && moved.is_empty())
}

fn target(args: &Args, temporary: &Path) -> Outcome<Target> {
    if let Some(address) = &args.running.node {
        return Target::running(address, &args.running, args.client_key);
    }
    let wanted = Wanted {
        users: args.users,
        certs_each: args.certs,
        kind: args.client_key,
    };
    let data = args.keep.clone();
    let data = data.unwrap_or_else(|| temporary.join("seed"));
    let seeded = kept(&data, wanted)?;
    Target::start(&data, seeded, args.client_key)
}
