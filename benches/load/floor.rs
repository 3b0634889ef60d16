//! What the figures are held against, measured in the same run.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_protocol::{IdCsr, KeyPackage};
use argon2::{Argon2, Block};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

use super::measure::{self, Load, Script};
use super::process::Watch;
use super::static_server::Static;
use crate::support::PASSWORD;

/// One of them, with what it takes to measure it.
pub enum Floor {
    /// The same bytes as the node's, from a static handler.
    Static(Static),
    /// 600 bytes of one file made durable, in this folder.
    Fdatasync(PathBuf),
    /// This CSR parsed and verified, and one signature of P-256 made, on one core.
    VerifyAndSign(Vec<u8>),
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
}

impl Floor {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Static(_) => "static handler",
            Self::Fdatasync(_) => "fdatasync",
            Self::VerifyAndSign(_) => "CSR verified + signature, one core",
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
            Self::Static(server) => answers(server, load),
            Self::Fdatasync(folder) => alone(fdatasync(folder)),
            Self::VerifyAndSign(csr) => alone(verify_and_sign(csr, || ())),
            Self::HashAndSign(csr) => alone(hash_and_sign(csr)),
            Self::Validate(packages) => alone(validate(packages)),
        }
    }
}

fn answers(server: &Static, load: Load) -> Reading {
    let script: Script = Arc::new(|_, _, request| {
        request.get(format_args!("/p2core/key/server"), None);
        Some(measure::good)
    });
    let watch = Watch::start(server.id());
    let measured = measure::run(&server.address, &script, load);
    let cpu_seconds = watch.stop().cpu_seconds;
    Reading {
        per_second: measured.per_second(),
        p50: Some(measured.millis(0.5)),
        p99: Some(measured.millis(0.99)),
        cpu_micros: Some(cpu_seconds * 1e6 / measured.requests as f64),
    }
}

fn alone(per_second: f64) -> Reading {
    Reading {
        per_second,
        p50: None,
        p99: None,
        cpu_micros: None,
    }
}

const TIME: Duration = Duration::from_millis(300);

fn per_second(mut once: impl FnMut()) -> f64 {
    let (begun, mut count) = (Instant::now(), 0.0);
    while begun.elapsed() < TIME {
        once();
        count += 1.0;
    }
    count / begun.elapsed().as_secs_f64()
}

fn fdatasync(folder: &Path) -> f64 {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path).unwrap();
    let rate = per_second(|| {
        file.write_all(&[7; 600]).unwrap();
        file.sync_data().unwrap();
    });
    std::fs::remove_file(path).unwrap();
    rate
}

/// A certificate's signature covers about 400 bytes.
fn verify_and_sign(csr: &[u8], mut before: impl FnMut()) -> f64 {
    let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let random = SystemRandom::new();
    per_second(|| {
        before();
        let csr = IdCsr::from_der(csr).unwrap();
        black_box(csr.verify().unwrap());
        black_box(signer.sign(&random, &[7; 400]).unwrap());
    })
}

/// In memory that is kept, as a node keeps it.
fn hash_and_sign(csr: &[u8]) -> f64 {
    let argon2 = Argon2::default();
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    verify_and_sign(csr, || {
        let (salt, mut hash) = ([7; 16], [0; 32]);
        argon2
            .hash_password_into_with_memory(PASSWORD.as_bytes(), &salt, &mut hash, &mut memory)
            .unwrap();
        black_box(hash);
    })
}

fn validate(packages: &[Vec<u8>]) -> f64 {
    let mut packages = packages.iter().cycle();
    per_second(|| {
        let package = packages.next().expect("there is one at least");
        assert!(KeyPackage::is_valid_mls(black_box(package)));
    })
}
