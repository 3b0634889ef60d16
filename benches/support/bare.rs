//! What the machine does with nothing of ours around it: the disk's own fdatasync, AWS-LC's
//! signatures, Argon2. Criterion's floors and those of the load generator are both made of these.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use antiphon_protocol::KeyAlgorithm;
use argon2::{Argon2, Block};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use tempfile::TempDir;

/// About what a log entry with its certificate takes, in bytes.
pub const RECORD: usize = 600;

/// About what is signed of a certificate, in bytes.
pub const SIGNED: usize = 400;

/// How long the file is that does not grow, in bytes.
const STEADY: usize = 2 * 1024 * 1024;

/// Two files: with one that grows, the disk has the new length to keep as well; one that was written
/// before and stays as long, as a node's journal does, is the least that it can be asked for.
pub struct Disk {
    growing: File,
    steady: File,
    /// Where the steady file is written next.
    next: usize,
    _folder: TempDir,
}

impl Disk {
    /// On the disk of this folder.
    pub fn within(folder: &Path) -> Self {
        let folder = TempDir::new_in(folder).unwrap();
        let create = |name| File::create(folder.path().join(name)).unwrap();
        let (growing, mut steady) = (create("growing"), create("steady"));
        // Written, not only reserved: the first write to a block that was reserved is a change
        // of the file's records, too.
        steady.write_all(&vec![0; STEADY]).unwrap();
        steady.sync_all().unwrap();
        Self {
            growing,
            steady,
            next: 0,
            _folder: folder,
        }
    }

    /// Appends a record, and returns when it is durable.
    pub fn append(&mut self) {
        self.growing.write_all(&[7; RECORD]).unwrap();
        self.growing.sync_data().unwrap();
    }

    /// Writes a record over what was there, behind the last one.
    pub fn overwrite(&mut self) {
        if self.next + RECORD > STEADY {
            self.next = 0;
        }
        let at = self.next as u64;
        self.steady.write_all_at(&[7; RECORD], at).unwrap();
        self.steady.sync_data().unwrap();
        self.next += RECORD;
    }
}

/// A key of AWS-LC's.
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

/// Argon2id as a node does it, in memory that is kept, as a node keeps it.
pub struct Hasher {
    argon2: Argon2<'static>,
    memory: Vec<Block>,
}

impl Hasher {
    pub fn new() -> Self {
        let argon2 = Argon2::default();
        let memory = vec![Block::default(); argon2.params().block_count()];
        Self { argon2, memory }
    }

    pub fn hash(&mut self, password: &str) {
        let (salt, mut hash) = ([7; 16], [0; 32]);
        let (password, memory) = (password.as_bytes(), &mut self.memory[..]);
        let hashed = self
            .argon2
            .hash_password_into_with_memory(password, &salt, &mut hash, memory);
        hashed.unwrap();
        black_box(hash);
    }
}
