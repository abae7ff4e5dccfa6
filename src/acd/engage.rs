//! Operators who are busy outside the queue's order: one passes his caller on, one rings for it, one calls a colleague.

use std::collections::BTreeSet;

use super::queue::More;
use super::{Acd, Entry, Status, Work};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

/// Whether an operator can be called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// He has a phone and no call. A break, or a shift that is over, does not keep colleagues away.
    Free,
    /// He rings, talks or wraps up.
    Busy,
    /// His phone is not registered, or does not answer.
    Away,
    Unknown,
}

impl Acd {
    /// How an operator stands.
    pub fn standing(&self, operator: &OperatorId) -> Standing {
        match self.floor.get(operator).filter(|facts| facts.exists) {
            None => Standing::Unknown,
            Some(facts) if !facts.is_free() => Standing::Busy,
            Some(facts) if facts.registered && facts.reachable => Standing::Free,
            Some(_) => Standing::Away,
        }
    }

    /// The call that an operator talks in, if it is one that an operator has placed.
    pub fn direct_call_of(&self, operator: &OperatorId) -> Option<CallId> {
        let Work::Talking { call } = self.floor.get(operator)?.work else { return None };
        matches!(self.queue.status(call), Some(Status::Direct { .. })).then_some(call)
    }

    /// The operator who talks begins to pass his caller on. Ignored when nobody talks.
    pub fn pass_on(&mut self, call: CallId) {
        if let Some(Status::Talking(operator)) = self.queue.status(call) {
            let engaged = BTreeSet::from([operator.clone()]);
            self.queue.set(call, Status::Moving(engaged));
        }
    }

    /// The caller stays with the operator who wanted to pass him on.
    pub fn keep(&mut self, call: CallId) {
        let Some(Status::Moving(engaged)) = self.queue.status(call) else { return };
        let talks = |operator: &&OperatorId| {
            self.floor.get(operator).is_some_and(|facts| matches!(facts.work, Work::Talking { .. }))
        };
        if let Some(operator) = engaged.iter().find(talks).cloned() {
            self.queue.set(call, Status::Talking(operator));
        }
    }

    /// The operator who passes the caller on has hung up.
    pub fn step_out(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.queue.disengage(call, operator) {
            self.dismiss(now, call, operator, true);
        }
    }

    /// The caller goes back to his old place: before all who came later. Whoever talks with him begins his wrap-up.
    pub fn requeue(&mut self, now: Now, call: CallId) {
        self.pass_on(call);
        let Some(Status::Moving(engaged)) = self.queue.status(call) else { return };
        let engaged = engaged.clone();
        self.queue.set(call, Status::Waiting);
        engaged.iter().for_each(|operator| self.dismiss(now, call, operator, true));
    }

    /// A caller whom nobody took goes to the one who passed him on, if he is still there; both are reserved for each other.
    pub fn recall(&mut self, call: CallId, operator: &OperatorId) -> bool {
        let free = self.floor.get(operator).is_some_and(|facts| {
            let had_him =
                facts.work == Work::Free || matches!(facts.work, Work::WrapUp { call: his, .. } if his == call);
            had_him && facts.own_calls.is_empty() && facts.is_staffed() && facts.paused.is_none()
        });
        if !free || !matches!(self.queue.status(call), Some(Status::Moving(engaged)) if engaged.is_empty()) {
            return false;
        }
        let to = BTreeSet::from([operator.clone()]);
        self.queue.set(call, Status::Offered { to, more: More::Never });
        self.floor.change(operator, |facts| {
            let wrapped_up = facts.end_wrap_up(facts.merits.idle_since);
            facts.work = Work::Offered { call, withdrawn: false };
            wrapped_up
        });
        true
    }

