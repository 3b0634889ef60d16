//! One scenario, again and again, each time with its floor just before it.

use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;
use super::client::Request;
use super::floor::{Floor, Reading};
use super::key_kind::KeyKind;
use super::line::Line;
use super::measure::{self, Load, Measured, Script};
use super::process::{Usage, Watch};
use super::report::{Row, Spread};
use super::scenarios::Scenario;
use super::static_server::Static;
use super::target::Target;

/// About how long the answer with a certificate is, in bytes.
const ANSWER: usize = 800;

/// How it is measured, and what of it stands in the row.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub load: Load,
    pub repetitions: u64,
    /// For how long, in seconds, lookups go on before they are measured.
    pub warm_up: f64,
    /// Certificates of each user, where that is known.
    pub certs: u64,
    pub kind: KeyKind,
}

/// One repetition.
struct One {
    measured: Measured,
    floor: Reading,
    /// None of a node whose process is not known.
    usage: Option<Usage>,
}

impl One {
    /// Good answers, or what was in their requests, for each of the floor's. A floor on one core is held against
    /// what the node does in a second of one core's time.
    fn ratio(&self, units: f64, is_per_core: bool) -> f64 {
        let rate = match self.node_seconds() {
            Some(seconds) if is_per_core => self.measured.good() / seconds,
            _ => self.measured.per_second(),
        };
        let ratio = rate * units / self.floor.per_second;
        // JSON has no other numbers; a floor that did not answer at all is an error of its own.
        if ratio.is_finite() { ratio } else { 0.0 }
    }

    /// Of one core's time.
    fn node_seconds(&self) -> Option<f64> {
        self.usage?.cpu_seconds
    }
}

