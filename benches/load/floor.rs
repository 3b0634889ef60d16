//! What the figures are held against, measured in the same run.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_protocol::{IdCsr, KeyAlgorithm, KeyPackage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::bare::{BareKey, Disk, Hasher};
use super::client::Request;
use super::measure::{self, Load, Script};
use super::process::{Watch, cpu_seconds_here};
use super::static_server::Static;
use crate::support::PASSWORD;

/// One of them, with what it takes to measure it.
pub enum Floor {
    /// The same bytes as the node's, from a static handler.
    Static(Static),
    /// 600 bytes of one file made durable, on the disk of this folder.
    Fdatasync(PathBuf),
    /// This CSR parsed and verified, and one signature of P-256 made, on one core; and the same by a handler that
    /// does nothing else.
    VerifyAndSign(Vec<u8>, Static),
    /// The same after a password was hashed, with Argon2id as a node does.
    HashAndSign(Vec<u8>),
    /// These KeyPackages parsed and validated by openmls, on one core.
    Validate(Vec<Vec<u8>>),
}

/// What one measurement says.
pub struct Reading {
    pub per_second: f64,
    /// Milliseconds, where there are answers to wait for.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    /// Microseconds of processor time for each.
    pub cpu_micros: Option<f64>,
    /// Of the disk: how many there are a second where the file does not grow.
    pub in_place: Option<f64>,
    /// Of what is calculated: how many there are in a second of a server's own processor time that is asked for
    /// them over HTTP.
    pub behind_http: Option<f64>,
    /// What a server did not answer well: it is no floor then.
    pub errors: u64,
}

impl Floor {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Static(_) => "static handler",
            Self::Fdatasync(_) => "fdatasync",
            Self::VerifyAndSign(..) => "CSR verified + signature, one core",
            Self::HashAndSign(_) => "password hash, CSR verified + signature, one core",
            Self::Validate(_) => "openmls validate, one core",
        }
    }

    /// Whether it is a loop on one core, so that one core's share of the node is what compares.
    pub fn is_per_core(&self) -> bool {
        !matches!(self, Self::Static(_) | Self::Fdatasync(_))
    }

    /// Of servers under the same load as the node.
    pub fn measure(&self, load: Load) -> Reading {
        match self {
            Self::Static(server) => {
                let server_cert = |request: &mut Request| {
                    request.get(format_args!("/p2core/key/server"), None);
                };
                answers(server, load, server_cert)
            }
            Self::Fdatasync(folder) => {
                let (growing, in_place) = fdatasync(folder);
                Reading {
                    in_place: Some(in_place),
                    ..alone(growing)
                }
            }
            Self::VerifyAndSign(csr, server) => {
                let body = json!({ "csr": STANDARD.encode(csr) }).to_string();
                let renewal = move |request: &mut Request| {
                    request.post("/p2core/session/idcert", None, body.as_bytes());
                };
                let over_http = answers(server, load, renewal);
                Reading {
                    behind_http: over_http.cpu_micros.map(|micros| 1e6 / micros),
                    errors: over_http.errors,
                    ..alone(verify_and_sign(csr, || ()))
                }
            }
            Self::HashAndSign(csr) => alone(hash_and_sign(csr)),
            Self::Validate(packages) => alone(validate(packages)),
        }
    }
}

fn answers(
    server: &Static,
    load: Load,
    ask: impl Fn(&mut Request) + Send + Sync + 'static,
) -> Reading {
    let script: Script = Arc::new(move |_, _, request| {
        ask(request);
        Some(measure::good)
    });
    let watch = Watch::start(server.id());
    let measured = measure::run(&server.address, &script, load);
    let cpu_seconds = watch.stop().cpu_seconds;
    Reading {
        per_second: measured.per_second(),
        p50: Some(measured.millis(0.5)),
        p99: Some(measured.millis(0.99)),
        cpu_micros: cpu_seconds.map(|seconds| seconds * 1e6 / measured.good()),
        in_place: None,
        behind_http: None,
        errors: measured.errors,
    }
}

fn alone(per_second: f64) -> Reading {
    Reading {
        per_second,
        p50: None,
        p99: None,
        cpu_micros: None,
        in_place: None,
        behind_http: None,
        errors: 0,
    }
}

const TIME: Duration = Duration::from_millis(300);

/// What a second is that something is done so and so often in.
#[derive(Clone, Copy)]
enum Second {
    /// What waits for the disk.
    OfTheClock,
    /// What calculates: others who want the processor meanwhile take nothing away, as they take
    /// nothing from what the node does in a second of its own.
    OfTheProcessor,
}

fn per_second(second: Second, mut once: impl FnMut()) -> f64 {
    let cpu_before = cpu_seconds_here();
    let (begun, mut count) = (Instant::now(), 0.0);
    while begun.elapsed() < TIME {
        once();
        count += 1.0;
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let seconds = match (second, cpu_before.zip(cpu_seconds_here())) {
        (Second::OfTheProcessor, Some((before, after))) => after - before,
        // Where the system does not count, it is the clock's for the node, too.
        _ => elapsed,
    };
    count / seconds
}

/// In a file that grows, and in one that does not.
fn fdatasync(folder: &Path) -> (f64, f64) {
    let mut disk = Disk::within(folder);
    let growing = per_second(Second::OfTheClock, || disk.append());
    (growing, per_second(Second::OfTheClock, || disk.overwrite()))
}

fn verify_and_sign(csr: &[u8], mut before: impl FnMut()) -> f64 {
    let signer = BareKey::generate(KeyAlgorithm::P256);
    per_second(Second::OfTheProcessor, || {
        before();
        let csr = IdCsr::from_der(csr).unwrap();
        black_box(csr.verify().unwrap());
        signer.sign();
    })
}

fn hash_and_sign(csr: &[u8]) -> f64 {
    let mut hasher = Hasher::new();
    verify_and_sign(csr, || hasher.hash(PASSWORD))
}

fn validate(packages: &[Vec<u8>]) -> f64 {
    let mut packages = packages.iter().cycle();
    per_second(Second::OfTheProcessor, || {
        let package = packages.next().expect("there is one at least");
        assert!(KeyPackage::is_valid_mls(black_box(package)));
    })
}

pub fn test() {
    // Time in which the processor was elsewhere: a sleep of a hundredth of a second.
    let pause = || std::thread::sleep(Duration::from_millis(10));
    let by_clock = per_second(Second::OfTheClock, pause);
    assert!(by_clock <= 100.0, "{by_clock}");
    let by_processor = per_second(Second::OfTheProcessor, pause);
    // Where the system does not tell, it is the clock's.
    let is_known = cpu_seconds_here().is_some();
    assert!(!is_known || by_processor > 1_000.0, "{by_processor}");
}
