//! `antiphon serve`: runs the node.

use std::process::ExitCode;
use std::sync::Arc;

use antiphon_actors::accounts::RegistrationMode;
use antiphon_actors::clock::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, open_files, output};
use crate::config::Config;
use crate::hangup::Hangup;
use crate::logging;
use crate::node::Node;

pub(super) fn run(config: &Config) -> Result<ExitCode, CliError> {
    logging::start(&config.log)?;
    open_files::allow_many();
    actix::System::new().block_on(serve(config))
}

async fn serve(config: &Config) -> Result<ExitCode, CliError> {
    // Before the start, so that no signal finds the node without ears.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = Hangup::listen()?;
    let mut node = Node::start(config, Arc::new(SystemClock)).await?;
    if let Err(error) = banner(config, &node) {
        // Nobody waits for it as for the result of a command.
        tracing::warn!(%error, "the node runs, and cannot say so");
    }
    tracing::info!(domain = %config.domain, address = %node.address, "started");
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = hangup.received() => "SIGHUP",
        error = node.failed() => return Err(CliError::Served(error)),
    };
    tracing::info!(signal = name, "stopping: finishing what is in flight");
    node.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// What a person wants to see first.
fn banner(config: &Config, node: &Node) -> Result<(), CliError> {
    let scheme = match config.listen.tls {
        Some(_) => "https",
        None => "http",
    };
    let fingerprint = node.cert.public_key().fingerprint();
    let next = match config.registration {
        RegistrationMode::Closed => Some("antiphon user add NAME"),
        RegistrationMode::Invite => Some("antiphon invite add"),
        RegistrationMode::Open => None,
    };
    let mut rows = vec![
        ("domain", config.domain.to_string()),
        ("address", format!("{scheme}://{}", node.address)),
        ("data", config.data_dir.display().to_string()),
        ("key", fingerprint.unwrap_or_else(|error| error.to_string())),
        ("registration", config.registration.to_string()),
    ];
    rows.extend(next.map(|next| ("people", next.to_owned())));
    output::line(concat!(
        "Antiphon ",
        env!("CARGO_PKG_VERSION"),
        " is running."
    ))?;
    let mut rows = rows.into_iter();
    rows.try_for_each(|(name, value)| output::line(format!("  {name:<13} {value}")))
}
