//! Looking at the server's private key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use antiphon_protocol::ServerCert;

use super::store::KeyFiles;
use crate::verify::Report;

/// Looks whether the key in `directory` is there, is the one of `newest`, and nobody else's to read.
pub(crate) fn verify(directory: &Path, newest: &ServerCert, report: &mut Report) {
    let files = KeyFiles::new(directory);
    if let Err(error) = files.read(newest.public_key()) {
        return report.finding(error);
    }
    report.count("private keys");
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return report.finding(format!("{}: {error}", directory.display())),
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        match fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o777) {
            Ok(0o600) => {}
            Ok(mode) => report.finding(format!(
                "{}: its mode is {mode:o}, and should be 600",
                path.display()
            )),
            Err(error) => report.finding(format!("{}: {error}", path.display())),
        }
    }
}
