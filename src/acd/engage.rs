//! Operators who are busy outside the queue's order: in a transfer, or in a placed call.

use std::collections::BTreeSet;

use super::keys::RingMore;
use super::{Acd, Entry, Status, Work};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

/// Whether an operator can be called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// The operator has a registered phone and no call. A break or the end of the shift does not matter.
    Free,
    /// The operator is rung, talks or is in wrap-up.
    Busy,
    /// The operator's phone is not registered or does not respond.
    Away,
    Unknown,
}

impl Acd {
    /// Returns whether an operator can be called by name.
    pub fn availability(&self, operator: &OperatorId) -> Availability {
        match self.floor.get(operator).filter(|facts| facts.attendance.exists) {
            None => Availability::Unknown,
            Some(facts) if !facts.is_free() => Availability::Busy,
            Some(facts) if facts.attendance.registered && facts.attendance.reachable => Availability::Free,
            Some(_) => Availability::Away,
        }
    }

    /// The placed call in which an operator talks, if any.
    pub fn direct_call_of(&self, operator: &OperatorId) -> Option<CallId> {
        let Work::Talking { call } = self.floor.get(operator)?.work else { return None };
        matches!(self.queue.status(call), Some(Status::Placed { .. })).then_some(call)
    }

    /// The operator who talks starts a transfer of the caller. Ignored if no operator talks in the call.
    pub fn begin_transfer(&mut self, call: CallId) {
        if let Some(Status::Talking(operator)) = self.queue.status(call) {
            let engaged = BTreeSet::from([operator.clone()]);
            self.queue.set(call, Status::Transferring(engaged));
        }
    }

    /// Ends a transfer without a result: the caller stays with the transferring operator.
    pub fn keep_with_transferor(&mut self, call: CallId) {
        let Some(Status::Transferring(engaged)) = self.queue.status(call) else { return };
        let talks = |operator: &&OperatorId| {
            self.floor.get(operator).is_some_and(|facts| matches!(facts.work, Work::Talking { .. }))
        };
        if let Some(operator) = engaged.iter().find(talks).cloned() {
            self.queue.set(call, Status::Talking(operator));
        }
    }

    /// The operator who transfers the caller has hung up.
    pub fn leave_transfer(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.queue.remove_engaged(call, operator) {
            self.dismiss(now, call, operator, true);
        }
    }

    /// Returns the caller to the former place in the queue, before all calls that arrived later. An operator who talks with the caller
    /// begins the wrap-up.
    pub fn requeue(&mut self, now: Now, call: CallId) {
        self.begin_transfer(call);
        let Some(Status::Transferring(engaged)) = self.queue.status(call) else { return };
        let engaged = engaged.clone();
        self.queue.set(call, Status::Waiting);
        engaged.iter().for_each(|operator| self.dismiss(now, call, operator, true));
    }

    /// Reserves the operator who transferred a caller, after the transfer has failed, so that the caller returns to
    /// them. Returns false if the operator has another call, is on a break or is not at work.
    pub fn ring_transferor_again(&mut self, call: CallId, operator: &OperatorId) -> bool {
        let free = self.floor.get(operator).is_some_and(|facts| {
            let had_him =
                facts.work == Work::Free || matches!(facts.work, Work::WrapUp { call: his, .. } if his == call);
            had_him && facts.own_calls.is_empty() && facts.is_staffed() && facts.paused.is_none()
        });
        if !free || !matches!(self.queue.status(call), Some(Status::Transferring(engaged)) if engaged.is_empty()) {
            return false;
        }
        let to = BTreeSet::from([operator.clone()]);
        self.queue.set(call, Status::Offered { to, more: RingMore::Never });
        self.floor.change(operator, |facts| {
            let wrapped_up = facts.end_wrap_up(facts.merits.idle_since);
            facts.work = Work::Offered { call, withdrawn: false };
            wrapped_up
        });
        true
    }

