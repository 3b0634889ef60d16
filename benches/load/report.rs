//! What was measured, for people, for programs, and as a picture.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub scenario: String,
    pub clients: u64,
    /// Given, in the open loop.
    pub rate: Option<f64>,
    pub users: u64,
    pub requests: u64,
    pub errors: u64,
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// What it is held against, and how many of those there are a second.
    pub floor: String,
    pub floor_per_second: f64,
    /// Median over the repetitions of requests (or packages) for each of the floor's.
    pub ratio: f64,
    /// The same of the 99th percentiles, where the floor has one.
    pub p99_ratio: Option<f64>,
    /// Latencies at rising percentiles: (share of requests, milliseconds).
    pub curve: Vec<(f64, f64)>,
}

/// For people.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<12} {:>7} {:>10} {:>8} {:>8} {:>8} {:>6}  {:>6}  floor\n",
        "scenario", "clients", "per second", "p50 ms", "p99 ms", "p99.9", "errors", "ratio"
    );
    for row in rows {
        let p99 = row
            .p99_ratio
            .map(|ratio| format!(", p99 {ratio:.2}x"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<12} {:>7} {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>6}  {:>6.2}  {} {:.0}/s{p99}",
            row.scenario,
            row.clients,
            row.per_second,
            row.p50,
            row.p99,
            row.p999,
            row.errors,
            row.ratio,
            row.floor,
            row.floor_per_second
        );
    }
    text
}

/// What moved by more than a tenth from a baseline; what the baseline does not have is named, too.
pub fn compare(rows: &[Row], baseline: &[Row]) -> Vec<String> {
    let key = |row: &Row| (row.scenario.clone(), row.clients, row.users);
    let mut moved = Vec::new();
    for row in rows {
        match baseline.iter().find(|before| key(before) == key(row)) {
            None => moved.push(format!("{}: not in the baseline", row.scenario)),
            Some(before) => {
                let by = row.ratio / before.ratio - 1.0;
                if by.abs() > 0.10 {
                    moved.push(format!(
                        "{}: {:.2} instead of {:.2} of its floor ({:+.0} %)",
                        row.scenario,
                        row.ratio,
                        before.ratio,
                        by * 100.0
                    ));
                }
            }
        }
    }
    moved
}

/// A page with the table and the latency curves.
pub fn html(rows: &[Row]) -> String {
    const COLOURS: [&str; 8] = [
        "#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#16a085", "#7f8c8d", "#2c3e50",
    ];
    let (width, height) = (860.0, 420.0);
    // Nines on the way right, powers of ten of milliseconds on the way up, from 10 µs to 100 s.
    let x = |share: f64| 60.0 - (1.0 - share).max(1e-4).log10() / 4.0 * (width - 200.0);
    let y = |ms: f64| height - 40.0 - (ms.max(0.01).log10() + 2.0) / 7.0 * (height - 60.0);
    let mut svg = String::new();
    for (share, name) in [
        (0.0, "0"),
        (0.9, "90 %"),
        (0.99, "99 %"),
        (0.999, "99.9 %"),
        (0.9999, "99.99 %"),
    ] {
        let _ = write!(
            svg,
            "<text x='{:.0}' y='{:.0}'>{name}</text>",
            x(share),
            height - 20.0
        );
    }
    for ms in [0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0] {
        let _ = write!(
            svg,
            "<line x1='60' x2='{:.0}' y1='{1:.1}' y2='{1:.1}' stroke='#ddd'/><text x='4' y='{1:.1}'>{ms} ms</text>",
            width - 140.0,
            y(ms)
        );
    }
    for (row, colour) in rows.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<_> = row
            .curve
            .iter()
            .map(|(share, ms)| format!("{:.1},{:.1}", x(*share), y(*ms)))
            .collect();
        let _ = write!(
            svg,
            "<polyline fill='none' stroke='{colour}' stroke-width='2' points='{}'/>",
            points.join(" ")
        );
        let last = row.curve.last().map_or(height, |(_, ms)| y(*ms));
        let _ = write!(
            svg,
            "<text x='{:.0}' y='{last:.1}' fill='{colour}'>{} ({})</text>",
            width - 136.0,
            row.scenario,
            row.clients
        );
    }
    let table = table(rows);
    format!(
        "<!doctype html><meta charset='utf-8'><title>Antiphon under load</title>\
         <style>body{{font-family:sans-serif;margin:2em}}text{{font-size:11px}}</style>\
         <h1>Antiphon under load</h1><pre>{table}</pre><h2>Latency by percentile</h2>\
         <svg viewBox='0 0 {width} {height}' width='{width}' height='{height}'>{svg}</svg>\n"
    )
}
