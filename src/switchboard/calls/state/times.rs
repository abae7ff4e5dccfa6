//! When a call has arrived, and when its timers run out.

use crate::clock::{Instant, Now};

/// The times of a call.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Times {
    received: Now,
    /// The time at which the call has reached its maximum length.
    over_at: Instant,
    /// The alarm `long-call` is raised for this call.
    long: bool,
    /// The time at which an operator's own INVITE expires.
    expires_at: Option<Instant>,
}

impl Times {
    pub(in crate::switchboard) fn new(received: Now, over_at: Instant) -> Self {
        Self { received, over_at, long: false, expires_at: None }
    }

    pub(in crate::switchboard) fn received(&self) -> Now {
        self.received
    }

    /// Milliseconds since the call has arrived.
    pub(in crate::switchboard) fn lasts_ms(&self, now: Now) -> u64 {
        u64::try_from(now.mono.since(self.received.mono).as_millis()).unwrap_or(u64::MAX)
    }

    pub(in crate::switchboard) fn over_at(&self) -> Instant {
        self.over_at
    }

    /// The call is unusually long, and continues until then.
    pub(in crate::switchboard) fn prolong(&mut self, over_at: Instant) {
        (self.over_at, self.long) = (over_at, true);
    }

    /// The call has ended. Returns true if it was unusually long.
    pub(in crate::switchboard) fn take_long(&mut self) -> bool {
        std::mem::take(&mut self.long)
    }

    pub(in crate::switchboard) fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    pub(in crate::switchboard) fn set_expires_at(&mut self, at: Instant) {
        self.expires_at = Some(at);
    }

    pub(in crate::switchboard) fn take_expires_at(&mut self) -> Option<Instant> {
        self.expires_at.take()
    }
}