    /// Reserves a free operator who is about to ring for a transferred or placed call.
    pub fn reserve(&mut self, call: CallId, operator: &OperatorId) {
        if self.availability(operator) != Availability::Free {
            return;
        }
        if let Some(engaged) = self.queue.engaged_mut(call) {
            engaged.insert(operator.clone());
            self.floor.change(operator, |facts| {
                facts.work = Work::Offered { call, withdrawn: false };
                None
            });
        }
    }

    /// An operator places a call. Placed calls have no place in the order of callers.
    pub fn place(&mut self, now: Now, call: CallId, by: &OperatorId) {
        self.queue.add_placed(call, by.clone());
        self.occupy(now, call);
    }

    /// The console places a call for an operator: the operator's own phones are about to ring, and a wrap-up ends. Returns false, and
    /// changes nothing, if the operator has another call or no phone.
    pub fn call_up(&mut self, call: CallId, by: &OperatorId) -> bool {
        let free = self.floor.get(by).is_some_and(|facts| {
            let idle = matches!(facts.work, Work::Free | Work::WrapUp { .. });
            idle && facts.own_calls.is_empty()
                && facts.attendance.exists
                && facts.attendance.registered
                && facts.attendance.reachable
        });
        if !free {
            return false;
        }
        self.queue.add_placed(call, by.clone());
        if let Some(engaged) = self.queue.engaged_mut(call) {
            engaged.insert(by.clone());
        }
        self.floor.change(by, |facts| {
            let wrapped_up = facts.end_wrap_up(facts.merits.idle_since);
            facts.work = Work::Offered { call, withdrawn: false };
            wrapped_up
        })
    }

    /// Ends a placed call before its answer. There is no wrap-up.
    pub fn end_unanswered_placed_call(&mut self, now: Now, call: CallId) {
        match self.queue.status(call) {
            Some(Status::Placed { engaged, .. }) => {
                let engaged = engaged.clone();
                self.queue.remove(call);
                engaged.iter().for_each(|operator| self.release(operator));
            }
            Some(
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Offered { .. }
                | Status::Fallback { .. }
                | Status::Talking(_)
                | Status::Transferring(_),
            )
            | None => self.leave(now, call),
        }
    }

    /// An operator calls the emergency number: the operator counts as talking, and the operator's wrap-up ends. The call itself has its
    /// own place in the queue.
    pub fn begin_own_call(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        self.floor.change(operator, |facts| {
            facts.own_calls.insert(call);
            facts.end_wrap_up(now.mono)
        });
    }

    /// Ends an operator's own emergency call.
    pub fn end_own_call(&mut self, call: CallId, operator: &OperatorId) {
        self.floor.change(operator, |facts| {
            facts.own_calls.remove(&call);
            None
        });
    }

    /// Operators who call the emergency number themselves, with these calls.
    pub fn own_calls(&self) -> impl Iterator<Item = (&OperatorId, CallId)> {
        self.floor.iter().flat_map(|(operator, facts)| facts.own_calls.iter().map(move |call| (operator, *call)))
    }

    /// The operator has answered the call that the console placed for them, and talks in it. Ignored unless the operator rings for it.
    pub fn comes(&mut self, now: Now, call: CallId, by: &OperatorId) {
        if !matches!(self.queue.status(call), Some(Status::Placed { engaged, .. }) if engaged.contains(by)) {
            return;
        }
        self.withdrawals.remove(by);
        self.floor.change(by, |facts| {
            facts.talk_with(now.mono, call);
            None
        });
    }

    /// Removes and returns one of the operators who are new or whose last call has ended since the last query.
    pub fn take_freed(&mut self) -> Option<OperatorId> {
        self.floor.take_freed()
    }

    /// Adds an operator to those that `take_freed` returns, although no call has ended.
    pub fn mark_freed(&mut self, operator: &OperatorId) {
        self.floor.mark_freed(operator);
    }

