//! What the figures stand on; and each command as somebody types it, with little of everything.

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use tempfile::TempDir;

use super::args::BENCH;
use super::node::{self, Node};
use super::{
    churner, client, floor, kept, measure, page, process, refused, repetitions, report, scenarios,
    values,
};

pub fn run() -> ExitCode {
    let tests: [(&str, fn()); 24] = [
        ("churner", churner::test),
        ("client", client::test),
        ("floor", floor::test),
        ("kept", kept::test),
        ("measure", measure::test),
        ("page", page::test),
        ("process", process::test),
        ("repetitions", repetitions::test),
        ("report", report::test),
        ("scenarios", scenarios::test),
        ("values", values::test),
        ("every_scenario_is_measured", every_scenario_is_measured),
        (
            "an_open_loop_sends_what_it_says",
            an_open_loop_sends_what_it_says,
        ),
        ("what_has_moved_is_said", what_has_moved_is_said),
        ("a_running_node_is_measured", a_running_node_is_measured),
        ("an_error_is_counted_and_told", an_error_is_counted_and_told),
        ("figures_are_drawn", figures_are_drawn),
        ("churn_says_what_remains", churn_says_what_remains),
        ("starts_are_timed", starts_are_timed),
        ("wrong_values_are_refused", refused::wrong_values),
        ("wrong_files_are_refused", refused::wrong_files),
        ("another_seed_is_refused", refused::another_seed),
        ("another_node_is_refused", refused::another_node),
        (
            "nothing_is_left_after_a_signal",
            refused::nothing_is_left_after_a_signal,
        ),
    ];
    let tests = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), tests.into()).exit_code()
}

/// A moment of everything.
pub const LITTLE: [&str; 4] = ["--seconds", "0.05", "--repetitions", "2"];
pub const FEW: [&str; 6] = ["--users", "20", "--certs", "2", "--clients", "4"];

/// This program, where the system's folder for temporary files is of no use to it.
pub fn command() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("TMPDIR", "/nonexistent");
    command
}

/// The same with these arguments.
pub fn load(arguments: &[&str]) -> Output {
    command().args(arguments).arg(BENCH).output().unwrap()
}

/// What it said, where it went well.
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Measures some scenarios of few users, for a moment, and returns the rows.
fn measured(arguments: &[&str]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("rows.json");
    let json = ["--json", text(&json)];
    let arguments = [arguments, &LITTLE, &["--warm-up", "0.05"], &json].concat();
    let table = said(&load(&arguments));
    let rows: Vec<Value> = read(Path::new(json[1]));
    assert_eq!(table.lines().count(), 1 + rows.len(), "{table}");
    rows
}

