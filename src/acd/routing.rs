//! The next decision: which operator is rung for which call.

use super::desk::DeskNo;
use super::keys::{QueuePlace, RING_MAX};
use super::queue::Queue;
use super::{Acd, Availability, Decision, OperatingMode, Status};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// Returns the next decision, or None if there is nothing to do. The switchboard calls this at the end of every step.
    ///
    /// Withdrawals come first, then ring attempts for waiting calls, then operators who are added to ringing calls,
    /// then fallbacks. While the centre is unstaffed, every waiting call enters its fallback at once. A fallback in
    /// progress continues when an operator becomes ready, and the operator rings as well: such calls get ring attempts
    /// in the common order, like waiting calls. In the operating mode `Fallback` the fallback comes before the ring
    /// attempts; calls whose fallback failed get ring attempts until the next try. While operators are at work and none
    /// is ready, calls that have waited as long as `none_ready` ring operators on a break before they enter the
    /// fallback.
    pub fn decide(&mut self, now: Now) -> Option<Decision> {
        self.expire(now);
        self.look_at_desks(now);
        let next = self.next_withdrawal().or_else(|| self.next_offer(now, Queue::first_offerable));
        let next = next.or_else(|| self.next_offer(now, Queue::first_may_ring_more)).or_else(|| self.next_on_break());
        next.or_else(|| self.next_fallback())
    }

    /// Rings a chosen operator for a waiting or ringing call, whatever the order; both are reserved for each other.
    /// Returns false, and changes nothing, if the operator is not free, or the call does not wait or has used all its
    /// ring attempts.
    pub fn offer_out_of_turn(&mut self, now: Now, call: CallId, operator: &OperatorId) -> bool {
        let may_ring = self.queue.may_ring(call) && self.queue.has_pairs_for(call);
        if self.availability(operator) != Availability::Free || !may_ring {
            return false;
        }
        self.queue.ring(now.mono, call, operator);
        self.assign(call, operator);
        true
    }

    fn next_withdrawal(&mut self) -> Option<Decision> {
        while let Some(operator) = self.withdrawals.pop_first() {
            if let Some(call) = self.floor.get(&operator).and_then(|facts| facts.call()) {
                return Some(Decision::Withdraw { call, operator });
            }
        }
        None
    }

    /// Rings a ready operator for the first call, in the common order, that `first` selects at a desk with ready operators. The call's own
    /// desk comes before its other desks. Operators who ring for the call already continue to ring.
    fn next_offer(
        &mut self,
        now: Now,
        first: impl Fn(&Queue, DeskNo) -> Option<(QueuePlace, CallId)>,
    ) -> Option<Decision> {
        let has_ready = |desk: &DeskNo| self.floor.ready_count(self.stand_in(*desk)) > 0;
        let (_, call) = self.desks().filter(has_ready).filter_map(|desk| first(&self.queue, desk)).min()?;
        let home = self.queue.desks_of(call).next()?;
        let desk = self.stand_in(self.queue.desks_of(call).find(has_ready)?);
        let operator = self.floor.first_ready(desk, &mut self.rng)?;
        let mut why = self.why(now, call, (home, desk), &operator);
        if self.mode == OperatingMode::MajorIncident {
            why.insert_str(0, "major incident: ");
        }
        self.queue.ring(now.mono, call, &operator);
        self.assign(call, &operator);
        Some(Decision::Offer { call, operator, why })
    }

    pub(super) fn desks(&self) -> impl Iterator<Item = DeskNo> + use<> {
        let count = self.settings.desks.len().max(usize::from(self.all_operators.0) + 1);
        (0..u8::try_from(count).unwrap_or(u8::MAX)).map(DeskNo)
    }

    /// The desk whose operators are rung for the calls of `desk`: the desk itself, or all operators while it is unstaffed.
    pub(super) fn stand_in(&self, desk: DeskNo) -> DeskNo {
        if self.floor.staffed_at(desk) > 0 { desk } else { self.all_operators }
    }

    pub(super) fn assign(&mut self, call: CallId, operator: &OperatorId) {
        self.offers += 1;
        let nth = self.offers;
        self.floor.change(operator, |facts| {
            facts.reserve(call, nth);
            None
        });
    }

    fn next_fallback(&mut self) -> Option<Decision> {
        let staffed = self.floor.staffed_count() > 0;
        if let Some(call) = self.queue.first_spent().filter(|_| staffed) {
            return Some(self.begin_fallback(call, 0));
        }
        if self.mode == OperatingMode::Fallback {
            let call = self.queue.first_may_fall_back()?;
            // The number comes before the phones; while the centre is unstaffed, they alternate.
            if staffed || !self.queue.rings_all_phones_next(call) {
                self.queue.set_all_phones_next(call, true);
                return Some(self.begin_fallback(call, 0));
            }
        }
        let call = if staffed { self.due_staffed_fallback()? } else { self.queue.first_may_fall_back()? };
        self.queue.set_all_phones_next(call, false);
        // One leg stays free for an operator who becomes ready.
        let most = if self.queue.all_phones_call().is_none() { RING_MAX - 1 } else { 0 };
        Some(self.begin_fallback(call, most))
    }

    fn begin_fallback(&mut self, call: CallId, most: usize) -> Decision {
        let operators = self.floor.callable(most);
        self.queue.set(call, Status::fallback(&operators));
        for operator in &operators {
            self.assign(call, operator);
        }
        Decision::Fallback { call, operators }
    }
}
