//! The next call for each kind of decision, as far as free port pairs allow.

use super::{DeskNo, DeskSet, Queue, QueuePlace};
use crate::acd::port_pairs::Family;
use crate::counted::Map;
use crate::ids::CallId;
use crate::limits::WAITING_CALLS_SEARCHED_MAX;

impl Queue {
    /// The next call for an operator of this desk.
    pub(in crate::acd) fn first_offerable(&self, desk: DeskNo) -> Option<(QueuePlace, CallId)> {
        self.first_of(self.offerable.get(usize::from(desk.0))?)
    }

    /// True if a call waits for an operator of this desk, whatever port pairs are free.
    pub(in crate::acd) fn has_offerable(&self, desk: DeskNo) -> bool {
        self.offerable.get(usize::from(desk.0)).is_some_and(|calls| !calls.is_empty())
    }

    /// The next call that rings and may ring an operator of this desk as well.
    pub(in crate::acd) fn first_may_ring_more(&self, desk: DeskNo) -> Option<(QueuePlace, CallId)> {
        self.first_of(self.may_ring_more.get(usize::from(desk.0))?)
    }

    /// The first of these calls for which enough port pairs are free.
    fn first_of(&self, calls: &Map<QueuePlace, CallId>) -> Option<(QueuePlace, CallId)> {
        let calls = calls.iter().map(|(place, call)| (*place, *call));
        self.free.first(calls, |(_, call)| self.missing_port_family(*call))
    }

    /// True if port pairs are free for a ring attempt of this call.
    pub(in crate::acd) fn has_pairs_for(&self, call: CallId) -> bool {
        self.free.allow_any(self.missing_port_family(call))
    }

    /// The families of the ports that callers lack, for the first calls that wait for operators of this desk.
    pub(in crate::acd) fn missing_port_families_at(&self, desk: DeskNo) -> impl Iterator<Item = Option<Family>> {
        let calls = self.offerable.get(usize::from(desk.0)).into_iter().flat_map(Map::values);
        calls.take(WAITING_CALLS_SEARCHED_MAX).map(|call| self.missing_port_family(*call))
    }

    fn missing_port_family(&self, call: CallId) -> Option<Family> {
        self.calls.get(&call).and_then(|entry| entry.missing_port_family)
    }

    /// Sets the family of the port for which a call's caller waits; None: the caller has a port.
    pub(in crate::acd) fn set_missing_port_family(&mut self, call: CallId, missing_port_family: Option<Family>) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.missing_port_family = missing_port_family;
        }
    }

    /// The next call for the fallback.
    pub(in crate::acd) fn first_may_fall_back(&self) -> Option<CallId> {
        self.first_of(&self.may_fall_back).map(|(_, call)| call)
    }

    /// The next call that has used all its ring attempts.
    pub(in crate::acd) fn first_spent(&self) -> Option<CallId> {
        self.first_of(&self.attempts_used).map(|(_, call)| call)
    }

    /// The first call without an answer, whether it waits or rings.
    pub(in crate::acd) fn first_unanswered(&self) -> Option<CallId> {
        let first = |calls: &Map<QueuePlace, CallId>| calls.first_key_value().map(|(place, call)| (*place, *call));
        self.by_desks.unanswered.first(|_| true, first)
    }

    /// The next call that may ring operators on a break, among those that ring already or among those that wait.
    pub(in crate::acd) fn first_on_break(&self, rings: bool, wanted: impl Fn(DeskSet) -> bool) -> Option<CallId> {
        let [waiting, ringing] = &self.by_desks.may_ring_on_break;
        (if rings { ringing } else { waiting }).first(wanted, |calls| self.first_of(calls))
    }

    /// The next call that may enter the fallback although operators are at work.
    pub(in crate::acd) fn first_may_fall_back_staffed(&self, wanted: impl Fn(DeskSet) -> bool) -> Option<CallId> {
        self.by_desks.may_fall_back_staffed.first(wanted, |calls| self.first_of(calls))
    }
}
