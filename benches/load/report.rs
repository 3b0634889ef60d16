//! What was measured, for people and for programs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    pub scenario: String,
    pub clients: u64,
    /// Given, in the open loop.
    pub rate: Option<f64>,
    pub users: u64,
    /// Certificates of each.
    pub certs: u64,
    pub client_key: String,
    pub requests: u64,
    /// Requests without a good answer. They are in no other figure, and a row with one of them is
    /// no measurement.
    pub errors: u64,
    /// What the first of them was.
    pub first_error: Option<String>,
    /// Errors of the floor.
    pub floor_errors: u64,
    /// Repetitions that ended before their time, since there was nothing left to ask for.
    pub ended_early: usize,
    /// Good answers: the median of the repetitions, and the least and the most.
    pub per_second: f64,
    pub per_second_range: (f64, f64),
    /// Milliseconds, of all repetitions together.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// What the node took of the processor: cores while it was under load, microseconds a request.
    pub cores: Option<f64>,
    pub cpu_micros: Option<f64>,
    /// Cores that the clients took: where it is one whole, it is they who are measured.
    pub client_cores: Option<f64>,
    /// Its resident memory at the peak.
    pub rss_mib: Option<f64>,
    /// What it is held against, and how many of those there are a second.
    pub floor: String,
    pub floor_per_second: f64,
    pub floor_p50: Option<f64>,
    pub floor_p99: Option<f64>,
    pub floor_cpu_micros: Option<f64>,
    /// Of the disk: how many a second in a file that does not grow.
    pub floor_in_place: Option<f64>,
    /// Of what is calculated: how many in a second of the processor time of a handler that does nothing else.
    pub floor_behind_http: Option<f64>,
    /// Whether the ratio is that of one core's time rather than that of a second.
    pub is_per_core: bool,
    /// Median over the repetitions of requests (or packages) for each of the floor's, and the least
    /// and the most.
    pub ratio: f64,
    pub ratio_range: (f64, f64),
    /// The same of the 99th percentiles, where the floor has one.
    pub p99_ratio: Option<f64>,
    /// Latencies at rising percentiles: (share of requests, milliseconds).
    pub curve: Vec<(f64, f64)>,
}

/// Some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    /// The least and the most.
    pub range: (f64, f64),
}

impl Spread {
    /// None of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            range: (*values.first()?, *values.last()?),
        })
    }
}

pub const HEADINGS: &str = concat!(
    "scenario     clients  per second     min..max     p50 ms   p99 ms    p99.9 errors",
    " cores  µs cpu clients    MiB   ratio   min..max   floor"
);

/// For people.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{HEADINGS}\n");
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text
}

pub fn line(row: &Row) -> String {
    let some = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let range =
        |(least, most): (f64, f64), digits: usize| format!("{least:.digits$}..{most:.digits$}");
    // In the open loop both do as they are told, so that there is nothing to compare but latencies.
    let (ratio, ratio_range) = match row.rate {
        Some(_) => ("-".to_owned(), "-".to_owned()),
        None => (format!("{:.2}", row.ratio), range(row.ratio_range, 2)),
    };
    let mut text = format!(
        "{:<12} {:>7} {:>11.0} {:>15} {:>8.2} {:>8.2} {:>8.2} {:>6} {:>5} {:>7} {:>7} {:>6} {:>7} {:>12}   {} {:.0}/s",
        row.scenario,
        row.clients,
        row.per_second,
        range(row.per_second_range, 0),
        row.p50,
        row.p99,
        row.p999,
        row.errors,
        some(row.cores, 2),
        some(row.cpu_micros, 1),
        some(row.client_cores, 2),
        some(row.rss_mib, 0),
        ratio,
        ratio_range,
        row.floor,
        row.floor_per_second,
    );
    if let Some(rate) = row.rate {
        let _ = write!(text, ", {rate} due a second");
    }
    if let Some(micros) = row.floor_cpu_micros {
        let _ = write!(text, ", {micros:.1} µs cpu");
    }
    if let Some(in_place) = row.floor_in_place {
        let _ = write!(text, ", {in_place:.0}/s in a file that does not grow");
    }
    if let Some(behind_http) = row.floor_behind_http {
        let _ = write!(text, ", {behind_http:.0}/s by a handler");
    }
    if let Some(ratio) = row.p99_ratio {
        let _ = write!(text, ", p99 {ratio:.2}x");
    }
    if row.is_per_core {
        text.push_str(", node's core");
    }
    if let Some(error) = &row.first_error {
        let _ = write!(text, "\n  first error: {error}");
    }
    if row.ended_early > 0 {
        let _ = write!(
            text,
            "\n  nothing was left to ask for: {} repetitions were shorter",
            row.ended_early
        );
    }
    if row.floor_errors > 0 {
        let _ = write!(text, "\n  errors of the floor: {}", row.floor_errors);
    }
    text
}

