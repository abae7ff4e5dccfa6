//! Free RTP port pairs, as far as they limit ring attempts. A ring attempt needs a pair for the phone; a caller who waits without a
//! port needs one too. While there are too few, calls keep their places and nothing rings for them.

use std::collections::BTreeSet;

use super::{Acd, PAUSE_MIN, State, Status};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::limits::WAITING_CALLS_SEARCHED_MAX;

/// The address family of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// How many port pairs of each family are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreePairs {
    pub v4: usize,
    pub v6: usize,
}

impl Default for FreePairs {
    /// No limit.
    fn default() -> Self {
        Self { v4: usize::MAX, v6: usize::MAX }
    }
}

impl FreePairs {
    /// How many pairs of a family are free.
    pub const fn of(self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// True if a phone, of whatever family, can be rung for a caller who lacks a port of that family, or none.
    pub(super) fn allow(self, lacks: Option<Family>) -> bool {
        let (own, other) = match lacks {
            None => return self.v4 > 0 || self.v6 > 0,
            Some(Family::V4) => (self.v4, self.v6),
            Some(Family::V6) => (self.v6, self.v4),
        };
        own >= 2 || own == 1 && other > 0
    }

    /// The first of some calls in their order that a phone can be rung for. Only so many are looked at: the last pair is for a call
    /// that has its own.
    pub(super) fn first<T>(self, calls: impl Iterator<Item = T>, lacks: impl Fn(&T) -> Option<Family>) -> Option<T> {
        let searched = if self.allow(None) { WAITING_CALLS_SEARCHED_MAX } else { 0 };
        calls.take(searched).find(|call| self.allow(lacks(call)))
    }
}

impl Acd {
    /// Sets how many port pairs are free, before every decision. When pairs of a family become free, operators who lacked one can be rung.
    pub fn set_free_pairs(&mut self, free: FreePairs) {
        let was = std::mem::replace(&mut self.queue.free, free);
        for family in [Family::V4, Family::V6].into_iter().filter(|family| free.of(*family) > was.of(*family)) {
            for operator in std::mem::take(self.without_pair_of(family)) {
                self.set_lacks_pair(&operator, false);
            }
        }
    }

    /// No pair of this family is free for the phone of a reserved operator. The call keeps its place and its ring attempts. The operator is
    /// neither blamed nor resting, and is rung by no call until more pairs of the family are free, or a phone registers.
    pub fn lacks_pair(&mut self, now: Now, call: CallId, operator: &OperatorId, family: Family) {
        if !matches!(self.queue.status(call), Some(Status::Offered { to, .. }) if to.contains(operator)) {
            return self.offer_failed(now, call, operator, true);
        }
        self.queue.leave_unrung(call, operator, now.mono + self.settings.fallback_retry.max(PAUSE_MIN));
        self.release(operator);
        self.without_pair_of(family).insert(operator.clone());
        self.set_lacks_pair(operator, true);
    }

    /// A phone of the operator registers, perhaps with an address of another family.
    pub(super) fn may_have_pair(&mut self, operator: &OperatorId) {
        let [v4, v6] = &mut self.without_pair;
        if v4.remove(operator) | v6.remove(operator) {
            self.set_lacks_pair(operator, false);
        }
    }

    const fn without_pair_of(&mut self, family: Family) -> &mut BTreeSet<OperatorId> {
        let [v4, v6] = &mut self.without_pair;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    fn set_lacks_pair(&mut self, operator: &OperatorId, lacks_pair: bool) {
        self.floor.change(operator, |facts| {
            facts.lacks_pair = lacks_pair;
            None
        });
    }

    /// Checks that every operator who is not rung for want of a pair will be rung when one is free.
    pub(super) fn verify_pairs(&self) -> Result<(), String> {
        let waits = |operator: &OperatorId| self.without_pair.iter().any(|waiting| waiting.contains(operator));
        match self.floor.iter().find(|(operator, facts)| facts.lacks_pair != waits(operator)) {
            Some((operator, _)) => Err(format!("whether {operator} lacks a port pair is not known")),
            None => Ok(()),
        }
    }

    /// A call's caller waits without a port of that family, or has one.
    pub fn set_without_port(&mut self, call: CallId, lacks: Option<Family>) {
        self.queue.set_lacks(call, lacks);
    }

    /// True if a phone can be rung for this call.
    pub fn has_pairs_for(&self, call: CallId) -> bool {
        self.queue.has_pairs_for(call)
    }

    /// True while an operator is ready, a call waits for one, and no port pair is free.
    pub fn is_out_of_ports(&self) -> bool {
        self.desks().any(|desk| {
            let is_short =
                self.floor.ready_count(self.stand_in(desk)) > 0 && self.queue.first_offerable(desk).is_none();
            self.queue.has_offerable(desk) && (is_short || self.without_pair.iter().any(|waiting| !waiting.is_empty()))
        })
    }

    /// How many operators are ready.
    pub fn ready_count(&self) -> usize {
        let (_, states) = self.counts();
        states.get(State::Ready.slot()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_without_a_port_needs_one_beside_the_phones() {
        let free = |v4, v6| FreePairs { v4, v6 };
        for (v4, v6, with, without_v4, without_v6) in [
            (0, 0, false, false, false),
            (1, 0, true, false, false),
            (0, 1, true, false, false),
            (2, 0, true, true, false),
            (0, 2, true, false, true),
            (1, 1, true, true, true),
        ] {
            let allowed = [None, Some(Family::V4), Some(Family::V6)].map(|lacks| free(v4, v6).allow(lacks));
            assert_eq!(allowed, [with, without_v4, without_v6], "{v4} {v6}");
        }
    }
}
