//! Ends of ring attempts and of conversations.

use super::keys::Status;
use super::operator::Work;
use super::{Acd, PAUSE_MIN, UNANSWERED};
use crate::clock::{Instant, Now};
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// A ring attempt, also of a fallback, ended without an answer. The call keeps its place, and other operators continue to ring for it.
    /// The operator rests, unless the failure is `blameless`. From the third blameless failure in a row on, the operator rests too.
    pub fn offer_failed(&mut self, now: Now, call: CallId, operator: &OperatorId, blameless: bool) {
        if !self.stop_ringing(now, call, operator) && !self.queue.remove_engaged(call, operator) {
            return;
        }
        if matches!(self.queue.status(call), Some(Status::Placed { .. })) {
            return self.release(operator);
        }
        self.withdrawals.remove(operator);
        let rest = self.settings.rest.max(PAUSE_MIN);
        let (most, others) = (self.settings.unanswered_max, self.floor.at_work_count() > 1);
        self.floor.change(operator, |facts| {
            let unanswered = facts.fail_offer(now.mono, blameless, rest);
            if most > 0 && unanswered >= most && others && facts.is_at_work() {
                facts.paused = Some(UNANSWERED.to_owned());
            }
            None
        });
    }

    /// Removes a reserved operator from those who ring for a waiting call. Returns false if the operator does not ring for it.
    pub(super) fn stop_ringing(&mut self, now: Now, call: CallId, operator: &OperatorId) -> bool {
        if !self.rings_for(call, operator) {
            return false;
        }
        self.queue.stop_ringing(call, operator, self.retry_at(now));
        self.withdrawals.remove(operator);
        true
    }

    /// True if the operator is reserved for a waiting call.
    pub(super) fn rings_for(&self, call: CallId, operator: &OperatorId) -> bool {
        let reserved = match self.queue.status(call) {
            Some(Status::Offered { to, .. } | Status::Fallback { to, .. }) => Some(to),
            Some(
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. },
            )
            | None => None,
        };
        reserved.is_some_and(|reserved| reserved.contains(operator))
    }

    /// The time at which a call that has used its ring attempts gets one more.
    pub(super) fn retry_at(&self, now: Now) -> Instant {
        now.mono + self.settings.fallback_retry.max(PAUSE_MIN)
    }

    /// An operator answered: all other reservations for this call are freed. Ignored unless the operator is reserved for it.
    pub fn answered(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        let others = match self.queue.status(call) {
            Some(Status::Offered { to: reserved, .. } | Status::Fallback { to: reserved, .. })
                if reserved.contains(operator) =>
            {
                reserved.clone()
            }
            Some(Status::Transferring(engaged) | Status::Placed { engaged, .. }) if engaged.contains(operator) => {
                return self.engaged_answers(now, call, operator);
            }
            Some(
                Status::Offered { .. }
                | Status::Fallback { .. }
                | Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. },
            )
            | None => return,
        };
        for other in others.iter().filter(|other| *other != operator) {
            self.release(other);
        }
        self.withdrawals.remove(operator);
        self.queue.set(call, Status::Talking(operator.clone()));
        self.floor.change(operator, |facts| {
            facts.answer(now.mono, call);
            None
        });
    }

    /// Ends a fallback that failed. Operators who became ready during it continue to ring. If there are none, the call
    /// waits, and the fallback begins again after `fallback_retry`.
    pub fn fallback_failed(&mut self, now: Now, call: CallId) {
        let after = self.after_fallback(now, call);
        let released = self.queue.end_fallback(call, after);
        released.iter().for_each(|operator| self.release(operator));
    }

    /// True if the operator rings for this call because they were ready, and not because the fallback rings all phones.
    pub fn is_in_turn(&self, call: CallId, operator: &OperatorId) -> bool {
        self.queue.is_in_turn(call, operator)
    }

    /// True if a failed ring attempt counts against the operator: the operator is at work. In a fallback, the operator
    /// must also have been rung because they became ready, and must not be on a break.
    pub fn answers_for(&self, call: CallId, operator: &OperatorId) -> bool {
        let Some(facts) = self.floor.get(operator) else { return false };
        match self.queue.status(call) {
            Some(Status::Fallback { rung_as_ready, .. }) => rung_as_ready.contains(operator) && facts.is_at_work(),
            Some(
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Offered { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. },
            )
            | None => facts.is_staffed(),
        }
    }

    /// The conversation and the call have ended: wrap-up begins. Ignored unless this operator talks in this call.
    pub fn finished(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.talks(call, operator) {
            self.queue.remove(call);
            self.hang_up(now, call, operator);
        }
    }

    /// The operator's leg was lost, and the caller is still connected. The call returns to its former place (before all that arrived
    /// later); the operator gets a wrap-up and a rest. Ignored unless this operator talks in this call.
    pub fn operator_lost(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.talks(call, operator) {
            self.queue.set(call, Status::Waiting);
            let until = now.mono + self.settings.rest.max(PAUSE_MIN);
            self.floor.change(operator, |facts| {
                facts.rest_until = Some(until);
                None
            });
            self.hang_up(now, call, operator);
        }
    }

    pub(super) fn talks(&self, call: CallId, operator: &OperatorId) -> bool {
        matches!(self.queue.status(call), Some(Status::Talking(talking)) if talking == operator)
    }

    /// Frees a reserved operator who had no chance to answer. The operator's idle time continues to count from its former start.
    pub(super) fn release(&mut self, operator: &OperatorId) {
        self.withdrawals.remove(operator);
        self.floor.change(operator, |facts| {
            facts.work = Work::Free;
            None
        });
    }

    pub(super) fn hang_up(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        let wrap_up = self.wrap_up();
        let mut talk = None;
        self.floor.change(operator, |facts| {
            let before = facts.merits.talk;
            let wrapped_up = facts.hang_up(call, now.mono, wrap_up);
            talk = Some(facts.merits.talk.saturating_sub(before));
            wrapped_up
        });
        if let Some(talk) = talk {
            self.handling = (self.handling * 7 + talk.saturating_add(wrap_up)) / 8;
        }
    }
}
