//! Records: a version byte, then the fields in bincode.

use bincode::config::{Config, Configuration, Fixint, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};

/// More than any record takes, in bytes. A page of sled's has 17 at most, and what has more than a quarter of
/// a segment (131,052 bytes in the shortest) gets a file of its own, which nobody fsyncs. What it writes for each change has a limit, too (`applier.rs`).
const LONGEST: usize = 7 * 1024;

/// What is read: versions before that limit wrote more. Without any, a damaged length would ask for memory
/// that there is not.
const LONGEST_READ: usize = 1024 * 1024;

/// The usual encoding of fields: little-endian, fixed-size integers.
const BINCODE: Configuration<LittleEndian, Fixint, Limit<LONGEST_READ>> =
    bincode::config::legacy().with_limit();

/// The encoding for many small numbers: one below 251 takes a byte, one below 65,536 three, and so on.
const SHORT: Configuration<LittleEndian, Varint, Limit<LONGEST_READ>> =
    bincode::config::standard().with_limit();

/// A kind of value in the store. A change of its fields is a new version, and [`Record::upgrade`]
/// reads the old ones for ever; but not of what is derived, which is written anew.
pub trait Record: Serialize + DeserializeOwned {
    /// The version written.
    const VERSION: u8;

    /// Whether it is mostly small numbers, and encoded so that these are short.
    const IS_SHORT: bool = false;

    /// Reads the fields as written by the older `version`; kinds with one version have none.
    fn upgrade(version: u8, _fields: &[u8]) -> Result<Self, RecordError> {
        Err(RecordError::Version(version))
    }

    /// The record as stored.
    fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = vec![Self::VERSION];
        if Self::IS_SHORT {
            encode(self, &mut bytes, SHORT)?;
        } else {
            encode_fields(self, &mut bytes)?;
        }
        if bytes.len() > LONGEST {
            return Err(RecordError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// The record that is stored as `bytes`.
    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((version, fields)) if *version == Self::VERSION => {
                if Self::IS_SHORT {
                    decode(fields, SHORT)
                } else {
                    decode_fields(fields)
                }
            }
            Some((version, fields)) => Self::upgrade(*version, fields),
            None => Err(RecordError::Fields("no bytes".to_owned())),
        }
    }
}

/// Writes the fields of a record behind `bytes`.
pub(crate) fn encode_fields<R: Serialize>(
    record: &R,
    bytes: &mut Vec<u8>,
) -> Result<(), RecordError> {
    encode(record, bytes, BINCODE)
}

/// Reads the fields of a record, which are all that there is.
pub(crate) fn decode_fields<R: DeserializeOwned>(fields: &[u8]) -> Result<R, RecordError> {
    decode(fields, BINCODE)
}

fn encode<R: Serialize>(
    record: &R,
    bytes: &mut Vec<u8>,
    encoding: impl Config,
) -> Result<(), RecordError> {
    bincode::serde::encode_into_std_write(record, bytes, encoding)
        .map(drop)
        .map_err(|error| RecordError::Fields(error.to_string()))
}

fn decode<R: DeserializeOwned>(fields: &[u8], encoding: impl Config) -> Result<R, RecordError> {
    let (record, read) = bincode::serde::decode_from_slice(fields, encoding)
        .map_err(|error| RecordError::Fields(error.to_string()))?;
    if read == fields.len() {
        Ok(record)
    } else {
        Err(RecordError::Fields("trailing bytes".to_owned()))
    }
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version of this program, or not by this program.
    #[error("its version is {0}, which this program does not know")]
    Version(u8),
    /// The key is not one that its space has.
    #[error("its key is not one of a record")]
    Key,
    /// It has more bytes than a record may have.
    #[error("it has {0} bytes, more than a record may have")]
    TooLong(usize),
    /// The fields cannot be read.
    #[error("its fields cannot be read: {0}")]
    Fields(String),
}
