//! The file of a backup.
//!
//! ```text
//! magic     16 bytes  "ANTIPHON-BACKUP\n"
//! format     4 bytes  1
//! frames              kind (1 byte), length (4 bytes), that many bytes
//!   1 manifest        JSON, once, first
//!   2 private key     PKCS#8 in PEM, encrypted; at most once
//!   3 records         each: space (1), length of the key (2), key, length of the value (4), value
//!   0 end             number of records (8), SHA-256 of everything before this frame (32)
//! ```
//!
//! Numbers are big-endian. Nothing follows the end.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::storage::{RawRecord, Space};

const MAGIC: &[u8; 16] = b"ANTIPHON-BACKUP\n";

/// The format that this program writes.
const FORMAT: u32 = 1;

/// No frame is larger, in bytes.
const LARGEST_FRAME: u32 = 64 * 1024 * 1024;

/// With more than that, in bytes, a frame is written.
const ENOUGH: usize = 8 * 1024 * 1024;

const END: u8 = 0;
const MANIFEST: u8 = 1;
const PRIVATE_KEY: u8 = 2;
const RECORDS: u8 = 3;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The node's domain.
    pub domain: String,
    /// The instant as of which it is, UNIX seconds.
    pub made_at: u64,
    /// The version of the program that made it.
    pub made_by: String,
    /// The format of the data directory it was made of.
    pub data_format: u32,
    /// Whether the server's private key is in it, encrypted.
    pub has_private_key: bool,
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is something else.
    #[error("it is not a backup of antiphon")]
    NotABackup,
    /// It was made by a newer version of this program.
    #[error(
        "it has format {0}, and this version of antiphon knows formats up to {FORMAT}; use the version that made it"
    )]
    NewerFormat(u32),
    /// It was made of a newer data directory.
    #[error("it was made by antiphon {0}, of a newer data directory; use that version")]
    NewerData(String),
    /// It ends too early.
    #[error("it is not complete: it ends in the middle")]
    Incomplete,
    /// It is not as it was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The file system says no.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Incomplete,
            _ => Self::Io(error),
        }
    }
}

/// Writes a backup.
pub(super) struct Writer<W> {
    out: W,
    hash: Sha256,
    records: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, manifest: &Manifest) -> io::Result<Self> {
        let mut writer = Self {
            out,
            hash: Sha256::new(),
            records: 0,
        };
        writer.write(MAGIC)?;
        writer.write(&FORMAT.to_be_bytes())?;
        writer.frame(MANIFEST, &serde_json::to_vec(manifest)?)?;
        Ok(writer)
    }

    pub(super) fn private_key(&mut self, encrypted_pem: &str) -> io::Result<()> {
        self.frame(PRIVATE_KEY, encrypted_pem.as_bytes())
    }

    pub(super) fn records(&mut self, records: &[RawRecord]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (space, key, value) in records {
            let key_length = u16::try_from(key.len()).map_err(io::Error::other)?;
            let value_length = u32::try_from(value.len()).map_err(io::Error::other)?;
            // Large ones that an older version took.
            if bytes.len() + key.len() + value.len() > ENOUGH && !bytes.is_empty() {
                self.frame(RECORDS, &std::mem::take(&mut bytes))?;
            }
            bytes.push(*space as u8);
            bytes.extend(key_length.to_be_bytes());
            bytes.extend(key);
            bytes.extend(value_length.to_be_bytes());
            bytes.extend(value);
            self.records += 1;
        }
        self.frame(RECORDS, &bytes)
    }

    pub(super) fn end(mut self) -> io::Result<u64> {
        let mut end = self.records.to_be_bytes().to_vec();
        end.extend(self.hash.clone().finalize());
        self.frame(END, &end)?;
        self.out.flush()?;
        Ok(self.records)
    }

    fn frame(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if length > LARGEST_FRAME {
            return Err(io::Error::other("a part of it is too long"));
        }
        self.write(&[kind])?;
        self.write(&length.to_be_bytes())?;
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads a backup.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    hash: Sha256,
    manifest: Manifest,
    records: u64,
}