/// Says what failed; returns whether nothing did.
pub fn tell_failures(rows: &[Row]) -> bool {
    let failures = failures(rows);
    for line in &failures {
        println!("failed: {line}");
    }
    failures.is_empty()
}

/// What failed, one line for each row in which something did.
fn failures(rows: &[Row]) -> Vec<String> {
    let failed = rows
        .iter()
        .filter(|row| row.errors + row.floor_errors > 0 || row.requests == 0);
    let line = |row: &Row| {
        let mut line = format!(
            "{}: {} of {} requests without a good answer",
            row.scenario, row.errors, row.requests
        );
        if row.floor_errors > 0 {
            let _ = write!(line, ", {} of its floor's", row.floor_errors);
        }
        line
    };
    failed.map(line).collect()
}

/// What moved by more than a tenth from a baseline; what the baseline does not have is named, too.
pub fn compare(rows: &[Row], baseline: &[Row]) -> Vec<String> {
    let key = |row: &Row| {
        let rate = row.rate.map(f64::to_bits);
        let key = row.client_key.clone();
        (
            row.scenario.clone(),
            row.clients,
            rate,
            row.users,
            row.certs,
            key,
        )
    };
    let mut moved = Vec::new();
    for row in rows {
        let Some(before) = baseline.iter().find(|before| key(before) == key(row)) else {
            moved.push(format!("{}: not in the baseline", row.scenario));
            continue;
        };
        if (&before.floor, before.is_per_core) != (&row.floor, row.is_per_core) {
            moved.push(format!("{}: another floor in the baseline", row.scenario));
            continue;
        }
        let by = row.ratio / before.ratio - 1.0;
        // Also where it is not a number.
        if by.abs() <= 0.10 {
            continue;
        }
        moved.push(format!(
            "{}: {:.2} ({:.2}..{:.2}) instead of {:.2} ({:.2}..{:.2}) of its floor ({:+.0} %)",
            row.scenario,
            row.ratio,
            row.ratio_range.0,
            row.ratio_range.1,
            before.ratio,
            before.ratio_range.0,
            before.ratio_range.1,
            by * 100.0
        ));
    }
    moved
}

pub fn test() {
    assert_eq!(Spread::of(&[]), None);
    let spread = |values: &[f64]| Spread::of(values).unwrap();
    assert!((spread(&[3.0, 1.0, 2.0]).median - 2.0).abs() < 1e-9);
    assert!((spread(&[4.0, 1.0, 2.0, 3.0]).median - 2.5).abs() < 1e-9);
    assert_eq!(spread(&[3.0, 1.0, 2.0]).range, (1.0, 3.0));

    let row = |scenario: &str, ratio| Row {
        scenario: scenario.to_owned(),
        ratio,
        ..Row::default()
    };
    let baseline = [row("a", 1.0), row("b", 0.5)];
    let moved = |rows: &[Row]| compare(rows, &baseline).len();
    assert_eq!(moved(&[row("a", 1.09), row("b", 0.46)]), 0);
    assert_eq!(moved(&[row("a", 1.12), row("b", 0.44)]), 2);
    assert_eq!(moved(&[row("c", 1.0), row("a", f64::NAN)]), 2);

    let of = |requests, errors, floor_errors| Row {
        requests,
        errors,
        floor_errors,
        ..row("a", 1.0)
    };
    assert_eq!(failures(&[of(9, 0, 0)]), Vec::<String>::new());
    let failed = failures(&[of(9, 1, 0), of(9, 0, 1), of(0, 0, 0)]);
    assert_eq!(failed.len(), 3);
    assert_eq!(failed[0], "a: 1 of 9 requests without a good answer");
}
