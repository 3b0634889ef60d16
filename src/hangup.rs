//! SIGHUP: the terminal is gone.

use std::fs;
use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for it, but where it was ignored from the beginning: whoever has started the program wants it
/// to outlive the terminal, as `nohup` does, and listening would undo that.
#[derive(Debug)]
pub struct Hangup(Option<Signal>);

impl Hangup {
    /// Begins to listen. Called on a runtime.
    pub fn listen() -> io::Result<Self> {
        let signal = (!is_ignored()).then(|| signal(SignalKind::hangup()));
        Ok(Self(signal.transpose()?))
    }

    /// Completes when it comes.
    pub async fn received(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => pending().await,
        }
    }
}

/// Where the system does not say, it is not.
fn is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 == 1)
}
