//! Shifts over time: who is on shift, and when to check again.

use std::time::Duration;

use super::Acd;
use crate::clock::{Now, Timestamp};
use crate::ids::OperatorId;

/// Interval at which a roster is checked even if nothing else happens, because the wall clock may be set.
const CALENDAR_POLL: Duration = Duration::from_secs(60);

impl Acd {
    /// Updates the shift state of all operators to the current wall time, and schedules the next check.
    pub(super) fn run_calendar(&mut self, now: Now) {
        if !self.settings.plan.changes() {
            self.calendar_at = None;
            return;
        }
        if now.wall < self.wall {
            self.look_at_all_shifts(now);
        }
        self.wall = now.wall;
        while let Some(operator) = self.floor.shift_due(now.wall) {
            self.look_at_shift(&operator, now.wall);
        }
        let next = self.floor.next_shift_change().map(|at| Duration::from_millis(at.millis_since(now.wall)));
        self.calendar_at = Some(now.mono + next.map_or(CALENDAR_POLL, |span| span.min(CALENDAR_POLL)));
    }

    pub(super) fn look_at_all_shifts(&mut self, now: Now) {
        for operator in self.floor.names() {
            self.look_at_shift(&operator, now.wall);
        }
    }

    pub(super) fn look_at_shift(&mut self, operator: &OperatorId, wall: Timestamp) {
        let standing = self.settings.plan.standing(operator, wall);
        self.floor.change(operator, |facts| {
            facts.attendance.on_shift = standing.on_shift;
            facts.attendance.shift_change = standing.until;
            None
        });
    }
}
