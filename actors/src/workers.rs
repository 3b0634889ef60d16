//! Mathematics off the actors' threads: a bounded number at a time, and a bounded queue.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Runs work on other threads: so much of it at a time.
#[derive(Debug, Clone)]
pub struct Workers {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    queue: usize,
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
    /// As many workers as there are cores, before whom `queue` may wait.
    pub fn on_all_cores(queue: usize) -> Self {
        Self::new(cores(), queue)
    }

    /// Workers on half of the cores, so that the others stay free for whatever else is asked.
    pub fn on_half_of_the_cores(queue: usize) -> Self {
        Self::new((cores() / 2).max(1), queue)
    }

    fn new(at_once: usize, queue: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once + queue)),
            queue,
        }
    }

    /// Whether some work waits for a worker.
    pub fn has_waiting(&self) -> bool {
        self.admitted.available_permits() < self.queue
    }

    /// Has `work` done, once a worker is free. [`WorkError::Busy`], at once, if as much of it as the
    /// queue takes waits already.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let place = Arc::clone(&self.admitted).try_acquire_owned();
        let place = place.map_err(|_| WorkError::Busy)?;
        let core = Arc::clone(&self.running).acquire_owned().await;
        let core = core.map_err(|_| WorkError::Stopped)?;
        let done = spawn_blocking(move || {
            // Until it is done, also where nobody waits for it any more.
            let _held = (place, core);
            work()
        });
        done.await.map_err(|error| {
            if error.is_cancelled() {
                WorkError::Stopped
            } else {
                WorkError::Panicked(error.to_string())
            }
        })
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}
