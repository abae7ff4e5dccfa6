//! Ring attempts that need port pairs which are not free.

use std::collections::BTreeSet;

use super::Acd;
use super::desk::DeskNo;
use super::port_pairs::{Family, FreePairs};
use super::view::State;
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

/// Number of ready operators of a desk whose phones are examined while pairs are short.
const OPERATORS_SEARCHED_MAX: usize = 16;

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
    pub fn no_port_pair(&mut self, now: Now, call: CallId, operator: &OperatorId, family: Option<Family>) {
        if !self.rings_for(call, operator) {
            return self.offer_failed(now, call, operator, true);
        }
        self.queue.leave_unrung(call, operator, self.retry_at(now));
        self.release(operator);
        if let Some(family) = family {
            self.without_pair_of(family).insert(operator.clone());
            self.set_no_port_pair(operator, true);
        }
    }

    /// A phone of the operator has registered, perhaps with an address of another family.
    pub(super) fn may_have_pair(&mut self, operator: &OperatorId) {
        let [v4, v6] = &mut self.without_pair;
        if v4.remove(operator) | v6.remove(operator) {
            self.set_no_port_pair(operator, false);
        }
    }

    const fn without_pair_of(&mut self, family: Family) -> &mut BTreeSet<OperatorId> {
        let [v4, v6] = &mut self.without_pair;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    fn set_no_port_pair(&mut self, operator: &OperatorId, no_port_pair: bool) {
        self.floor.change(operator, |facts| {
            facts.no_port_pair = no_port_pair;
            None
        });
    }

    /// Checks that every operator who is not rung for lack of a pair will be rung when one is free.
    pub(super) fn verify_pairs(&self) -> Result<(), String> {
        let waits = |operator: &OperatorId| self.without_pair.iter().any(|waiting| waiting.contains(operator));
        match self.floor.iter().find(|(operator, facts)| facts.no_port_pair != waits(operator)) {
            Some((operator, _)) => Err(format!("whether {operator} lacks a port pair is not known")),
            None => Ok(()),
        }
    }

    /// Sets the family of the port for which a call's caller waits; None: the caller has a port.
    pub fn set_without_port(&mut self, call: CallId, lacks: Option<Family>) {
        self.queue.set_missing_port_family(call, lacks);
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
                let mut lacks = self.queue.missing_port_families_at(desk);
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
