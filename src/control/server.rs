//! The node's side of the control socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{Answer, LINE_BYTES, Request, orders};
use crate::http::Doors;

/// How long an operator's program may take to say what it wants, or to take in a part of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many orders are taken at once.
const AT_ONCE: usize = 16;

/// A control socket. Operators can connect; they wait until it is opened.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// Its file, removed with it.
#[derive(Debug)]
struct SocketFile(PathBuf);

/// An open control socket.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    _file: SocketFile,
}

impl Socket {
    /// Listens on `path`, mode 0600. Whatever socket a dead process left there is replaced; the
    /// lock on the data directory has shown that no living one uses it.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Between these two lines the directory's mode, 0700, keeps others out.
        let listener = UnixListener::bind(path)?;
        let file = SocketFile(path.to_owned());
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, file })
    }

    /// Takes orders from now on.
    pub fn open(self, doors: Doors) -> Server {
        let (stop, stopping) = watch::channel(false);
        Server {
            stop,
            accepting: tokio::task::spawn(accept(self.listener, doors, stopping)),
            _file: self.file,
        }
    }
}

impl Server {
    /// Takes no more orders and waits for those that were taken.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the control socket did not close well");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, "the control socket could not be removed");
        }
    }
}

async fn accept(listener: UnixListener, doors: Doors, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (doors, places) = (doors.clone(), Arc::clone(&places));
                conversations.spawn(async move {
                    let _place = places.acquire().await;
                    if let Err(error) = converse(stream, &doors).await {
                        tracing::warn!(%error, "an operator's order was not understood");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket could not accept");
                // Such as for want of file descriptors: trying at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while conversations.try_join_next().is_some() {}
    }
    while conversations.join_next().await.is_some() {}
}

async fn converse(stream: UnixStream, doors: &Doors) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LINE_BYTES));
    timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let (answer, chunks) = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            let change = request.change();
            match orders::carry_out(request, doors).await {
                Ok((value, chunks)) => {
                    if let Some((command, about)) = change {
                        tracing::info!(command, about, "the operator has changed something");
                    }
                    (Answer::Done(value), chunks)
                }
                Err(error) => (Answer::Refused(error.to_string()), None),
            }
        }
        Err(error) => {
            let reason = format!("the order cannot be read: {error}");
            (Answer::Refused(reason), None)
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    if let Some(mut chunks) = chunks {
        while let Some(chunk) = chunks.recv().await {
            timeout(PATIENCE, writer.write_all(&chunk)).await??;
        }
    }
    writer.shutdown().await
}