    /// The operator who placed a call talks in it, unless they have another call. A wrap-up ends.
    pub fn occupy(&mut self, now: Now, call: CallId) {
        let Some(Status::Placed { by, .. }) = self.queue.status(call) else { return };
        let by = by.clone();
        let free = self.floor.get(&by).is_some_and(|facts| matches!(facts.work, Work::Free | Work::WrapUp { .. }));
        if !free {
            return;
        }
        if let Some(engaged) = self.queue.engaged_mut(call) {
            engaged.insert(by.clone());
        }
        self.floor.change(&by, |facts| {
            let wrapped_up = facts.end_wrap_up(facts.merits.idle_since);
            facts.talk_with(now.mono, call);
            wrapped_up
        });
    }

    /// Moves an operator from a placed call into a transferred call. The operator's state (rung or talking) is kept.
    pub fn join(&mut self, now: Now, call: CallId, from: CallId, operator: &OperatorId) {
        if !matches!(self.queue.status(call), Some(Status::Transferring(_)))
            || !self.queue.remove_engaged(from, operator)
        {
            return;
        }
        if let Some(engaged) = self.queue.engaged_mut(call) {
            engaged.insert(operator.clone());
        }
        let mut talks = false;
        self.floor.change(operator, |facts| {
            facts.work = match facts.work {
                Work::Offered { withdrawn, .. } => Work::Offered { call, withdrawn },
                Work::Talking { .. } | Work::WrapUp { .. } | Work::Free => Work::Talking { call },
            };
            talks = matches!(facts.work, Work::Talking { .. });
            None
        });
        if talks {
            self.engaged_answers(now, call, operator);
        }
    }

    /// An operator takes a call in whatever state it is; all other operators of the call are freed. Returns false, and changes nothing, if
    /// the operator is not free. `entry`: the place of the call if it must be added to the queue, because an agency has it.
    pub fn take(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) -> bool {
        self.availability(operator) == Availability::Free && self.seize(now, call, operator, entry)
    }

    /// Like `take`, for an operator whose phone has answered late. Returns false if the operator has another call or does not exist any
    /// more.
    pub fn take_late(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) -> bool {
        let free = self.floor.get(operator).is_some_and(|facts| facts.attendance.exists && facts.is_free());
        free && self.seize(now, call, operator, entry)
    }

    fn seize(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) -> bool {
        match self.queue.status(call).cloned() {
            Some(Status::Offered { to: others, .. } | Status::Fallback { to: others, .. }) => {
                others.iter().for_each(|other| self.release(other));
            }
            Some(Status::Talking(other)) => self.hang_up(now, call, &other),
            Some(Status::Transferring(others)) => others.iter().for_each(|other| self.dismiss(now, call, other, true)),
            Some(Status::Waiting | Status::FallbackBackoff { .. }) => {}
            // An agency has the call, or the call is not in the queue.
            None => self.enter(now, call, entry),
            Some(Status::Placed { .. }) => return false,
        }
        self.queue.set(call, Status::Talking(operator.clone()));
        self.floor.change(operator, |facts| {
            facts.answer(now.mono, call);
            None
        });
        true
    }

    /// An operator who was rung talks now. In a transferred call, this operator is the only one left.
    pub(super) fn engaged_answers(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        self.withdrawals.remove(operator);
        if let Some(Status::Transferring(engaged)) = self.queue.status(call) {
            let others: Vec<OperatorId> = engaged.iter().filter(|other| *other != operator).cloned().collect();
            self.queue.set(call, Status::Talking(operator.clone()));
            others.iter().for_each(|other| self.dismiss(now, call, other, true));
        }
        self.floor.change(operator, |facts| {
            facts.answer(now.mono, call);
            None
        });
    }

    /// Frees an operator who was rung or talked. An operator who talked begins a wrap-up if `wraps_up` is set.
    pub(super) fn dismiss(&mut self, now: Now, call: CallId, operator: &OperatorId, wraps_up: bool) {
        let talks = self.floor.get(operator).is_some_and(|facts| facts.work == Work::Talking { call });
        if talks && wraps_up {
            self.hang_up(now, call, operator);
        } else {
            self.release(operator);
        }
    }
}
