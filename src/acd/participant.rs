//! Participants: operators who are in a call of another operator or of an agency. They are rung for no other call, have no place in the
//! queue's order, and have no wrap-up.

use super::{Acd, Availability, Entry, Status, Work};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// Reserves an operator who is invited to a call and is about to ring. Returns false, and changes nothing, if the operator is not
    /// free.
    pub fn invite(&mut self, call: CallId, operator: &OperatorId) -> bool {
        let free = self.availability(operator) == Availability::Free;
        free && self.floor.change(operator, |facts| {
            facts.work = Work::Offered { call, withdrawn: false };
            facts.guest = true;
            None
        })
    }

    /// An operator joins a call as a participant. Returns false, and changes nothing, if the operator is neither free nor rung for this
    /// call.
    pub fn attend(&mut self, now: Now, call: CallId, operator: &OperatorId) -> bool {
        let rings = self.participant_call_of(operator) == Some(call);
        if !rings && self.availability(operator) != Availability::Free {
            return false;
        }
        self.withdrawals.remove(operator);
        self.floor.change(operator, |facts| {
            facts.talk_with(now.mono, call);
            facts.guest = true;
            None
        })
    }

    /// A participant leaves the call, or does not join it, and is free. Ignored unless the operator is a participant of this call.
    pub fn release_participant(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.participant_call_of(operator) != Some(call) {
            return;
        }
        self.withdrawals.remove(operator);
        self.floor.change(operator, |facts| {
            facts.end_visit(now.mono);
            None
        });
    }

    /// A participant takes over the caller, and the former operator begins the wrap-up. Ignored unless the operator is a participant who
    /// talks. `entry`: the place of the call in the queue if an agency had it.
    pub fn participant_takes_over(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) {
        let talks = self.floor.get(operator).is_some_and(|facts| facts.work == Work::Talking { call });
        if !talks || self.participant_call_of(operator) != Some(call) {
            return;
        }
        let former = match self.queue.status(call).cloned() {
            Some(Status::Talking(former)) => Some(former),
            // An agency had the call.
            None => {
                self.enter(now, call, entry);
                None
            }
            Some(
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Offered { .. }
                | Status::Fallback { .. }
                | Status::Transferring(_)
                | Status::Placed { .. },
            ) => return,
        };
        self.queue.set(call, Status::Talking(operator.clone()));
        self.floor.change(operator, |facts| {
            facts.end_visit(now.mono);
            facts.answer(now.mono, call);
            None
        });
        if let Some(former) = former {
            self.hang_up(now, call, &former);
        }
    }

    /// An invited operator whose phone rings gets the caller by transfer instead. Ignored unless the operator is a participant of this
    /// call and the call is in transfer.
    pub fn participant_becomes_target(&mut self, call: CallId, operator: &OperatorId) {
        if self.participant_call_of(operator) != Some(call)
            || !matches!(self.queue.status(call), Some(Status::Transferring(_)))
        {
            return;
        }
        if let Some(engaged) = self.queue.engaged_mut(call) {
            engaged.insert(operator.clone());
            self.floor.change(operator, |facts| {
                facts.guest = false;
                None
            });
        }
    }

    /// Moves an operator as a participant from a placed call into another call. The operator's state (rung or talking) is kept.
    pub fn join_from_placed_call(&mut self, call: CallId, from: CallId, operator: &OperatorId) {
        if !self.queue.remove_engaged(from, operator) {
            return;
        }
        self.floor.change(operator, |facts| {
            facts.work = match facts.work {
                Work::Offered { withdrawn, .. } => Work::Offered { call, withdrawn },
                Work::Talking { .. } | Work::WrapUp { .. } | Work::Free => Work::Talking { call },
            };
            facts.guest = true;
            None
        });
    }

    /// The call in which an operator is a participant, rung or talking.
    pub fn participant_call_of(&self, operator: &OperatorId) -> Option<CallId> {
        self.floor.get(operator).filter(|facts| facts.guest)?.call()
    }
}