pub fn measure(target: &mut Target, scenario: Scenario, settings: Settings) -> Outcome<Row> {
    let template = format!("{:<12} {{wide_bar}} {{pos}}/{{len}}", scenario.name());
    let progress = ProgressBar::new(settings.repetitions)
        .with_style(ProgressStyle::with_template(&template).unwrap());
    progress.tick();
    let floor = floor(target, scenario)?;
    if matches!(floor, Floor::Static(_)) {
        // What users ask for day after day is in memory: the time it takes to get there is not what
        // is asked here.
        let warming = Load {
            rate: None,
            seconds: settings.warm_up,
            ..settings.load
        };
        let script = script(target, scenario, settings.warm_up)?;
        measure::run(&target.address, &script, warming);
    }
    let mut all = Vec::new();
    for _ in 0..settings.repetitions {
        let script = script(target, scenario, settings.load.seconds)?;
        let floor = floor.measure(settings.load);
        let watch = target.pid.map(Watch::start);
        let measured = measure::run(&target.address, &script, settings.load);
        all.push(One {
            measured,
            floor,
            usage: watch.map(Watch::stop),
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(row(target, scenario, settings, &floor, &all))
}

fn script(target: &mut Target, scenario: Scenario, seconds: f64) -> Outcome<Script> {
    if !scenario.needs_people() {
        return Ok(scenario.reading(&target.known));
    }
    let people = target.people()?;
    target.block_on(scenario.script(&target.api, &target.known, &people, seconds))
}

fn floor(target: &mut Target, scenario: Scenario) -> Outcome<Floor> {
    Ok(match scenario {
        Scenario::ServerNow | Scenario::LookupNow | Scenario::LookupPast | Scenario::Mixed => {
            let body = sample(target, scenario)?;
            Floor::Static(Static::start(&body, target.folder())?)
        }
        Scenario::Claim => Floor::Fdatasync(target.folder().to_owned()),
        Scenario::Trust => Floor::HashAndSign(target.people()?.csr()),
        Scenario::Rotate => {
            let csr = target.people()?.csr();
            Floor::VerifyAndSign(csr, Static::start(&[b'-'; ANSWER], target.folder())?)
        }
        Scenario::Publish => Floor::Validate(target.people()?.samples()),
    })
}

/// What the node answers to the first request of a scenario.
fn sample(target: &Target, scenario: Scenario) -> Outcome<Vec<u8>> {
    let script = scenario.reading(&target.known);
    let mut request = Request::default();
    let judge = script(0, 0, &mut request).expect("readers never end");
    measure::on_one_thread(async {
        let mut line = Line::new(&target.address);
        let answer = line.send(&request).await;
        let answer = answer.map_err(|trouble| trouble.to_string())?;
        if !judge(&answer) {
            let scenario = scenario.name();
            return Err(format!("{scenario}: the first answer is {answer}"));
        }
        Ok(answer.body.to_vec())
    })
}

fn row(target: &Target, scenario: Scenario, settings: Settings, floor: &Floor, all: &[One]) -> Row {
    let mut together = Measured::new();
    for one in all {
        together.add(&one.measured);
    }
    let is_known = all.iter().all(|one| one.node_seconds().is_some());
    let is_per_core = floor.is_per_core() && is_known;
    let median = |of: &dyn Fn(&One) -> Option<f64>| {
        let values = all.iter().filter_map(of).filter(|value| value.is_finite());
        let values: Vec<f64> = values.collect();
        Spread::of(&values).map(|spread| spread.median)
    };
    let spread = |of: &dyn Fn(&One) -> f64| {
        let values: Vec<f64> = all.iter().map(of).collect();
        Spread::of(&values).expect("there is one repetition at least")
    };
    let per_second = spread(&|one| one.measured.per_second());
    let ratio = spread(&|one| one.ratio(scenario.units(), is_per_core));
    let peaks = all.iter().filter_map(|one| Some(one.usage?.rss_mib));
    Row {
        scenario: scenario.name(),
        clients: settings.load.clients,
        rate: settings.load.rate,
        users: target.known.users(),
        certs: settings.certs,
        client_key: settings.kind.name().to_owned(),
        requests: together.requests,
        errors: together.errors,
        first_error: together.first_error.clone(),
        ended_early: all
            .iter()
            .filter(|one| one.measured.is_out_of_stock)
            .count(),
        floor_errors: all.iter().map(|one| one.floor.errors).sum(),
        per_second: per_second.median,
        per_second_range: per_second.range,
        p50: together.millis(0.5),
        p99: together.millis(0.99),
        p999: together.millis(0.999),
        cores: median(&|one| Some(one.node_seconds()? / one.measured.seconds)),
        cpu_micros: median(&|one| Some(one.node_seconds()? * 1e6 / one.measured.good())),
        client_cores: median(&|one| Some(one.measured.cpu_seconds? / one.measured.seconds)),
        rss_mib: peaks.reduce(f64::max),
        floor: floor.name().to_owned(),
        floor_per_second: spread(&|one| one.floor.per_second).median,
        floor_p50: median(&|one| one.floor.p50),
        floor_p99: median(&|one| one.floor.p99),
        floor_cpu_micros: median(&|one| one.floor.cpu_micros),
        floor_in_place: median(&|one| one.floor.in_place),
        floor_behind_http: median(&|one| one.floor.behind_http),
        is_per_core,
        ratio: ratio.median,
        ratio_range: ratio.range,
        p99_ratio: median(&|one| Some(one.measured.millis(0.99) / one.floor.p99?)),
        curve: [
            0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999,
        ]
        .map(|share| (share, together.millis(share)))
        .to_vec(),
    }
}

pub fn test() {
    let mut one = One {
        measured: Measured::new(),
        floor: Reading {
            per_second: 1_000.0,
            p50: None,
            p99: None,
            cpu_micros: None,
            in_place: None,
            behind_http: None,
            errors: 0,
        },
        usage: Some(Usage {
            cpu_seconds: Some(1.5),
            rss_mib: 1.0,
        }),
    };
    // A hundred of them were refused, and count for nothing.
    (one.measured.requests, one.measured.errors) = (1_000, 100);
    one.measured.seconds = 1.0;
    let is = |ratio: f64, wanted: f64| assert!((ratio - wanted).abs() < 1e-9, "{ratio}");
    is(one.ratio(1.0, true), 0.6);
    is(one.ratio(1.0, false), 0.9);
    is(one.ratio(100.0, true), 60.0);
    one.floor.per_second = 0.0;
    is(one.ratio(1.0, true), 0.0);
    one.floor.per_second = 1_000.0;
    // Where the processor's time is not known, by the clock.
    for usage in [Some(Usage::default()), None] {
        one.usage = usage;
        is(one.ratio(1.0, true), 0.9);
    }
}
