//! The command line's side of the control socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{Answer, Request};

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error(
        "no node is running in {}; start it with: antiphon serve, or give the --config or --data-dir \
         of the one that runs", .0.display()
    )]
    NotRunning(PathBuf),
    /// The socket is somebody else's.
    #[error("you may not give orders to the node in {}; run this as the user it runs as", .0.display())]
    NotAllowed(PathBuf),
    /// The conversation broke off.
    #[error("the node did not answer: {0}")]
    Broken(#[from] io::Error),
    /// The answer is not one.
    #[error("the node's answer cannot be read; it may be of another version: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The node refused.
    #[error("{0}")]
    Refused(String),
}

/// Gives an order to the node in `data_dir`.
pub fn ask<T: DeserializeOwned>(data_dir: &Path, request: &Request) -> Result<T, AskError> {
    ask_for_stream(data_dir, request).map(|(answer, _)| answer)
}

/// The same; what follows the answer can be read.
pub fn ask_for_stream<T: DeserializeOwned>(
    data_dir: &Path,
    request: &Request,
) -> Result<(T, impl io::Read + use<T>), AskError> {
    let mut stream = connect(data_dir)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    reader.read_line(&mut answer)?;
    match serde_json::from_str(&answer)? {
        Answer::Done(value) => Ok((serde_json::from_value(value)?, reader)),
        Answer::Refused(reason) => Err(AskError::Refused(reason)),
    }
}

fn connect(data_dir: &Path) -> Result<UnixStream, AskError> {
    UnixStream::connect(data_dir.join("control.sock")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::ConnectionRefused => AskError::NotRunning(data_dir.to_owned()),
        io::ErrorKind::PermissionDenied => AskError::NotAllowed(data_dir.to_owned()),
        _ => AskError::Broken(error),
    })
}
