//! What the ACD shows of its calls and operators.

use super::Acd;
use super::keys::Status;
use super::operator::Work;
use super::view::{Change, Outlook, View};
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// Operators in wrap-up, each with that call.
    pub fn wrapping_up(&self) -> impl Iterator<Item = (&OperatorId, CallId)> {
        self.floor.iter().filter_map(|(operator, facts)| match facts.work {
            Work::WrapUp { call, .. } => Some((operator, call)),
            Work::Free | Work::Offered { .. } | Work::Talking { .. } => None,
        })
    }

    /// Operators who are reserved for a ringing call: by a ring attempt, by its fallback, or because it is a placed call of theirs.
    pub fn rung_for(&self, call: CallId) -> impl Iterator<Item = &OperatorId> {
        let rung = match self.queue.status(call) {
            Some(Status::Offered { to, .. } | Status::Fallback { to, .. } | Status::Placed { engaged: to, .. }) => {
                Some(to)
            }
            Some(Status::Waiting | Status::FallbackBackoff { .. } | Status::Talking(_) | Status::Transferring(_))
            | None => None,
        };
        let rings = |operator: &&OperatorId| {
            self.floor.get(operator).is_some_and(|facts| matches!(facts.work, Work::Offered { .. }))
        };
        rung.into_iter().flatten().filter(rings)
    }

    /// The prospects of a call; None if the call does not wait.
    pub fn outlook(&self, call: CallId) -> Option<Outlook> {
        let (desk, position) = self.queue.position(call, Outlook::FAR)?;
        let staffed = u32::try_from(self.floor.staffed_at(self.stand_in(desk))).unwrap_or(u32::MAX);
        let ahead = u32::try_from(position).unwrap_or(u32::MAX);
        let wait = self.handling.saturating_mul(ahead).checked_div(staffed);
        Some(Outlook { position, wait })
    }

    /// Removes and returns the changes since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.floor.take_changes()
    }

    /// One operator.
    pub fn view(&self, operator: &OperatorId) -> Option<View> {
        self.floor.get(operator).map(|facts| facts.view(operator))
    }

    /// All operators in order of name.
    pub fn views(&self) -> Vec<View> {
        self.floor.iter().map(|(operator, facts)| facts.view(operator)).collect()
    }

    /// Waiting calls in the order in which they will be served.
    pub fn waiting(&self) -> impl Iterator<Item = CallId> {
        self.queue.waiting()
    }

    /// The first call in the order of service that has no answer, whether it waits or rings.
    pub fn first_unanswered(&self) -> Option<CallId> {
        self.queue.first_unanswered()
    }

    /// (waiting calls, operators by state in the order of `State`).
    pub fn counts(&self) -> (usize, [usize; 6]) {
        (self.queue.waiting_count(), self.floor.by_state())
    }

    /// How many operators are at work: on shift, logged in, registered and reachable. Operators on a break count, too.
    pub fn staffed(&self) -> usize {
        self.floor.staffed_count()
    }
}