    /// Reserves an operator who is free for a call that is passed on or placed: he is about to ring.
    pub fn reserve(&mut self, call: CallId, operator: &OperatorId) {
        if self.standing(operator) != Standing::Free {
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

    /// An operator places a call. It has no place in the order of callers.
    pub fn place(&mut self, now: Now, call: CallId, by: &OperatorId) {
        self.queue.add_direct(call, by.clone());
        self.occupy(now, call);
    }

    /// An operator's own phones are about to ring for a call that is placed for him; a wrap-up of his ends. False when he has another
    /// call, or no phone, and then nothing changes.
    pub fn call_up(&mut self, call: CallId, by: &OperatorId) -> bool {
        let free = self.floor.get(by).is_some_and(|facts| {
            let idle = matches!(facts.work, Work::Free | Work::WrapUp { .. });
            idle && facts.own_calls.is_empty() && facts.exists && facts.registered && facts.reachable
        });
        if !free {
            return false;
        }
        self.queue.add_direct(call, by.clone());
        if let Some(engaged) = self.queue.engaged_mut(call) {
            engaged.insert(by.clone());
        }
        self.floor.change(by, |facts| {
            let wrapped_up = facts.end_wrap_up(facts.merits.idle_since);
            facts.work = Work::Offered { call, withdrawn: false };
            wrapped_up
        })
    }

    /// Ends a call that an operator has placed, before its answer: there is no wrap-up.
    pub fn give_up(&mut self, now: Now, call: CallId) {
        match self.queue.status(call) {
            Some(Status::Direct { engaged, .. }) => {
                let engaged = engaged.clone();
                self.queue.remove(call);
                engaged.iter().for_each(|operator| self.release(operator));
            }
            Some(
                Status::Waiting
                | Status::Held { .. }
                | Status::Offered { .. }
                | Status::Fallback { .. }
                | Status::Talking(_)
                | Status::Moving(_),
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

    /// Ends that call.
    pub fn end_own_call(&mut self, call: CallId, operator: &OperatorId) {
        self.floor.change(operator, |facts| {
            facts.own_calls.remove(&call);
            None
        });
    }

    /// Operators who call the emergency number.
    pub fn own_calls(&self) -> impl Iterator<Item = (&OperatorId, CallId)> {
        self.floor.iter().flat_map(|(operator, facts)| facts.own_calls.iter().map(move |call| (operator, *call)))
    }

    /// He has answered: the call that is placed for him is his. Ignored unless he rings for it.
    pub fn comes(&mut self, now: Now, call: CallId, by: &OperatorId) {
        if !matches!(self.queue.status(call), Some(Status::Direct { engaged, .. }) if engaged.contains(by)) {
            return;
        }
        self.withdrawals.remove(by);
        self.floor.change(by, |facts| {
            facts.talk_with(now.mono, call);
            None
        });
    }

    /// Takes out one of the operators whose last call has ended since the last time, or who are new.
    pub fn take_freed(&mut self) -> Option<OperatorId> {
        self.floor.take_freed()
    }

    /// Has an operator among those whom `take_freed` gives, though no call has ended.
    pub fn mark_freed(&mut self, operator: &OperatorId) {
        self.floor.mark_freed(operator);
    }

    /// Who has placed a call has it, unless he has another; a wrap-up of his ends.
    pub fn occupy(&mut self, now: Now, call: CallId) {
        let Some(Status::Direct { by, .. }) = self.queue.status(call) else { return };
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

    /// An operator comes over from a call that was placed to one that is passed on, ringing or talking as he is.
    pub fn join(&mut self, now: Now, call: CallId, from: CallId, operator: &OperatorId) {
        if !matches!(self.queue.status(call), Some(Status::Moving(_))) || !self.queue.disengage(from, operator) {
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

    /// An operator takes a call, wherever it is; everybody else who had to do with it is freed. False when he is not free,
    /// and then nothing changes. `entry`: where the call would wait, if an agency has it.
    pub fn take(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) -> bool {
        self.standing(operator) == Standing::Free && self.seize(now, call, operator, entry)
    }

    /// The same for an operator whose phone has answered late. False when the operator has another call or is gone.
    pub fn take_late(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) -> bool {
        let free = self.floor.get(operator).is_some_and(|facts| facts.exists && facts.is_free());
        free && self.seize(now, call, operator, entry)
    }

    fn seize(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) -> bool {
        match self.queue.status(call).cloned() {
            Some(Status::Offered { to: others, .. } | Status::Fallback { to: others, .. }) => {
                others.iter().for_each(|other| self.release(other));
            }
            Some(Status::Talking(other)) => self.hang_up(now, call, &other),
            Some(Status::Moving(others)) => others.iter().for_each(|other| self.dismiss(now, call, other, true)),
            Some(Status::Waiting | Status::Held { .. }) => {}
            // An agency has it, or it is none of ours.
            None => self.enter(now, call, entry),
            Some(Status::Direct { .. }) => return false,
        }
        self.queue.set(call, Status::Talking(operator.clone()));
        self.floor.change(operator, |facts| {
            facts.answer(now.mono, call);
            None
        });
        true
    }

    /// One who rang talks now: of a call that is passed on he is the only one left.
    pub(super) fn engaged_answers(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        self.withdrawals.remove(operator);
        if let Some(Status::Moving(engaged)) = self.queue.status(call) {
            let others: Vec<OperatorId> = engaged.iter().filter(|other| *other != operator).cloned().collect();
            self.queue.set(call, Status::Talking(operator.clone()));
            others.iter().for_each(|other| self.dismiss(now, call, other, true));
        }
        self.floor.change(operator, |facts| {
            facts.answer(now.mono, call);
            None
        });
    }

    /// Frees one who rang or talked; who talked begins a wrap-up where he has something to write down.
    pub(super) fn dismiss(&mut self, now: Now, call: CallId, operator: &OperatorId, wraps_up: bool) {
        let talks = self.floor.get(operator).is_some_and(|facts| facts.work == Work::Talking { call });
        if talks && wraps_up {
            self.hang_up(now, call, operator);
        } else {
            self.release(operator);
        }
    }
}
