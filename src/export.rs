//! The log as JSON Lines.

use std::io::{self, Write};

use antiphon_actors::cert_registry;
use antiphon_actors::storage::{Storage, StorageError};
use serde::Serialize;
use serde_json::json;

/// Writes the entries of the log up to number `until`, oldest first, and a line that says how many
/// there were: without it, the export was cut off.
pub(crate) fn write(storage: &Storage, until: u64, out: &mut dyn Write) -> io::Result<()> {
    let end = cert_registry::export(storage, until, |entry| -> Result<(), ExportError> {
        line(out, &entry).map_err(ExportError)
    });
    let end = end.map_err(|ExportError(error)| error)?;
    line(out, &json!({ "end": end }))?;
    out.flush()
}

/// Whether a line, with what ends it, is the last one.
pub(crate) fn is_end(line: &[u8]) -> bool {
    line.starts_with(b"{\"end\":") && line.ends_with(b"}\n")
}

struct ExportError(io::Error);

impl From<StorageError> for ExportError {
    fn from(error: StorageError) -> Self {
        Self(io::Error::other(error))
    }
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
