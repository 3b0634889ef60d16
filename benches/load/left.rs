//! What must not be left behind, however a run ends: folders with copies of whole seeds, and the
//! processes that were started.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon::hangup::Hangup;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;

static LEFT: Mutex<Left> = Mutex::new(Left {
    folders: Vec::new(),
    children: Vec::new(),
});

struct Left {
    folders: Vec<PathBuf>,
    /// Those that were not waited for yet.
    children: Vec<u32>,
}

fn left() -> MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder that goes when it is dropped. Not in the system's folder for temporary files, which may be
/// in memory, where nothing needs to wait for a disk.
pub fn folder() -> Outcome<TempDir> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)
        .map_err(|error| format!("cannot make {}: {error}", parent.display()))?;
    folder_in(parent)
}

/// The same in another folder.
pub fn folder_in(parent: &Path) -> Outcome<TempDir> {
    let mut left = left();
    let folder = tempfile::Builder::new()
        .prefix("antiphon-load-")
        .tempdir_in(parent)
        .map_err(|error| format!("cannot write into {}: {error}", parent.display()))?;
    left.folders.push(folder.path().to_owned());
    Ok(folder)
}

/// A folder that goes if the run is interrupted.
pub fn unfinished(folder: &Path) {
    left().folders.push(folder.to_owned());
}

/// A process; killed when dropped.
pub struct Started(Child);

impl Started {
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut left = left();
        let child = command.spawn()?;
        left.children.push(child.id());
        Ok(Self(child))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.0.wait();
        // Its number may be another's from now on.
        left().children.retain(|child| *child != self.0.id());
        status
    }

    pub fn send(&self, signal: Signal) {
        send(self.id(), signal);
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.wait());
    }
}

fn send(child: u32, signal: Signal) {
    let id = i32::try_from(child).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        // It may have ended already.
        let _ = kill_process(id, signal);
    }
}

/// From now on the end of the program by a signal is the end of all this as well.
pub fn see_to_signals() {
    let (ready, is_ready) = sync_channel(0);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let number = runtime.unwrap().block_on(async {
            let listen = |kind| signal(kind).unwrap();
            let mut interrupts = listen(SignalKind::interrupt());
            let mut ends = listen(SignalKind::terminate());
            let mut hang_up = Hangup::listen().unwrap();
            ready.send(()).unwrap();
            tokio::select! {
                _ = interrupts.recv() => SignalKind::interrupt(),
                _ = ends.recv() => SignalKind::terminate(),
                () = hang_up.received() => SignalKind::hangup(),
            }
        });
        // Kept to the end: whoever wants to start something, or to see one end, waits.
        let left = left();
        left.children
            .iter()
            .for_each(|child| send(*child, Signal::KILL));
        left.folders.iter().for_each(|folder| remove(folder));
        std::process::exit(128 + number.as_raw_value());
    });
    is_ready.recv().unwrap();
}

/// Who writes there may take a moment to end.
fn remove(folder: &Path) {
    for _ in 0..20 {
        if std::fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("{} is still there", folder.display());
}
