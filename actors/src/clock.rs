//! Time as a parameter.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use antiphon_protocol::Timestamp;
use tokio::sync::watch;

/// Where actors get the time from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn unix_millis(&self) -> u64;

    /// The current second.
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.unix_millis() / 1000)
    }

    /// Completes once `now()` is `at` or later.
    fn reached(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A clock that several actors share.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // This is the one place that asks the system.
    fn unix_millis(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        // Before 1970, and after the year 584,556,019, there is nothing sensible to say.
        since_epoch.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    fn reached(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = *self;
        Box::pin(async move {
            loop {
                let millis = at.as_secs().saturating_mul(1000);
                let left = millis.saturating_sub(clock.unix_millis());
                if left == 0 {
                    return;
                }
                // The system's time may be set while we sleep, so look again every minute.
                tokio::time::sleep(Duration::from_millis(left.min(60_000))).await;
            }
        })
    }
}

/// A clock that stands still until it is told otherwise, for tests and simulations.
#[derive(Debug, Clone)]
pub struct ManualClock(watch::Sender<u64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(watch::Sender::new(now.as_secs().saturating_mul(1000)))
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now.as_secs().saturating_mul(1000));
    }

    /// Moves the clock on.
    pub fn advance(&self, seconds: u64) {
        self.set(self.now().plus_secs(seconds));
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        *self.0.borrow()
    }

    fn reached(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut changes = self.0.subscribe();
        Box::pin(async move {
            // An error means that the clock is gone, and with it everybody who could wait for it.
            let reached = |millis: &u64| millis / 1000 >= at.as_secs();
            drop(changes.wait_for(reached).await);
        })
    }
}
