//! What a process takes of the machine.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a watched process is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// What a process took while it was watched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// None where the system does not count it: Linux does, if it was built with `schedstats`.
    pub cpu_seconds: Option<f64>,
    /// Resident memory at its peak.
    pub rss_mib: f64,
}

/// Watches a process until it is asked what it saw.
pub struct Watch {
    stop: Sender<()>,
    watching: JoinHandle<Usage>,
}

impl Watch {
    pub fn start(process: u32) -> Self {
        let (stop, stopped) = channel();
        let mut threads = Threads::default();
        threads.look(process);
        threads.nanos = 0;
        let mut rss = rss_mib(process);
        let watching = std::thread::spawn(move || {
            loop {
                let stopped = stopped.recv_timeout(EVERY);
                threads.look(process);
                rss = rss.max(rss_mib(process));
                if stopped != Err(RecvTimeoutError::Timeout) {
                    break Usage {
                        cpu_seconds: (threads.nanos > 0).then(|| threads.nanos as f64 / 1e9),
                        rss_mib: rss,
                    };
                }
            }
        });
        Self { stop, watching }
    }

    pub fn stop(self) -> Usage {
        drop(self.stop);
        self.watching.join().expect("watching does not panic")
    }
}

/// The processor time of a process, thread by thread: `stat` has the sum, but in hundredths of a
/// second, and a thread that ends takes its nanoseconds out of `task`. Looked at often, it takes
/// away no more than it used since the last look.
#[derive(Default)]
struct Threads {
    nanos: u64,
    seen: HashMap<String, u64>,
}

impl Threads {
    fn look(&mut self, process: u32) {
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
            return;
        };
        for thread in threads.flatten() {
            if let Some(nanos) = nanos(&thread.path()) {
                self.saw(thread.file_name().to_string_lossy().into_owned(), nanos);
            }
        }
    }

    fn saw(&mut self, thread: String, nanos: u64) {
        let before = self.seen.insert(thread, nanos).unwrap_or_default();
        // Less than before: another thread of the same number.
        self.nanos += nanos.checked_sub(before).unwrap_or(nanos);
    }
}

/// Nanoseconds on a processor of one thread: the first number of its `schedstat`.
fn nanos(thread: &Path) -> Option<u64> {
    let stat = fs::read_to_string(thread.join("schedstat")).ok()?;
    stat.split(' ').next()?.parse().ok()
}

/// Processor time of the thread that asks; none where the system does not count it.
pub fn cpu_seconds_here() -> Option<f64> {
    // What is still running was counted up to the last tick only.
    std::thread::yield_now();
    let nanos = nanos(Path::new("/proc/thread-self"))?;
    Some(nanos as f64 / 1e9)
}

/// Resident memory now; 0 of a process that there is not.
pub fn rss_mib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        let value = line.strip_prefix("VmRSS:")?.trim();
        value.strip_suffix(" kB")?.parse::<f64>().ok()
    });
    kib.unwrap_or_default() / 1024.0
}

/// What the files of a folder take: what is written in them, and what the disk gives for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk {
    pub apparent: u64,
    pub allocated: u64,
}

pub fn disk(folder: &Path) -> Disk {
    use std::os::unix::fs::MetadataExt as _;
    let mut disk = Disk::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // A file may go while we look.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            let inner = self::disk(&entry.path());
            disk.apparent += inner.apparent;
            disk.allocated += inner.allocated;
        } else {
            disk.apparent += metadata.len();
            disk.allocated += metadata.blocks() * 512;
        }
    }
    disk
}

pub fn test() {
    let mut threads = Threads::default();
    for (thread, nanos) in [("1", 5), ("2", 1), ("1", 9), ("2", 1), ("1", 3)] {
        threads.saw(thread.to_owned(), nanos);
    }
    assert_eq!(threads.nanos, 5 + 1 + 4 + 3);
    assert!(rss_mib(std::process::id()) > 1.0);
}
