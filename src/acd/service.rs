//! What an operating mode changes in the order of service.

use std::time::Duration;

use super::Acd;
use super::keys::Status;
use super::posture::{Posture, QueueMode};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// The operating mode; `Normal` at the start.
    pub const fn posture(&self) -> Posture {
        self.posture
    }

    /// Changes the operating mode for present and future calls. Ring attempts continue, except that an evacuation withdraws them.
    /// Conversations continue.
    pub fn set_posture(&mut self, now: Now, posture: Posture) {
        if std::mem::replace(&mut self.posture, posture) == posture {
            return;
        }
        self.serve_by_posture();
        match posture {
            Posture::MajorIncident => {
                let until = now.mono + self.settings.incident_wrap_up;
                for operator in self.floor.names() {
                    self.floor.change(&operator, |facts| {
                        facts.shorten_wrap_up(until);
                        None
                    });
                }
            }
            Posture::Fallback => {
                let offered = |(_, status): (CallId, &Status)| match status {
                    Status::Offered { to, .. } | Status::Fallback { in_turn: to, .. } => to.iter().cloned().collect(),
                    Status::Waiting
                    | Status::FallbackBackoff { .. }
                    | Status::Talking(_)
                    | Status::Transferring(_)
                    | Status::Placed { .. } => Vec::new(),
                };
                let rung: Vec<OperatorId> = self.queue.iter().flat_map(offered).collect();
                rung.iter().for_each(|operator| self.withdraw(operator));
            }
            Posture::Normal | Posture::Drill => {}
        }
    }

    /// Applies the operating mode to the queue; also needed after a change of the desks.
    pub(super) fn serve_by_posture(&mut self) {
        self.queue.serve(match self.posture {
            Posture::Normal | Posture::Drill => QueueMode::Normal,
            Posture::MajorIncident => QueueMode::AllOperators(self.everybody),
            Posture::Fallback => QueueMode::FallbackFirst,
        });
    }

    /// The length of a wrap-up that begins now.
    pub(super) fn wrap_up(&self) -> Duration {
        match self.posture {
            Posture::MajorIncident => self.settings.wrap_up.min(self.settings.incident_wrap_up),
            Posture::Normal | Posture::Drill | Posture::Fallback => self.settings.wrap_up,
        }
    }

    /// The state of a call after a failed fallback. If the mode puts the fallback first and the centre is unstaffed, the fallback rings
    /// all phones next; otherwise the call waits.
    pub(super) fn after_fallback(&self, now: Now, call: CallId) -> Status {
        let phones_next = self.posture == Posture::Fallback
            && self.floor.staffed_count() == 0
            && self.queue.ringing().is_none()
            && self.queue.is_phones_turn(call);
        match phones_next {
            true => Status::Waiting,
            false => Status::FallbackBackoff { until: self.retry_at(now) },
        }
    }
}
