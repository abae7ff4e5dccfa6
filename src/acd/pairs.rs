//! Free RTP port pairs, as far as they limit ring attempts. A ring attempt needs a pair for the phone; a caller who waits without a
//! port needs one too. While there are too few, calls keep their places and nothing rings for them.

use std::collections::BTreeSet;

use super::desk::DeskNo;
use super::{Acd, State};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::limits::WAITING_CALLS_SEARCHED_MAX;

/// Number of ready operators of a desk whose phones are examined while pairs are short.
const OPERATORS_SEARCHED_MAX: usize = 16;

/// The address family of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];
}

/// Number of free port pairs of each family.
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
    /// Number of free pairs of a family.
    pub const fn of(self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// True if too few pairs of `family` are free to ring a phone of family `phone` for a caller who lacks a port of family `lacks`, or
    /// none.
    fn misses(self, family: Family, lacks: Option<Family>, phone: Family) -> bool {
        self.of(family) < usize::from(lacks == Some(family)) + usize::from(phone == family)
    }

    /// True if a phone of family `phone` can be rung for a caller who lacks a port of family `lacks`, or none.
    pub fn allow(self, lacks: Option<Family>, phone: Family) -> bool {
        !Family::ALL.into_iter().any(|family| self.misses(family, lacks, phone))
    }

    /// Like `allow`, for a phone of any family.
    pub(super) fn allow_any(self, lacks: Option<Family>) -> bool {
        Family::ALL.into_iter().any(|phone| self.allow(lacks, phone))
    }

    /// The first of some calls, in their order, for which a phone can be rung. Only a limited number of calls is examined; the last pair
    /// can only serve a call whose caller has a port.
    pub(super) fn first<T>(self, calls: impl Iterator<Item = T>, lacks: impl Fn(&T) -> Option<Family>) -> Option<T> {
        let searched = if self.allow_any(None) { WAITING_CALLS_SEARCHED_MAX } else { 0 };
        calls.take(searched).find(|call| self.allow_any(lacks(call)))
    }
}

impl Acd {
    /// Sets how many port pairs are free, before every decision. When pairs of a family become free, operators who lacked one can be rung.
    pub fn set_free_pairs(&mut self, free: FreePairs) {
        let was = std::mem::replace(&mut self.queue.free, free);
        for family in Family::ALL.into_iter().filter(|family| free.of(*family) > was.of(*family)) {
            for operator in self.without_pair_of(family).clone() {
                self.may_have_pair(&operator);
            }
        }
    }

    /// No phone of a reserved operator is rung, because no pair of this family is free. The call keeps its place and its ring attempts.
    /// The failure does not count against the operator, who does not rest. No call rings the operator until more pairs of the family are
    /// free, or a phone registers. Without a family, the pairs are left to other calls.
    pub fn lacks_pair(&mut self, now: Now, call: CallId, operator: &OperatorId, family: Option<Family>) {
        if !self.rings_for(call, operator) {
            return self.offer_failed(now, call, operator, true);
        }
        self.queue.leave_unrung(call, operator, self.retry_at(now));
        self.release(operator);
        if let Some(family) = family {
            self.without_pair_of(family).insert(operator.clone());
            self.set_lacks_pair(operator, true);
        }
    }

    /// A phone of the operator has registered, perhaps with an address of another family.
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

    /// Checks that every operator who is not rung for lack of a pair will be rung when one is free.
    pub(super) fn verify_pairs(&self) -> Result<(), String> {
        let waits = |operator: &OperatorId| self.without_pair.iter().any(|waiting| waiting.contains(operator));
        match self.floor.iter().find(|(operator, facts)| facts.lacks_pair != waits(operator)) {
            Some((operator, _)) => Err(format!("whether {operator} lacks a port pair is not known")),
            None => Ok(()),
        }
    }

    /// Sets the family of the port for which a call's caller waits; None: the caller has a port.
    pub fn set_without_port(&mut self, call: CallId, lacks: Option<Family>) {
        self.queue.set_lacks(call, lacks);
    }

    /// True if enough pairs are free to ring a phone for this call.
    pub fn has_pairs_for(&self, call: CallId) -> bool {
        self.queue.has_pairs_for(call)
    }

    /// True while an operator is ready, a call waits for one, and no port pair is free for the operator's phone.
    pub fn is_out_of_ports(&self) -> bool {
        self.desks().filter(|desk| self.queue.has_offerable(*desk)).any(|desk| {
            self.is_short_at(desk) || self.without_pair.iter().any(|waiting| self.is_kept_idle(waiting, desk))
        })
    }

    /// True if one more pair of a family might let a call ring a ready operator. `phones`: the families of an operator's phones.
    pub fn wants_pair(&self, family: Family, phones: impl Fn(&OperatorId) -> Vec<Family>) -> bool {
        let [v4, v6] = &self.without_pair;
        let waiting = match family {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        self.desks().filter(|desk| self.queue.has_offerable(*desk)).any(|desk| {
            let is_missing = || {
                let ready = self.floor.ready_at(self.stand_in(desk)).take(OPERATORS_SEARCHED_MAX);
                let phones: BTreeSet<Family> = ready.flat_map(&phones).collect();
                let mut lacks = self.queue.lacks_at(desk);
                lacks.any(|lacks| phones.iter().any(|phone| self.queue.free.misses(family, lacks, *phone)))
            };
            self.is_kept_idle(waiting, desk) || self.is_short_at(desk) && is_missing()
        })
    }

    /// True while operators of a desk are ready, and no pair is free for a call that waits for them.
    fn is_short_at(&self, desk: DeskNo) -> bool {
        self.floor.ready_count(self.stand_in(desk)) > 0 && self.queue.first_offerable(desk).is_none()
    }

    /// True if one of these operators, for whose phones no pair is free, is ready for the calls of a desk.
    fn is_kept_idle(&self, waiting: &BTreeSet<OperatorId>, desk: DeskNo) -> bool {
        let at = self.floor.desk(self.stand_in(desk));
        let is_ready = |operator| self.floor.get(operator).is_some_and(|facts| facts.state() == State::Ready);
        waiting.iter().any(|operator| is_ready(operator) && at.is_some_and(|desk| desk.level(operator).is_some()))
    }

    /// Number of ready operators.
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
            let allowed = [None, Some(Family::V4), Some(Family::V6)].map(|lacks| free(v4, v6).allow_any(lacks));
            assert_eq!(allowed, [with, without_v4, without_v6], "{v4} {v6}");
        }
    }
}
