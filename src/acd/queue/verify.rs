//! Compares the queue's indexes with its calls.

use std::collections::BTreeSet;

use super::{Keys, Queue, Status};
use crate::acd::keys::RING_MAX;

impl Queue {
    /// Compares every index with the calls.
    pub(in crate::acd) fn verify(&self) -> Result<(), String> {
        let mut right = Self::with_desks(self.rings.clone());
        let mut places = BTreeSet::new();
        let mut ringing = Vec::new();
        for (call, entry) in self.calls.iter() {
            right.index(*call, entry.place, Keys::default(), Keys::of(entry, self.service));
            if let Some((at, _)) = entry.widens.last() {
                right.widenings.insert(*at, *call);
            }
            if let Some(at) = entry.overdue_at {
                right.overdues.insert(at, *call);
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
            if matches!(&entry.status, Status::Fallback { to, in_turn, .. } if !in_turn.is_subset(to) || to.len() > RING_MAX)
            {
                return Err(format!("the fallback of call {call} rings too many operators, or does not count some"));
            }
            if entry.status.rings_all_phones() {
                ringing.push(*call);
            }
        }
        if ringing != self.ringing.into_iter().collect::<Vec<_>>() {
            return Err(format!("the fallbacks of {ringing:?} ring operators, the index has {:?}", self.ringing));
        }
        let same = right.waiting == self.waiting
            && right.offerable == self.offerable
            && right.untried == self.untried
            && right.spent == self.spent
            && right.retries.len() == self.retries.len()
            && right.retries.next() == self.retries.next()
            && right.joinable == self.joinable
            && right.growths.len() == self.growths.len()
            && right.growths.next() == self.growths.next()
            && right.waiting_at == self.waiting_at
            && right.unanswered == self.unanswered
            && right.recallable == self.recallable
            && right.stranded == self.stranded
            && right.overdues.len() == self.overdues.len()
            && right.overdues.next() == self.overdues.next()
            && right.widenings.len() == self.widenings.len()
            && right.widenings.next() == self.widenings.next();
        if same { Ok(()) } else { Err("an index of calls differs from the calls".to_owned()) }
    }
}