/// A part of a backup.
#[derive(Debug)]
pub enum Part {
    /// The server's private key, PKCS#8 in PEM, encrypted.
    PrivateKey(String),
    /// Some records.
    Records(Vec<RawRecord>),
}

impl<R: Read> Reader<R> {
    /// Reads what the backup says of itself.
    pub fn open(input: R) -> Result<Self, BackupError> {
        let mut reader = Self {
            input,
            hash: Sha256::new(),
            manifest: Manifest {
                domain: String::new(),
                made_at: 0,
                made_by: String::new(),
                data_format: 0,
                has_private_key: false,
            },
            records: 0,
        };
        let mut magic = [0; MAGIC.len()];
        match reader.read(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Ok(()) | Err(BackupError::Incomplete) => return Err(BackupError::NotABackup),
            Err(error) => return Err(error),
        }
        let mut format = [0; 4];
        reader.read(&mut format)?;
        match u32::from_be_bytes(format) {
            FORMAT => {}
            newer => return Err(BackupError::NewerFormat(newer)),
        }
        let (MANIFEST, manifest, _) = reader.frame()? else {
            return Err(BackupError::Damaged("it does not begin with its manifest"));
        };
        reader.manifest = serde_json::from_slice(&manifest)
            .map_err(|_| BackupError::Damaged("its manifest cannot be read"))?;
        if reader.manifest.data_format > crate::storage::FORMAT {
            return Err(BackupError::NewerData(reader.manifest.made_by));
        }
        Ok(reader)
    }

    /// What the backup says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next part; none at the end, once the checksum of everything was right.
    pub fn next_part(&mut self) -> Result<Option<Part>, BackupError> {
        match self.frame()? {
            (PRIVATE_KEY, pem, _) => String::from_utf8(pem)
                .map(|pem| Some(Part::PrivateKey(pem)))
                .map_err(|_| BackupError::Damaged("its private key is not PEM")),
            (RECORDS, bytes, _) => {
                let records =
                    records(&bytes).ok_or(BackupError::Damaged("a record cannot be read"))?;
                self.records += records.len() as u64;
                Ok(Some(Part::Records(records)))
            }
            (END, end, hash) => {
                let expected = [&self.records.to_be_bytes()[..], &hash].concat();
                if end != expected {
                    return Err(BackupError::Damaged("its checksum is wrong"));
                }
                match self.input.read(&mut [0])? {
                    0 => Ok(None),
                    _ => Err(BackupError::Damaged("something follows its end")),
                }
            }
            _ => Err(BackupError::Damaged("it has a part of an unknown kind")),
        }
    }

    /// A frame, and the SHA-256 of everything before it.
    fn frame(&mut self) -> Result<(u8, Vec<u8>, [u8; 32]), BackupError> {
        let before = self.hash.clone().finalize().into();
        let (mut kind, mut length) = ([0], [0; 4]);
        self.read(&mut kind)?;
        self.read(&mut length)?;
        let [kind] = kind;
        let length = u32::from_be_bytes(length);
        if length > LARGEST_FRAME {
            return Err(BackupError::Damaged("a part of it is too long"));
        }
        let mut bytes = Vec::new();
        (&mut self.input)
            .take(length.into())
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 != u64::from(length) {
            return Err(BackupError::Incomplete);
        }
        self.hash.update(&bytes);
        Ok((kind, bytes, before))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.input.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }
}

fn records(mut bytes: &[u8]) -> Option<Vec<RawRecord>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let space = Space::numbered(*bytes.split_off_first()?)?;
        let length = u16::from_be_bytes(*take(&mut bytes, 2)?.first_chunk()?);
        let key = take(&mut bytes, length.into())?.to_vec();
        let length = u32::from_be_bytes(*take(&mut bytes, 4)?.first_chunk()?);
        let value = take(&mut bytes, usize::try_from(length).ok()?)?.to_vec();
        records.push((space, key, value));
    }
    Some(records)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}
