//! `just figures`: by how much there is, and by how many ask.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::key_kind::KeyKind;
use super::measure::Load;
use super::picture::{Chart, Curve, picture};
use super::repetitions::{Settings, measure};
use super::report::{self, Row};
use super::scenarios::Scenario;
use super::seed::{self, Wanted};
use super::target::Target;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Certificates in the log, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1e4,1e5,1e6")]
    sizes: Vec<f64>,
    /// Clients, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64,256,1024")]
    clients: Vec<u64>,
    /// Clients while the size varies
    #[arg(long, default_value_t = 64)]
    clients_at_sizes: u64,
    /// Certificates while the clients vary
    #[arg(long, default_value = "1e5")]
    size_at_clients: f64,
    /// What to ask
    #[arg(value_enum, default_values = ["lookup-now", "lookup-past", "claim", "rotate"])]
    scenarios: Vec<Scenario>,
    /// Certificates of each user
    #[arg(long, default_value_t = 10)]
    certs: u64,
    /// Seconds for each repetition
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Repetitions, each with its floor beside it
    #[arg(long, default_value_t = 7)]
    repetitions: u32,
    /// Seconds of lookups before they are measured
    #[arg(long, default_value_t = 8.0)]
    warm_up: f64,
    /// The keys of clients
    #[arg(long, value_enum, default_value = "p256")]
    client_key: KeyKind,
    /// Keep the seeded data in this folder, one for each size, and use them again
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Where figures.json, by-size.svg and by-clients.svg go
    #[arg(long, default_value = "docs/figures")]
    out: PathBuf,
    /// Measure nothing: draw what figures.json says
    #[arg(long)]
    redraw: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Figures {
    by_size: Vec<Row>,
    by_clients: Vec<Row>,
}

/// Whether there were no errors.
pub fn run(args: &Args) -> bool {
    std::fs::create_dir_all(&args.out).unwrap();
    let json = args.out.join("figures.json");
    let figures = if args.redraw {
        serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap()
    } else {
        let figures = measure_all(args);
        std::fs::write(&json, serde_json::to_vec_pretty(&figures).unwrap()).unwrap();
        figures
    };
    draw_by_size(&figures.by_size, &args.out);
    draw_by_clients(&figures.by_clients, &args.out);
    println!("{}", args.out.display());
    let is_sound = report::tell_failures(&figures.by_size);
    report::tell_failures(&figures.by_clients) && is_sound
}

fn measure_all(args: &Args) -> Figures {
    let temporary = TempDir::new().unwrap();
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    println!("{}", report::HEADINGS);
    let mut figures = Figures::default();
    for size in &args.sizes {
        let clients = [args.clients_at_sizes];
        figures
            .by_size
            .extend(measure_size(args, folder, *size, &clients));
    }
    figures.by_clients = measure_size(args, folder, args.size_at_clients, &args.clients);
    figures
}

fn measure_size(args: &Args, folder: &Path, size: f64, clients: &[u64]) -> Vec<Row> {
    let wanted = Wanted {
        users: (size as u64).div_ceil(args.certs),
        certs_each: args.certs,
        kind: args.client_key,
    };
    let name = format!("{}x{}-{}", wanted.users, args.certs, args.client_key.name());
    let data = folder.join(name);
    let seeded = seed::kept(&data, wanted);
    let mut target = Target::start(&data, seeded, args.client_key);
    let mut rows = Vec::new();
    for clients in clients {
        let settings = Settings {
            load: Load {
                clients: *clients,
                seconds: args.seconds,
                rate: None,
            },
            repetitions: args.repetitions.max(1),
            warm_up: args.warm_up,
            certs: args.certs,
            kind: args.client_key,
        };
        for scenario in &args.scenarios {
            let row = measure(&mut target, *scenario, settings);
            println!("{}", report::line(&row));
            rows.push(row);
        }
    }
    rows
}

fn draw_by_size(rows: &[Row], folder: &Path) {
    let clients = rows.first().map_or(0, |row| row.clients);
    let note = format!(
        "{clients} clients in a closed loop; node, floors and clients share one machine; medians"
    );
    let size = |row: &Row| (row.users * row.certs) as f64;
    let charts = charts(rows, "certificates in the log", &size);
    let svg = picture("Throughput and latency by size", &note, &charts);
    std::fs::write(folder.join("by-size.svg"), svg).unwrap();
}

fn draw_by_clients(rows: &[Row], folder: &Path) {
    let size = rows.first().map_or(0, |row| row.users * row.certs);
    let note = format!(
        "{size} certificates; clients in a closed loop; node, floors and clients share one machine; medians"
    );
    let charts = charts(rows, "clients", &|row| row.clients as f64);
    let svg = picture("Throughput and latency by concurrency", &note, &charts);
    std::fs::write(folder.join("by-clients.svg"), svg).unwrap();
}

const NODE: &str = "#1b6ca8";
const NODE_P99: &str = "#c0392b";
const FLOOR: &str = "#777777";
const FLOOR_P99: &str = "#d68910";

/// Throughput and latency of each scenario.
fn charts(rows: &[Row], x_label: &str, x: &dyn Fn(&Row) -> f64) -> Vec<Chart> {
    let mut scenarios: Vec<&str> = Vec::new();
    for row in rows {
        if !scenarios.contains(&row.scenario.as_str()) {
            scenarios.push(&row.scenario);
        }
    }
    let chart = |scenario: &str, what: &str, curves: Vec<Curve>| Chart {
        title: scenario.to_owned(),
        x_label: x_label.to_owned(),
        y_label: what.to_owned(),
        curves,
    };
    let mut charts = Vec::new();
    for scenario in scenarios {
        let of: Vec<&Row> = rows.iter().filter(|row| row.scenario == scenario).collect();
        let curve = |name: &str, colour, y: &dyn Fn(&Row) -> Option<f64>| Curve {
            name: name.to_owned(),
            colour,
            is_dashed: colour == FLOOR || colour == FLOOR_P99,
            points: of
                .iter()
                .filter_map(|row| Some((x(row), y(row)?)))
                .filter(|point| point.1 > 0.0)
                .collect(),
        };
        let floor = of.first().map_or("floor", |row| &row.floor);
        let mut rates = vec![curve("node", NODE, &|row| Some(row.per_second))];
        rates.push(curve(floor, FLOOR, &|row| Some(row.floor_per_second)));
        let mut latencies = vec![
            curve("node p50", NODE, &|row| Some(row.p50)),
            curve("node p99", NODE_P99, &|row| Some(row.p99)),
        ];
        if of.iter().any(|row| row.floor_p50.is_some()) {
            latencies.push(curve("floor p50", FLOOR, &|row| row.floor_p50));
            latencies.push(curve("floor p99", FLOOR_P99, &|row| row.floor_p99));
        }
        charts.push(chart(scenario, "requests a second", rates));
        charts.push(chart(scenario, "milliseconds", latencies));
    }
    charts
}
