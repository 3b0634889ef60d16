//! Mathematics off the actors' threads: a bounded number at a time, and a bounded queue.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Runs work on other threads: as much at a time as there are cores.
#[derive(Debug, Clone)]
pub struct Workers {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// Why work was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Too much of it waits.
    #[error("too many requests are waiting")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// It ended in a panic.
    #[error("work ended in a panic: {0}")]
    Panicked(String),
}

impl Workers {
    /// Workers before whom `queue` may wait.
    pub fn new(queue: usize) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores + queue)),
        }
    }

    /// Has `work` done.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let _place = self.admitted.try_acquire().map_err(|_| WorkError::Busy)?;
        let running = self.running.acquire().await;
        let _core = running.map_err(|_| WorkError::Stopped)?;
        let done = spawn_blocking(work).await;
        done.map_err(|error| WorkError::Panicked(error.to_string()))
    }
}
