//! The node's side of the control socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::streams::Chunks;
use super::{Answer, LINE_BYTES, Request, orders};
use crate::http::Doors;

/// How long an operator's program may take to say what it wants, to take in a part of the answer, or, once
/// the node stops, to take in the rest of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a conversation with an operator's program broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("an operator's program gave no order: {0}")]
    NotHeard(io::Error),
    #[error("an operator's program has gone before its answer: {0}")]
    NotTold(io::Error),
    #[error("an operator's program was given up: it took no more of its backup or export ({0})")]
    NotTaken(io::Error),
    #[error(
        "an operator's program was given up: its backup or export was not complete {} s after the stop began",
        PATIENCE.as_secs()
    )]
    Stopped,
}

/// How many orders are taken at once.
const AT_ONCE: usize = 16;

/// Since when the node is stopping, if it is.
type Stop = Option<Instant>;

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
    stop: watch::Sender<Stop>,
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
        let (stop, stopping) = watch::channel(None);
        Server {
            stop,
            accepting: tokio::task::spawn(accept(self.listener, doors, stopping)),
            _file: self.file,
        }
    }
}

impl Server {
    /// Takes no more orders and waits for those that were taken, and for a while for who reads a backup or
    /// an export.
    pub async fn stop(self) {
        self.stop.send_replace(Some(Instant::now()));
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

async fn accept(listener: UnixListener, doors: Doors, mut stopping: watch::Receiver<Stop>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(Option::is_some) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (doors, places) = (doors.clone(), Arc::clone(&places));
                let stopping = stopping.clone();
                conversations.spawn(async move {
                    let _place = places.acquire().await;
                    if let Err(broken) = converse(stream, &doors, stopping).await {
                        tracing::warn!("{broken}");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket could not accept");
                // Such as for want of file descriptors: trying at once would spin.
                sleep(Duration::from_millis(100)).await;
            }
        }
        while conversations.try_join_next().is_some() {}
    }
    while conversations.join_next().await.is_some() {}
}

async fn converse(
    stream: UnixStream,
    doors: &Doors,
    stopping: watch::Receiver<Stop>,
) -> Result<(), Broken> {
    let (reader, mut writer) = stream.into_split();
    let line = order(reader).await.map_err(Broken::NotHeard)?;
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
                Err(error) => {
                    if let Some((command, about)) = change {
                        tracing::warn!(command, about, %error, "an order of the operator's failed");
                    }
                    (Answer::Refused(error.to_string()), None)
                }
            }
        }
        Err(error) => {
            let reason = format!("the order cannot be read: {error}");
            (Answer::Refused(reason), None)
        }
    };
    let told = tell(&mut writer, &answer).await;
    told.map_err(Broken::NotTold)?;
    if let Some(chunks) = chunks {
        tokio::select! {
            sent = send(&mut writer, chunks) => sent.map_err(Broken::NotTaken)?,
            () = patience_after(stopping) => return Err(Broken::Stopped),
        }
    }
    // Whoever has all of it may have gone.
    let _ = writer.shutdown().await;
    Ok(())
}

async fn order(reader: OwnedReadHalf) -> io::Result<String> {
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LINE_BYTES));
    timeout(PATIENCE, reader.read_line(&mut line)).await??;
    Ok(line)
}

async fn tell(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await?
}

async fn send(writer: &mut OwnedWriteHalf, mut chunks: Chunks) -> io::Result<()> {
    while let Some(chunk) = chunks.recv().await {
        timeout(PATIENCE, writer.write_all(&chunk)).await??;
    }
    Ok(())
}

/// Completes when the node has been stopping for long enough.
async fn patience_after(mut stopping: watch::Receiver<Stop>) {
    let since = match stopping.wait_for(Option::is_some).await {
        Ok(stop) => *stop,
        // Nobody is left who could say so.
        Err(_) => None,
    };
    sleep_until(since.unwrap_or_else(Instant::now) + PATIENCE).await;
}
