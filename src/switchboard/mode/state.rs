//! The operating mode of the centre: how it is set, how long it lasts, and how it is reported. `acd::operating_mode` defines
//! its effect on the queue.

use crate::acd::OperatingMode;
use crate::clock::{Instant, Timestamp};

/// The operating mode as it was set.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ModeState {
    pub(in crate::switchboard) mode: OperatingMode,
    pub(in crate::switchboard) since: Timestamp,
    pub(in crate::switchboard) until: Option<Timestamp>,
    pub(in crate::switchboard) by: String,
    /// The end of the operating mode, on the monotonic clock.
    pub(in crate::switchboard) over_at: Option<Instant>,
    /// The time of the next reminder or of the end; None in normal mode.
    pub(in crate::switchboard) due: Option<Instant>,
    /// True if the mode was set in this run.
    pub(in crate::switchboard) set: bool,
}

impl ModeState {
    /// Marks the mode as set in this run, so that an older one of the database does not replace it.
    pub(in crate::switchboard) const fn mark_set(&mut self) {
        self.set = true;
    }

    /// The operating mode, its end and the user who set it; None in normal mode.
    pub(in crate::switchboard) fn term(&self) -> Option<(OperatingMode, Option<Timestamp>, String)> {
        (!self.mode.is_normal()).then(|| (self.mode, self.until, self.by.clone()))
    }

    /// Shifts all times after the wall clock was set forward, or back, by this many milliseconds.
    pub(in crate::switchboard) fn shift(&mut self, by_ms: i64) {
        self.since = self.since.shifted(by_ms);
        self.until = self.until.map(|until| until.shifted(by_ms));
    }
}
