//! Compares the queue's indexes with its calls.

use std::collections::BTreeSet;

use super::{Keys, Queue, Status};
use crate::acd::keys::RING_MAX;

impl Queue {
    /// Compares every index with the calls.
    pub(in crate::acd) fn verify(&self) -> Result<(), String> {
        let mut expected = Self::with_desks(self.ring_policies.clone());
        let mut places = BTreeSet::new();
        let mut ringing = Vec::new();
        for (call, entry) in self.calls.iter() {
            expected.index(*call, entry.place, Keys::default(), Keys::of(entry, self.mode));
            if let Some((at, _)) = entry.overflow_steps.last() {
                expected.timers.overflow_at.insert(*at, *call);
            }
            if let Some(at) = entry.overdue_at {
                expected.timers.none_ready_at.insert(at, *call);
            }
            if matches!(&entry.status, Status::Offered { to, .. } if to.is_empty() || to.len() > RING_MAX) {
                return Err(format!("call {call} rings no operator, or too many"));
            }
            if entry.recalled.iter().any(|operator| !self.is_in_turn(*call, operator)) {
                return Err(format!("call {call} counts an operator on a break who does not ring for it"));
            }
            if !places.insert(entry.place) || entry.place.1 >= self.arrivals {
                return Err(format!("call {call} shares its place, or has a place that was never given"));
            }
            if matches!(&entry.status, Status::Fallback { to, rung_as_ready, .. } if !rung_as_ready.is_subset(to) || to.len() > RING_MAX)
            {
                return Err(format!("the fallback of call {call} rings too many operators, or does not count some"));
            }
            if entry.status.rings_all_phones() {
                ringing.push(*call);
            }
        }
        if ringing != self.all_phones_call.into_iter().collect::<Vec<_>>() {
            return Err(format!(
                "the fallbacks of {ringing:?} ring operators, the index has {:?}",
                self.all_phones_call
            ));
        }
        let same = expected.waiting == self.waiting
            && expected.offerable == self.offerable
            && expected.may_fall_back == self.may_fall_back
            && expected.attempts_used == self.attempts_used
            && expected.may_ring_more == self.may_ring_more
            && expected.waiting_at == self.waiting_at
            && expected.by_desks == self.by_desks
            && expected.timers.agrees_with(&self.timers);
        if same { Ok(()) } else { Err("an index of calls differs from the calls".to_owned()) }
    }
}
