//! Answers that are too long for a line: backups and exports.

use std::io::{self, BufWriter, Write};

use antiphon_actors::backup::{self, Manifest};
use antiphon_actors::cert_registry::NewestEntry;
use antiphon_actors::key_manager::HoldKey;
use antiphon_actors::storage::FORMAT;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::orders::OrderError;
use crate::export;
use crate::http::Doors;

/// How many bytes are sent at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks wait for a slow reader.
const CHUNKS_WAITING: usize = 4;

/// How often a backup is begun anew because the server's key was rotated in that very moment.
const ATTEMPTS: usize = 100;

/// What is sent after the answer, until it is closed.
pub(super) type Chunks = mpsc::Receiver<Vec<u8>>;

/// Begins a backup as of now.
pub(super) async fn backup(
    passphrase: Option<Zeroizing<String>>,
    doors: &Doors,
) -> Result<(Manifest, Chunks), OrderError> {
    for _ in 0..ATTEMPTS {
        let held = match &passphrase {
            Some(_) => Some(doors.key_manager.send(HoldKey).await??),
            None => None,
        };
        let snapshot = doors.storage.snapshot().await?;
        let snapshot = snapshot.ok_or(OrderError::BackupRunning)?;
        let newest = doors.cert_reader.newest_server_cert()?;
        // Read after the instant of the snapshot: if nothing is newer than the key, the key is
        // the one of that instant.
        if let Some((cert, _)) = &held
            && newest.as_ref() != Some(cert)
        {
            continue;
        }
        let sealed = match (held, passphrase) {
            (Some((_, key)), Some(passphrase)) => Some(key.seal(passphrase).await?),
            _ => None,
        };
        let manifest = Manifest {
            domain: doors.domain.to_string(),
            made_at: doors.clock.now().as_secs(),
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            data_format: FORMAT,
            has_private_key: sealed.is_some(),
        };
        let says = manifest.clone();
        let chunks = produce(move |out| {
            backup::make(snapshot, &says, sealed.as_deref(), out)
                .map(drop)
                .map_err(io::Error::other)
        });
        return Ok((manifest, chunks));
    }
    Err(OrderError::KeyRotates)
}

/// Begins an export of the log as it is now.
pub(super) async fn export(doors: &Doors) -> Result<Chunks, OrderError> {
    let until = doors.registry.send(NewestEntry).await?;
    let storage = doors.storage.clone();
    Ok(produce(move |out| export::write(&storage, until, out)))
}

/// Runs `write` on a thread of its own. If it fails, or nobody reads on, the chunks end before
/// their end, which the reader can tell.
fn produce(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Chunks {
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, Sender(sender));
        if let Err(error) = write(&mut out).and_then(|()| out.flush()) {
            tracing::warn!(%error, "a backup or an export was not completed");
        }
    });
    chunks
}

struct Sender(mpsc::Sender<Vec<u8>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(bytes.to_vec());
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
