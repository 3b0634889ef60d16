//! Logs: to standard error, for people or for machines.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, registry};

use crate::config::{Log, LogFormat};

/// Starts logging, once in the life of a process. Our own lines come from `log.level` on, those of
/// libraries from `warn` on. From here on a panic is a line of the log, too.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    let level = log.level;
    let libraries = level.min(tracing::Level::WARN);
    // Who does not speak HTTP is no error of this node's.
    let clients = LevelFilter::from((level >= tracing::Level::DEBUG).then_some(libraries));
    let filter = Targets::new()
        .with_default(libraries)
        .with_target("actix_http::h1", clients)
        .with_target("antiphon", level)
        .with_target("antiphon_actors", level)
        .with_target("antiphon_protocol", level);
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A filter of all layers, not of one: what is below it costs nothing then.
    registry().with(filter).with(lines).try_init()?;
    std::panic::set_hook(Box::new(
        |panic| tracing::error!(%panic, "something gave up"),
    ));
    Ok(())
}
