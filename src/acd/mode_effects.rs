//! What an operating mode changes in the order of service.

use std::time::Duration;

use super::Acd;
use super::keys::Status;
use super::operating_mode::{OperatingMode, QueueMode};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// The operating mode; `Normal` at the start.
    pub const fn mode(&self) -> OperatingMode {
        self.mode
    }

    /// Changes the operating mode for present and future calls. Ring attempts continue, except that an evacuation withdraws them.
    /// Conversations continue.
    pub fn set_mode(&mut self, now: Now, mode: OperatingMode) {
        if std::mem::replace(&mut self.mode, mode) == mode {
            return;
        }
        self.apply_mode_to_queue();
        match mode {
            OperatingMode::MajorIncident => {
                let until = now.mono + self.settings.incident_wrap_up;
                for operator in self.floor.names() {
                    self.floor.change(&operator, |facts| {
                        facts.shorten_wrap_up(until);
                        None
                    });
                }
            }
            OperatingMode::Fallback => {
                let offered = |(_, status): (CallId, &Status)| match status {
                    Status::Offered { to, .. } | Status::Fallback { rung_as_ready: to, .. } => {
                        to.iter().cloned().collect()
                    }
                    Status::Waiting
                    | Status::FallbackBackoff { .. }
                    | Status::Talking(_)
                    | Status::Transferring(_)
                    | Status::Placed { .. } => Vec::new(),
                };
                let rung: Vec<OperatorId> = self.queue.iter().flat_map(offered).collect();
                rung.iter().for_each(|operator| self.withdraw(operator));
            }
            OperatingMode::Normal | OperatingMode::Drill => {}
        }
    }

    /// Applies the operating mode to the queue; also needed after a change of the desks.
    pub(super) fn apply_mode_to_queue(&mut self) {
        self.queue.set_mode(match self.mode {
            OperatingMode::Normal | OperatingMode::Drill => QueueMode::Normal,
            OperatingMode::MajorIncident => QueueMode::AllOperators(self.all_operators),
            OperatingMode::Fallback => QueueMode::FallbackFirst,
        });
    }

    /// The length of a wrap-up that begins now.
    pub(super) fn wrap_up(&self) -> Duration {
        match self.mode {
            OperatingMode::MajorIncident => self.settings.wrap_up.min(self.settings.incident_wrap_up),
            OperatingMode::Normal | OperatingMode::Drill | OperatingMode::Fallback => self.settings.wrap_up,
        }
    }

    /// The state of a call after a failed fallback. If the mode puts the fallback first and the centre is unstaffed, the fallback rings
    /// all phones next; otherwise the call waits.
    pub(super) fn after_fallback(&self, now: Now, call: CallId) -> Status {
        let phones_next = self.mode == OperatingMode::Fallback
            && self.floor.staffed_count() == 0
            && self.queue.all_phones_call().is_none()
            && self.queue.rings_all_phones_next(call);
        match phones_next {
            true => Status::Waiting,
            false => Status::FallbackBackoff { until: self.retry_at(now) },
        }
    }
}
