//! Guests: operators who are in a call beside the one who has it. They get no other call meanwhile, have no place in the queue's
//! order, and nothing to wrap up.

use super::{Acd, Entry, Standing, Status, Work};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// Reserves an operator for a call that he is asked to join: he is about to ring. False when he is not free, and then
    /// nothing changes.
    pub fn invite(&mut self, call: CallId, operator: &OperatorId) -> bool {
        let free = self.standing(operator) == Standing::Free;
        free && self.floor.change(operator, |facts| {
            facts.work = Work::Offered { call, withdrawn: false };
            facts.guest = true;
            None
        })
    }

    /// An operator who is free, or rings for it, joins a call. False when he is neither, and then nothing changes.
    pub fn attend(&mut self, now: Now, call: CallId, operator: &OperatorId) -> bool {
        let rings = self.guest_of(operator) == Some(call);
        if !rings && self.standing(operator) != Standing::Free {
            return false;
        }
        self.withdrawals.remove(operator);
        self.floor.change(operator, |facts| {
            facts.talk_with(now.mono, call);
            facts.guest = true;
            None
        })
    }

    /// A guest leaves, or does not come: he is free. Ignored unless he is that call's guest.
    pub fn dismiss_guest(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.guest_of(operator) != Some(call) {
            return;
        }
        self.withdrawals.remove(operator);
        self.floor.change(operator, |facts| {
            facts.end_visit(now.mono);
            None
        });
    }

    /// A participant takes over the caller, and the former operator begins the wrap-up. Ignored unless the operator is a participant who talks. `entry`:
    /// where the call would wait, if an agency had it.
    pub fn guest_leads(&mut self, now: Now, call: CallId, operator: &OperatorId, entry: Entry) {
        let talks = self.floor.get(operator).is_some_and(|facts| facts.work == Work::Talking { call });
        if !talks || self.guest_of(operator) != Some(call) {
            return;
        }
        let former = match self.queue.status(call).cloned() {
            Some(Status::Talking(former)) => Some(former),
            // An agency had it.
            None => {
                self.enter(now, call, entry);
                None
            }
            Some(
                Status::Waiting
                | Status::Held { .. }
                | Status::Offered { .. }
                | Status::Fallback { .. }
                | Status::Moving(_)
                | Status::Direct { .. },
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

    /// One who is asked in and rings is passed the caller instead. Ignored unless he is that call's guest, and it is passed on.
    pub fn guest_is_passed(&mut self, call: CallId, operator: &OperatorId) {
        if self.guest_of(operator) != Some(call) || !matches!(self.queue.status(call), Some(Status::Moving(_))) {
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

    /// An operator comes over from a call that was placed to another as its guest, ringing or talking as he is.
    pub fn guest_comes_over(&mut self, call: CallId, from: CallId, operator: &OperatorId) {
        if !self.queue.disengage(from, operator) {
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

    /// The call whose guest an operator is, ringing or talking.
    pub fn guest_of(&self, operator: &OperatorId) -> Option<CallId> {
        self.floor.get(operator).filter(|facts| facts.guest)?.call()
    }
}
