//! Operators whose phones do not respond to a ring attempt: they are free for other calls, and the failure does not count against them.

use super::operator::{Operator, Responsiveness};
use super::queue::Queue;
use super::{Acd, Availability, State, Status, Work};
use crate::clock::{Instant, Now};
use crate::ids::{CallId, OperatorId};

impl Queue {
    /// Rings an operator again whose ring attempt for this call had been abandoned.
    pub(super) fn rejoin(&mut self, now: Instant, call: CallId, operator: &OperatorId) {
        if let Some(Status::Offered { more, .. } | Status::Fallback { more, .. }) = self.status(call) {
            let more = *more;
            return self.ring_with(call, operator, more);
        }
        self.ring(now, call, operator);
    }
}

impl Acd {
    /// No phone of a reserved operator has responded. The operator is free and does not rest, the failure does not count against them, and
    /// the call keeps its place. `pending`: there is no other phone to ring, so the operator is not rung again before `stops_trying` or
    /// `hear`.
    pub fn no_response(&mut self, now: Now, call: CallId, operator: &OperatorId, pending: bool) {
        if !self.stop_ringing(now, call, operator) {
            return;
        }
        self.floor.change(operator, |facts| {
            facts.work = Work::Free;
            facts.responsiveness = if pending { Responsiveness::Pending } else { Responsiveness::NoResponse };
            None
        });
    }

    /// The INVITEs to which no phone of an operator responded have ended: the operator can be rung again.
    pub fn stops_trying(&mut self, operator: &OperatorId) {
        self.floor.change(operator, |facts| {
            if facts.responsiveness == Responsiveness::Pending {
                facts.responsiveness = Responsiveness::NoResponse;
            }
            None
        });
    }

    /// No phone of an operator has responded before its ring attempt ended.
    pub fn had_no_response(&mut self, operator: &OperatorId) {
        self.floor.change(operator, |facts| {
            if facts.responsiveness == Responsiveness::Responded {
                facts.responsiveness = Responsiveness::NoResponse;
            }
            None
        });
    }

    /// A phone of an operator has responded or registered.
    pub fn phone_responded(&mut self, operator: &OperatorId) {
        self.may_have_pair(operator);
        if self.floor.get(operator).is_some_and(|facts| facts.responsiveness != Responsiveness::Responded) {
            self.floor.change(operator, |facts| {
                facts.responsiveness = Responsiveness::Responded;
                None
            });
        }
    }

    /// A phone starts to ring after its ring attempt was abandoned, and the call still waits, rings elsewhere or is in the fallback: call
    /// and operator are reserved for each other again. The open leg and the caller already have their port pairs. Returns false, and
    /// changes nothing, if the operator has another call or is not at work while others are, or if the call does not wait.
    pub fn ring_again(&mut self, now: Now, call: CallId, operator: &OperatorId) -> bool {
        let state = self.floor.get(operator).map(Operator::state);
        let at_work = matches!(state, Some(State::Ready | State::Break));
        let here = at_work || self.floor.staffed_count() == 0;
        if !here || self.availability(operator) != Availability::Free || !self.queue.may_ring(call) {
            return false;
        }
        self.queue.rejoin(now.mono, call, operator);
        if state == Some(State::Break) {
            self.queue.rings_on_break(call, operator);
        }
        self.assign(call, operator);
        true
    }
}
