//! Where Snowflakes come from.

use antiphon_protocol::{Snowflake, Timestamp};

use crate::clock::Clock;

/// Gives out each Snowflake once, in rising order, also when the clock is set back and across
/// restarts.
#[derive(Debug)]
pub(super) struct Ids {
    last: Snowflake,
}

impl Ids {
    /// Goes on after `newest_user`, and after every session of a log that ends at `log_time`: the
    /// ID of a session is from the second of its first entry or an earlier one.
    pub(super) fn after(newest_user: Option<Snowflake>, log_time: Timestamp) -> Self {
        let after_log = log_time.plus_secs(1).as_secs().saturating_mul(1000);
        let after_log = Snowflake::first_at(after_log);
        Self {
            last: newest_user.map_or(after_log, |newest| newest.max(after_log)),
        }
    }

    /// A new one.
    pub(super) fn next(&mut self, clock: &dyn Clock) -> Snowflake {
        self.last = Snowflake::first_at(clock.unix_millis()).max(self.last.successor());
        self.last
    }
}
