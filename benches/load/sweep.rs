//! `just figures`: by how much there is, and by how many ask.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kept::{Wanted, kept};
use super::key_kind::KeyKind;
use super::measure::Load;
use super::output::cannot;
use super::picture::{Chart, Curve, picture};
use super::repetitions::{Settings, measure};
use super::report::{self, Row};
use super::scenarios::Scenario;
use super::target::Target;
use super::{Outcome, left, output, values};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Certificates in the log, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1e4,1e5,1e6", value_parser = values::many)]
    sizes: Vec<u64>,
    /// Clients, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64,256,1024", value_parser = values::some())]
    clients: Vec<u64>,
    /// Clients while the size varies
    #[arg(long, default_value_t = 64, value_parser = values::some())]
    clients_at_sizes: u64,
    /// Certificates while the clients vary
    #[arg(long, default_value = "1e5", value_parser = values::many)]
    size_at_clients: u64,
    /// What to ask
    #[arg(value_enum, default_values = ["lookup-now", "lookup-past", "claim", "rotate"])]
    scenarios: Vec<Scenario>,
    /// Certificates of each user
    #[arg(long, default_value_t = 10, value_parser = values::days())]
    certs: u64,
    /// Seconds for each repetition
    #[arg(long, default_value = "1", value_parser = values::positive)]
    seconds: f64,
    /// Repetitions, each with its floor beside it
    #[arg(long, default_value_t = 7, value_parser = values::some())]
    repetitions: u64,
    /// Seconds of lookups before they are measured
    #[arg(long, default_value = "8", value_parser = values::positive_or_zero)]
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
pub fn run(args: &Args) -> Outcome<bool> {
    std::fs::create_dir_all(&args.out).map_err(|error| cannot("make", &args.out, error))?;
    let json = args.out.join("figures.json");
    let figures = if args.redraw {
        output::read_json(&json)?
    } else {
        measure_all(args, &json)?
    };
    draw_by_size(&figures.by_size, &args.out)?;
    draw_by_clients(&figures.by_clients, &args.out)?;
    println!("{}", args.out.display());
    let is_sound = report::tell_failures(&figures.by_size);
    Ok(report::tell_failures(&figures.by_clients) && is_sound)
}

fn measure_all(args: &Args, json: &Path) -> Outcome<Figures> {
    let temporary = left::folder()?;
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    println!("{}", report::HEADINGS);
    // Under another name until there is all of it; what an hour has measured is not lost with the
    // last minute.
    let unfinished = json.with_extension("unfinished.json");
    let mut figures = Figures::default();
    let save = |figures: &Figures| output::write(&unfinished, &output::json(figures));
    save(&figures)?;
    for size in &args.sizes {
        let clients = [args.clients_at_sizes];
        measure_size(args, folder, *size, &clients, &mut |row| {
            figures.by_size.push(row);
            save(&figures)
        })?;
    }
    let size = args.size_at_clients;
    measure_size(args, folder, size, &args.clients, &mut |row| {
        figures.by_clients.push(row);
        save(&figures)
    })?;
    std::fs::rename(&unfinished, json).map_err(|error| cannot("write", json, error))?;
    Ok(figures)
}

/// Hands each row to `take` as soon as it is measured.
fn measure_size(
    args: &Args,
    folder: &Path,
    size: u64,
    clients: &[u64],
    take: &mut dyn FnMut(Row) -> Outcome<()>,
) -> Outcome<()> {
    let wanted = Wanted {
        users: size.div_ceil(args.certs),
        certs_each: args.certs,
        kind: args.client_key,
    };
    let name = format!("{}x{}-{}", wanted.users, args.certs, args.client_key.name());
    let data = folder.join(name);
    let seeded = kept(&data, wanted)?;
    let mut target = Target::start(&data, seeded, args.client_key)?;
    for clients in clients {
        let settings = Settings {
            load: Load {
                clients: *clients,
                seconds: args.seconds,
                rate: None,
            },
            repetitions: args.repetitions,
            warm_up: args.warm_up,
            certs: args.certs,
            kind: args.client_key,
        };
        for scenario in &args.scenarios {
            let row = measure(&mut target, *scenario, settings)?;
            println!("{}", report::line(&row));
            take(row)?;
        }
    }
    Ok(())
}

fn draw_by_size(rows: &[Row], folder: &Path) -> Outcome<()> {
    let clients = rows.first().map_or(0, |row| row.clients);
    let note = format!("{clients} clients in a closed loop; {HOW}");
    let size = |row: &Row| (row.users * row.certs) as f64;
    let charts = charts(rows, "certificates in the log", &size);
    let svg = picture("Throughput and latency by size", &note, &charts);
    output::write(&folder.join("by-size.svg"), svg.as_bytes())
}

fn draw_by_clients(rows: &[Row], folder: &Path) -> Outcome<()> {
    let size = rows.first().map_or(0, |row| row.users * row.certs);
    let note = format!("{size} certificates; clients in a closed loop; {HOW}");
    let charts = charts(rows, "clients", &|row| row.clients as f64);
    let svg = picture("Throughput and latency by concurrency", &note, &charts);
    output::write(&folder.join("by-clients.svg"), svg.as_bytes())
}

const HOW: &str = "node, floors and clients share one machine; medians of the rates, p50 and p99 of \
                   all repetitions together";

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
