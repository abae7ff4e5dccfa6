//! The timer of a response that is repeated until the peer confirms it.

use crate::clock::Instant;
use crate::switchboard::timers::T1;
use std::time::Duration;

/// When a response is repeated: at intervals that double from T1 on, for 64 T1.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Repeats {
    next_at: Instant,
    interval: Duration,
    give_up_at: Instant,
}

impl Repeats {
    /// The response is sent for the first time.
    pub(in crate::switchboard::session) fn from(now: Instant) -> Self {
        Self { next_at: now + T1, interval: T1, give_up_at: now + T1 * 64 }
    }

    /// The time at which the response is repeated or given up.
    pub(in crate::switchboard::session) fn due(&self) -> Instant {
        self.next_at.min(self.give_up_at)
    }

    pub(in crate::switchboard::session) fn is_over(&self, now: Instant) -> bool {
        now >= self.give_up_at
    }

    /// The response is repeated now. Returns the next `due`.
    pub(in crate::switchboard::session) fn repeat(&mut self, now: Instant, longest: Duration) -> Instant {
        self.interval = (self.interval * 2).min(longest);
        self.next_at = now + self.interval;
        self.due()
    }
}
