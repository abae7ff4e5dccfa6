//! The rules for calls that wait while operators are at work and none of them is ready.

use std::collections::BTreeSet;

use siaga::acd::OperatingMode;
use siaga::clock::Instant;
use siaga::ids::{CallId, OperatorId};

use super::{Busy, Caller, Fate, Person, RING_MAX, Scheduler};

impl Scheduler {
    /// True if the next ready operator may be rung for this call in the common order: it waits, or rings no operator who was ready.
    pub(super) fn is_open(&self, caller: &Caller) -> bool {
        let operators_first = self.mode != OperatingMode::Fallback;
        let none_was_ready = |names: &BTreeSet<OperatorId>| {
            names.len() < RING_MAX && names.iter().all(|name| self.people[name].recalled)
        };
        match &caller.fate {
            Fate::Waits => operators_first,
            Fate::Held(_) => true,
            Fate::Rings(names, _) => none_was_ready(names),
            Fate::FallsBack(_, in_turn, _) => operators_first && none_was_ready(in_turn),
            Fate::Talks(_) => false,
        }
    }

    /// Rings operators on a break while no operator is ready or rung: for calls that wait, then for those that ring and may ring all.
    pub(super) fn recall(&self, order: &[(&CallId, &Caller)], now: Instant) -> Option<(CallId, Vec<OperatorId>)> {
        let on_break = |one: &Person| Self::staffed(one) && one.paused && one.busy == Busy::Free && one.rests.is_none();
        let waits = |caller: &Caller| match caller.fate {
            Fate::Waits => self.mode != OperatingMode::Fallback,
            Fate::Held(_) => true,
            Fate::Rings(..) | Fate::FallsBack(..) | Fate::Talks(_) => false,
        };
        let rings = |caller: &Caller| match &caller.fate {
            Fate::Rings(names, from) => {
                let all = from.is_some_and(|from| from <= now) || self.mode == OperatingMode::MajorIncident;
                (all || self.is_open(caller)) && names.len() + 1 < RING_MAX
            }
            Fate::Waits | Fate::Held(_) | Fate::FallsBack(..) | Fate::Talks(_) => false,
        };
        let kinds: [&dyn Fn(&Caller) -> bool; 2] = [&waits, &rings];
        for kind in kinds {
            for (call, caller) in order.iter().filter(|(_, caller)| kind(caller) && self.none_ready_for(caller, now)) {
                let who = self.who_of(caller, now, on_break);
                if !who.is_empty() {
                    return Some((**call, who));
                }
            }
        }
        None
    }

    /// True if for `none_ready` this call has waited and no operator of its desks was ready or rung.
    pub(super) fn none_ready_for(&self, caller: &Caller, now: Instant) -> bool {
        let long = |since: Instant| since + self.settings.none_ready <= now;
        let at = |desk: usize| self.none_ready_since.get(&desk).copied().is_some_and(long);
        long(caller.arrived) && self.desks_of(caller, now).into_iter().all(at)
    }

    pub(super) fn is_busy(&self, desk: usize) -> bool {
        let busy = |one: &Person| matches!(one.busy, Busy::Talks(..) | Busy::WrapsUp(..));
        self.people.iter().any(|(name, one)| self.level(desk, name).is_some() && busy(one))
    }

    /// Notes which desks have no operator who is ready or rung.
    pub(in super::super) fn look(&mut self, now: Instant) {
        for desk in 0..self.desks.len() {
            let alert = |(name, one): (&OperatorId, &Person)| {
                let rung = matches!(one.busy, Busy::Rung(_)) && !one.recalled;
                let ready = Self::staffed(one) && !one.paused && one.busy == Busy::Free;
                self.level(desk, name).is_some() && (rung || ready)
            };
            if self.people.iter().any(alert) {
                self.none_ready_since.remove(&desk);
            } else {
                self.none_ready_since.entry(desk).or_insert(now);
            }
        }
    }
}

impl Caller {
    pub(super) fn rings_in_turn(&self, name: &OperatorId) -> bool {
        matches!(&self.fate, Fate::Rings(names, _) | Fate::FallsBack(_, names, _) if names.contains(name))
    }
}

impl Fate {
    /// The operators who ring.
    pub(crate) fn rung(&self) -> BTreeSet<OperatorId> {
        match self {
            Self::Rings(names, _) => names.clone(),
            Self::FallsBack(names, in_turn, _) => names.union(in_turn).cloned().collect(),
            Self::Waits | Self::Held(_) | Self::Talks(_) => BTreeSet::new(),
        }
    }
}
