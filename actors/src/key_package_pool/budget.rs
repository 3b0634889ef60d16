//! How many one-time packages an asking session may have of a user in a minute, so that nobody
//! drains a pool. Kept in memory: a restart forgives.

use std::collections::HashMap;

use antiphon_protocol::{Snowflake, Timestamp};

use crate::cert_registry::SessionRef;

/// The length of a window, in seconds.
const WINDOW: u64 = 60;

/// With twice as many windows as were open the last time, and more than this, those that are over are
/// forgotten.
const MANY: usize = 4096;

/// The windows of all who ask.
#[derive(Debug)]
pub(super) struct Budgets {
    per_minute: u64,
    windows: HashMap<(SessionRef, Snowflake), Window>,
    enough: usize,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Timestamp,
    used: u64,
}

impl Window {
    /// A clock that was set back ends a window, too.
    fn is_open(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.since.plus_secs(WINDOW)
    }
}

impl Budgets {
    /// `per_minute` 0 is no limit.
    pub(super) fn new(per_minute: u64) -> Self {
        Self {
            per_minute,
            windows: HashMap::new(),
            enough: MANY,
        }
    }

    /// How many more one-time packages may be given; if none, for how many seconds that stays so.
    pub(super) fn left(
        &self,
        asker: SessionRef,
        user: Snowflake,
        now: Timestamp,
    ) -> Result<u64, u64> {
        if self.per_minute == 0 {
            return Ok(u64::MAX);
        }
        let window = self.windows.get(&(asker, user));
        let Some(window) = window.filter(|window| window.is_open(now)) else {
            return Ok(self.per_minute);
        };
        match self.per_minute.saturating_sub(window.used) {
            0 => {
                let over = window.since.plus_secs(WINDOW);
                Err(over.as_secs().saturating_sub(now.as_secs()))
            }
            left => Ok(left),
        }
    }

    /// Takes note of one-time packages that were given.
    pub(super) fn note(&mut self, asker: SessionRef, user: Snowflake, given: u64, now: Timestamp) {
        if self.per_minute == 0 || given == 0 {
            return;
        }
        if self.windows.len() > self.enough {
            self.windows.retain(|_, window| window.is_open(now));
            self.enough = MANY.max(2 * self.windows.len());
        }
        let fresh = Window {
            since: now,
            used: 0,
        };
        let window = self.windows.entry((asker, user)).or_insert(fresh);
        if !window.is_open(now) {
            *window = fresh;
        }
        window.used += given;
    }
}
