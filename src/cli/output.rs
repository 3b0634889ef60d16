//! Printing.

use std::io::{self, Write as _};

use serde::Serialize;

use super::CliError;
use antiphon_protocol::Timestamp;

/// A line on standard output; `println!` would panic. Whoever has closed it does not want to read on,
/// which is no failure.
pub(super) fn line(text: impl std::fmt::Display) -> Result<(), CliError> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// A failure, on standard error.
pub(super) fn error_line(error: &CliError) {
    let _ = writeln!(std::io::stderr(), "antiphon: {error}");
}

/// What is no failure and may become one, on standard error.
pub(super) fn warning(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "antiphon: warning: {text}");
}

/// A panic, on standard error.
pub(super) fn panic_line(panic: &std::panic::PanicHookInfo<'_>) {
    let text = panic.to_string().replace('\n', " ");
    let _ = writeln!(std::io::stderr(), "antiphon: something gave up: {text}");
}

/// JSON on standard output.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    line(serde_json::to_string_pretty(value)?)
}

/// Rows in columns, under a heading; cells are never wrapped.
pub(super) fn table<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
) -> Result<(), CliError> {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in all() {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A time as people read it, in UTC.
pub(super) fn time(seconds: u64) -> String {
    Timestamp::from_secs(seconds).to_utc()
}

/// The same where there may be none.
pub(super) fn optional_time(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), time)
}
