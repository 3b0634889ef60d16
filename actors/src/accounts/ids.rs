//! Where Snowflakes come from.

use antiphon_protocol::Snowflake;

use crate::clock::Clock;

/// Gives out each Snowflake once, in rising order, also when the clock is set back.
#[derive(Debug)]
pub(super) struct Ids {
    last: Snowflake,
}

impl Ids {
    /// Goes on after the newest user, if there is one.
    pub(super) fn after(newest_user: Option<Snowflake>) -> Self {
        Self {
            last: newest_user.unwrap_or(Snowflake::from_u64(0)),
        }
    }

    /// A new one.
    pub(super) fn next(&mut self, clock: &dyn Clock) -> Snowflake {
        self.last = Snowflake::first_at(clock.unix_millis()).max(self.last.successor());
        self.last
    }

    /// A new one after `newest`. What is one of many of some owner is drawn like this, since an
    /// earlier run of the node may have drawn while the clock was ahead of where it is now.
    pub(super) fn next_after(&mut self, newest: Option<Snowflake>, clock: &dyn Clock) -> Snowflake {
        self.last = newest.map_or(self.last, |newest| newest.max(self.last));
        self.next(clock)
    }
}
