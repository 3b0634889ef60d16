//! What remains if a node does nothing of its own: a message to an idle actor, the disk's own
//! fdatasync, a signature by AWS-LC.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use actix::{Actor, Addr, Context, Handler, Message};
use antiphon_protocol::KeyAlgorithm;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use tempfile::TempDir;

use super::asker::{Asker, start_elsewhere};
use super::folder;

pub type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// About what a log entry with its certificate takes, in bytes.
pub const RECORD: usize = 600;

/// About what is signed of a certificate, in bytes.
pub const SIGNED: usize = 400;

/// An actor that answers at once.
struct Idle;

#[derive(Message)]
#[rtype(result = "u64")]
struct Ask;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Handler<Ask> for Idle {
    type Result = u64;

    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> u64 {
        1
    }
}

/// A message to an owner that has nothing to do.
pub fn message(group: &mut Group<'_>, asker: &Asker) {
    let name = "floor: a message to an idle actor on its own thread";
    send(group, asker, name, &start_elsewhere(Idle));
}

/// A message to a reader that has nothing to do.
pub fn message_here(group: &mut Group<'_>, asker: &Asker) {
    let name = "floor: a message to an idle actor on the asker's thread";
    send(group, asker, name, &asker.start_here(Idle));
}

fn send(group: &mut Group<'_>, asker: &Asker, name: &str, idle: &Addr<Idle>) {
    group.bench_function(name, |bencher| {
        bencher
            .to_async(asker)
            .iter(|| async { black_box(idle.send(Ask).await.unwrap()) });
    });
}

/// One file on the disk that the stores are on, too.
pub struct Disk {
    file: File,
    _folder: TempDir,
}

impl Disk {
    pub fn new() -> Self {
        let folder = folder();
        Self {
            file: File::create(folder.path().join("floor")).unwrap(),
            _folder: folder,
        }
    }

    /// Appends a record, and returns when it is durable.
    pub fn append(&mut self) {
        self.file.write_all(&[7; RECORD]).unwrap();
        self.file.sync_data().unwrap();
    }
}

/// What the disk takes for one record after the other.
pub fn fdatasync(group: &mut Group<'_>) {
    let mut disk = Disk::new();
    group.bench_function("floor: a record and fdatasync", |bencher| {
        bencher.iter(|| disk.append());
    });
}

/// A key of AWS-LC's, and nothing of ours around it.
pub enum BareKey {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl BareKey {
    pub fn generate(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::P256 => {
                Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
            }
            KeyAlgorithm::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
        }
    }

    /// Signs as much as a certificate has to be signed.
    pub fn sign(&self) {
        let message = black_box([7; SIGNED]);
        match self {
            Self::P256(key) => black_box(key.sign(&SystemRandom::new(), &message).unwrap()),
            Self::Ed25519(key) => black_box(key.sign(&message)),
        };
    }
}

/// What signing takes on one core.
pub fn signature(group: &mut Group<'_>, algorithm: KeyAlgorithm) {
    let key = BareKey::generate(algorithm);
    group.bench_function("floor: a signature by AWS-LC", |bencher| {
        bencher.iter(|| key.sign());
    });
}