fn read(json: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether there were answers, none of them wrong, and something to hold them against.
fn assert_sound(row: &Value) {
    let number = |name: &str| {
        row[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: {row}"))
    };
    assert_eq!(row["errors"], 0, "{row}");
    for name in ["requests", "per_second", "floor_per_second", "ratio", "p50"] {
        assert!(number(name) > 0.0, "{name}: {row}");
    }
    assert!(number("p50") <= number("p99"), "{row}");
    assert!(number("p99") <= number("p999"), "{row}");
}

fn every_scenario_is_measured() {
    let folder = TempDir::new().unwrap();
    let html = folder.path().join("page.html");
    let rows = measured(&[&FEW[..], &["--html", text(&html)]].concat());
    let of =
        |name: &str| -> Vec<&str> { rows.iter().map(|row| row[name].as_str().unwrap()).collect() };
    let scenarios = [
        "server-now",
        "lookup-now",
        "lookup-past",
        "trust",
        "rotate",
        "publish",
        "claim",
        "mixed",
    ];
    assert_eq!(of("scenario"), scenarios);
    let (lookup, cert) = ("static handler", "CSR verified + signature, one core");
    let hashed = format!("password hash, {cert}");
    let packages = "openmls validate, one core";
    let floors = [
        lookup,
        lookup,
        lookup,
        &hashed,
        cert,
        packages,
        "fdatasync",
        lookup,
    ];
    assert_eq!(of("floor"), floors);
    rows.iter().for_each(assert_sound);
    let page = std::fs::read_to_string(html).unwrap();
    assert_eq!(page.matches("<polyline").count(), scenarios.len());
    for scenario in scenarios {
        assert!(page.contains(&format!(">{scenario} (4)</text>")), "{page}");
    }
}

fn an_open_loop_sends_what_it_says() {
    let few = [&["server-now", "--rate", "200"], &FEW[..]].concat();
    let rows = measured(&few);
    assert_sound(&rows[0]);
    assert_eq!(rows[0]["rate"], 200.0);
    // Twice 50 ms of it.
    assert_eq!(rows[0]["requests"], 20);
}

fn what_has_moved_is_said() {
    let folder = TempDir::new().unwrap();
    let baseline = folder.path().join("baseline.json");
    let mut rows = measured(&[&["server-now"], &FEW[..]].concat());
    rows[0]["ratio"] = (rows[0]["ratio"].as_f64().unwrap() * 1000.0).into();
    std::fs::write(&baseline, serde_json::to_vec(&rows).unwrap()).unwrap();
    let compare = ["server-now", "--warm-up", "0", "--compare", text(&baseline)];
    let compared = load(&[&compare, &FEW[..], &LITTLE].concat());
    assert_eq!(compared.status.code(), Some(1));
    let said = String::from_utf8(compared.stdout).unwrap();
    assert!(said.contains("\nmoved: server-now: "), "{said}");
    assert!(said.contains("(-100 %)"), "{said}");
}

fn a_running_node_is_measured() {
    let node = Node::start(&node::place(None).unwrap()).unwrap();
    let (url, pid) = (format!("http://{}", node.address), node.id().to_string());
    let at = ["lookup-now", "rotate", "--node", &url, "--pid", &pid];
    for row in measured(&[&at[..], &["--clients", "2"]].concat()) {
        assert_sound(&row);
        assert!(row["rss_mib"].as_f64().unwrap() > 1.0, "{row}");
    }
}

fn an_error_is_counted_and_told() {
    let place = node::place(None).unwrap();
    std::fs::write(place.path("config.toml"), "key_packages.per_client = 1\n").unwrap();
    let node = Node::start(&place).unwrap();
    let url = format!("http://{}", node.address);
    let folder = TempDir::new().unwrap();
    let rows = folder.path().join("rows.json");
    let publish = ["publish", "--node", &url, "--json", text(&rows)];
    let output = load(&[&publish[..], &LITTLE[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\n  first error: 4"), "{said}");
    assert!(said.contains("P2CORE_"), "{said}");
    assert!(said.contains("\nfailed: publish: "), "{said}");
    // Nothing else was answered, so there is no rate, no ratio and no latency.
    let row = &read(&rows)[0];
    assert_eq!(row["errors"], row["requests"]);
    for name in ["per_second", "ratio", "p50"] {
        assert_eq!(row[name], 0.0, "{name}: {row}");
    }

    // A comparison says so, too.
    let compare = ["publish", "--node", &url, "--compare", text(&rows)];
    let output = load(&[&compare[..], &LITTLE[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\nfailed: publish: "), "{said}");
}

fn figures_are_drawn() {
    let folder = TempDir::new().unwrap();
    let out = ["figures", "--out", text(folder.path())];
    let few =
        "lookup-now --sizes 20,40 --size-at-clients 20 --clients 1,2 --certs 2 --warm-up 0.05";
    let few: Vec<_> = few.split(' ').collect();
    said(&load(&[&out, &few[..], &LITTLE].concat()));
    let pictures = ["by-size.svg", "by-clients.svg"].map(|name| folder.path().join(name));
    let drawn = || {
        pictures
            .each_ref()
            .map(|path| std::fs::read_to_string(path).unwrap())
    };
    let first = drawn();
    for svg in &first {
        assert!(
            svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert!(svg.contains("lookup-now"), "{svg}");
    }
    for path in &pictures {
        std::fs::remove_file(path).unwrap();
    }
    said(&load(&[&out[..], &["--redraw"]].concat()));
    assert_eq!(drawn(), first);
}

fn churn_says_what_remains() {
    let said = said(&load(&[
        "churn",
        "0.02",
        "--clients",
        "2",
        "--every",
        "0.6",
    ]));
    let lines: Vec<_> = said.lines().collect();
    // The headings, twice a line, and the conclusion.
    assert_eq!(lines[3], "after a clean stop:", "{said}");
    let after: Vec<f64> = lines[4]
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let [_, certs, _, requests, errors, ..] = after[..] else {
        panic!("{said}")
    };
    assert!(certs > 0.0 && requests >= certs && errors == 0.0, "{said}");
    assert!(lines[7].starts_with("allocated: "), "{said}");
}

fn starts_are_timed() {
    let folder = TempDir::new().unwrap();
    let seed = folder.path().join("seed");
    measured(&[&["server-now", "--keep", text(&seed)], &FEW[..]].concat());
    let few = ["--repetitions", "2", "--seconds", "0.2", "--clients", "2"];
    let said = said(&load(&[&["starts", text(&seed)], &few[..]].concat()));
    let lines: Vec<_> = said.lines().collect();
    for (line, beginning) in
        lines
            .iter()
            .zip(["first ", "clean stop ", "kill -9 ", "killed under "])
    {
        assert!(line.starts_with(beginning), "{said}");
    }
    assert!(!lines[3].contains("under 0 requests"), "{said}");
}
