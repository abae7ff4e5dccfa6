//! All calls of the ACD in one order: (priority, arrival). A call keeps its place until it ends.

use std::collections::BTreeSet;

use super::desk::{DeskNo, DeskSet, RingPolicy};
use super::keys::{Keys, OFFERS_MAX, OverflowStep, QueuePlace, QueuedCall, RING_MAX, RingMore, Status};
use super::operating_mode::QueueMode;
use super::port_pairs::FreePairs;
use super::sets::CallsBySet;
use crate::clock::{Deadlines, Instant, earliest};
use crate::counted::Map;
use crate::ids::{CallId, OperatorId};

mod fallback;
mod first;
mod priority;
mod verify;

/// The deadlines of calls.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct QueueTimers {
    /// The ends of back-offs after a failed fallback.
    retries: Deadlines<CallId>,
    /// Times at which ringing calls may ring more operators.
    ring_more_at: Deadlines<CallId>,
    /// Times at which calls are offered to additional desks.
    overflow_at: Deadlines<CallId>,
    /// Times at which the waits of calls reach the duration `none_ready`.
    none_ready_at: Deadlines<CallId>,
}

impl QueueTimers {
    fn all(&self) -> [&Deadlines<CallId>; 4] {
        [&self.retries, &self.ring_more_at, &self.overflow_at, &self.none_ready_at]
    }

    /// The first deadline.
    fn next(&self) -> Option<Instant> {
        self.all().into_iter().fold(None, |first, one| earliest(first, one.next()))
    }

    /// True if both have the same number of deadlines of each kind, and the same first deadline of each kind.
    fn agrees_with(&self, other: &Self) -> bool {
        self.all().into_iter().zip(other.all()).all(|(a, b)| a.len() == b.len() && a.next() == b.next())
    }
}

/// Calls by the set of desks to which they may be offered.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct CallsByDesks {
    /// Calls without an answer.
    unanswered: CallsBySet,
    /// Calls that have waited as long as `none_ready` and may ring operators on a break. `[0]`: waiting calls, `[1]`:
    /// ringing calls.
    may_ring_on_break: [CallsBySet; 2],
    /// Calls that have waited as long as `none_ready` and may enter the fallback.
    may_fall_back_staffed: CallsBySet,
}

/// All calls, with indexes.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Queue {
    calls: Map<CallId, QueuedCall>,
    /// Waiting calls.
    waiting: Map<QueuePlace, CallId>,
    /// Number of waiting calls of each desk.
    waiting_at: Vec<usize>,
    /// Calls for which a ready operator can be rung, by desk: waiting calls, and calls that ring only operators on a
    /// break.
    offerable: Vec<Map<QueuePlace, CallId>>,
    /// Waiting calls that may enter the fallback now.
    may_fall_back: Map<QueuePlace, CallId>,
    /// Waiting calls that have used all ring attempts. Each gets one more whenever its fallback is retried.
    attempts_used: Map<QueuePlace, CallId>,
    /// Ringing calls that may ring more operators now, by desk.
    may_ring_more: Vec<Map<QueuePlace, CallId>>,
    /// How many operators the calls of each desk ring.
    ring_policies: Vec<RingPolicy>,
    timers: QueueTimers,
    by_desks: CallsByDesks,
    /// The one call whose fallback rings all phones.
    all_phones_call: Option<CallId>,
    arrivals: u64,
    mode: QueueMode,
    /// Port pairs that ring attempts may take.
    pub(super) free: FreePairs,
}

impl Queue {
    /// Replaces the desks. `rings` has one entry for each new desk, and `renumbered` returns the new index of an old
    /// desk. Calls keep their places. Calls for which operators of additional desks could be rung get the desk
    /// `all_operators` in place of these.
    pub(super) fn set_desks(
        &mut self,
        ring_policies: Vec<RingPolicy>,
        all_operators: DeskNo,
        renumbered: impl Fn(DeskNo) -> DeskNo,
    ) {
        let old = std::mem::replace(self, Self::with_desks(ring_policies));
        (self.all_phones_call, self.arrivals, self.mode, self.free) =
            (old.all_phones_call, old.arrivals, old.mode, old.free);
        if let QueueMode::AllOperators(desk) = &mut self.mode {
            *desk = all_operators;
        }
        for (call, mut entry) in old.calls {
            let (own_desk, had_overflow) = (renumbered(entry.own_desk), entry.desks != DeskSet::of(entry.own_desk));
            entry.own_desk = own_desk;
            entry.desks = DeskSet::of(own_desk);
            if had_overflow {
                entry.desks = entry.desks.and(DeskSet::of(all_operators));
            }
            entry.overflow_steps.iter_mut().for_each(|(_, to)| *to = DeskSet::of(all_operators));
            self.put(call, entry);
        }
    }

    fn with_desks(ring_policies: Vec<RingPolicy>) -> Self {
        let count = ring_policies.len();
        let (offerable, may_ring_more) = (vec![Map::new(); count], vec![Map::new(); count]);
        Self { waiting_at: vec![0; count], offerable, may_ring_more, ring_policies, ..Self::default() }
    }

    /// Adds a call behind all others of its priority, as `add_at`.
    pub(super) fn add(
        &mut self,
        call: CallId,
        (priority, own_desk): (u8, DeskNo),
        overflow_steps: Vec<OverflowStep>,
        overdue_at: Option<Instant>,
    ) {
        let place = (priority, self.arrivals);
        self.arrivals += 1;
        self.add_at(call, (place, own_desk), overflow_steps, overdue_at);
    }

    /// Adds a call at this place. A call that is already in the queue keeps its place. `overflow_steps`: the steps of overflow
    /// and escalation, in any order. `overdue_at`: the time at which the wait reaches `none_ready`; None: it has been
    /// reached.
    pub(super) fn add_at(
        &mut self,
        call: CallId,
        (place, own_desk): (QueuePlace, DeskNo),
        mut overflow_steps: Vec<OverflowStep>,
        overdue_at: Option<Instant>,
    ) {
        if self.calls.contains_key(&call) {
            return;
        }
        let desks = DeskSet::of(own_desk);
        overflow_steps.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let (status, all_phones_next, missing_port_family, recalled) = (Status::Waiting, false, None, BTreeSet::new());
        self.put(
            call,
            QueuedCall {
                place,
                own_desk,
                desks,
                overflow_steps,
                offers: 0,
                overdue_at,
                all_phones_next,
                missing_port_family,
                recalled,
                status,
            },
        );
    }

    fn put(&mut self, call: CallId, entry: QueuedCall) {
        self.index(call, entry.place, Keys::default(), Keys::of(&entry, self.mode));
        if let Some((at, _)) = entry.overflow_steps.last() {
            self.timers.overflow_at.insert(*at, call);
        }
        if let Some(at) = entry.overdue_at {
            self.timers.none_ready_at.insert(at, call);
        }
        self.calls.insert(call, entry);
    }

    /// Sets the state of a call and updates all indexes.
    pub(super) fn set(&mut self, call: CallId, status: Status) {
        self.change(call, |entry| {
            entry.offers += match &status {
                Status::Offered { to, .. } | Status::Fallback { to, .. } => to.len(),
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. } => 0,
            };
            entry.status = status;
            entry.recalled.clear();
        });
    }

    /// Rings one more operator. The call's own desk decides how many more may follow.
    pub(super) fn ring(&mut self, now: Instant, call: CallId, operator: &OperatorId) {
        let own_desk = self.calls.get(&call).map(|entry| entry.own_desk).unwrap_or_default();
        let more = match self.ring_policies.get(usize::from(own_desk.0)).copied().unwrap_or_default() {
            RingPolicy::One => RingMore::Never,
            RingPolicy::All => RingMore::Now,
            RingPolicy::OneMoreEach(span) => RingMore::From(now + span),
        };
        self.ring_with(call, operator, more);
    }

    /// Rings one more operator, who is on a break. Other operators on a break may follow at once.
    pub(super) fn ring_on_break(&mut self, call: CallId, operator: &OperatorId) {
        self.ring_with(call, operator, RingMore::Now);
        self.rings_on_break(call, operator);
    }

    /// Marks an operator who rings for a call as one who was on a break when the ring attempt began.
    pub(super) fn rings_on_break(&mut self, call: CallId, operator: &OperatorId) {
        self.change(call, |entry| {
            entry.recalled.insert(operator.clone());
        });
    }

    pub(super) fn ring_with(&mut self, call: CallId, operator: &OperatorId, more: RingMore) {
        self.change(call, |entry| {
            entry.offers += 1;
            entry.status = std::mem::replace(&mut entry.status, Status::Waiting).with(operator, more);
        });
    }

    /// True if one more operator may ring for this call. Does not check port pairs.
    pub(super) fn may_ring(&self, call: CallId) -> bool {
        self.status(call).is_some_and(|status| match status {
            Status::Waiting | Status::FallbackBackoff { .. } => true,
            Status::Offered { to, .. } => to.len() < RING_MAX,
            Status::Fallback { to, .. } => self.mode != QueueMode::FallbackFirst && to.len() < RING_MAX,
            Status::Talking(_) | Status::Transferring(_) | Status::Placed { .. } => false,
        })
    }

    /// Applies an operating mode. Calls keep their places.
    pub(super) fn set_mode(&mut self, mode: QueueMode) {
        let was = std::mem::replace(&mut self.mode, mode);
        let keys =
            |(call, entry): (&CallId, &QueuedCall)| (*call, entry.place, Keys::of(entry, was), Keys::of(entry, mode));
        let changes: Vec<_> = self.calls.iter().map(keys).collect();
        for (call, place, before, after) in changes {
            self.index(call, place, before, after);
        }
    }

    /// True if the next fallback of a call, while the centre is unstaffed, rings all phones, and not only the number.
    pub(super) fn rings_all_phones_next(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|entry| entry.all_phones_next)
    }

    pub(super) fn set_all_phones_next(&mut self, call: CallId, all_phones_next: bool) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.all_phones_next = all_phones_next;
        }
    }

    /// Removes one operator from those who ring, for a ring attempt or a fallback. After the last one the call waits; if it has used its
    /// attempts, no phone rings for it before `retry`.
    pub(super) fn stop_ringing(&mut self, call: CallId, operator: &OperatorId, retry: Instant) {
        self.change(call, |entry| {
            entry.recalled.remove(operator);
            match &mut entry.status {
                Status::Offered { to, .. } => {
                    to.remove(operator);
                    if to.is_empty() {
                        let attempts_used = entry.offers >= OFFERS_MAX;
                        entry.status =
                            if attempts_used { Status::FallbackBackoff { until: retry } } else { Status::Waiting };
                    }
                }
                Status::Fallback { to, rung_as_ready, .. } => {
                    to.remove(operator);
                    rung_as_ready.remove(operator);
                }
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. } => {}
            }
        });
    }

    /// Like `stop_ringing`, for an operator whose phone was not rung: the ring attempt does not count.
    pub(super) fn leave_unrung(&mut self, call: CallId, operator: &OperatorId, retry: Instant) {
        self.change(call, |entry| entry.offers = entry.offers.saturating_sub(1));
        self.stop_ringing(call, operator, retry);
    }

    fn change(&mut self, call: CallId, apply: impl FnOnce(&mut QueuedCall)) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let (before, place) = (Keys::of(entry, self.mode), entry.place);
        apply(entry);
        let after = Keys::of(entry, self.mode);
        let rings = entry.status.rings_all_phones();
        self.index(call, place, before, after);
        self.set_all_phones_call(call, rings);
    }

    /// Adds a placed call. It never waits.
    pub(super) fn add_placed(&mut self, call: CallId, by: OperatorId) {
        self.add(call, (u8::MAX, DeskNo(0)), Vec::new(), None);
        self.set(call, Status::Placed { by, engaged: BTreeSet::new() });
    }

    /// The operators who take part in a transfer or in a placed call.
    pub(super) fn engaged_mut(&mut self, call: CallId) -> Option<&mut BTreeSet<OperatorId>> {
        match &mut self.calls.get_mut(&call)?.status {
            Status::Transferring(engaged) | Status::Placed { engaged, .. } => Some(engaged),
            Status::Waiting
            | Status::FallbackBackoff { .. }
            | Status::Offered { .. }
            | Status::Fallback { .. }
            | Status::Talking(_) => None,
        }
    }

    /// Removes one operator from a transfer or a placed call. Returns false if the operator did not take part.
    pub(super) fn remove_engaged(&mut self, call: CallId, operator: &OperatorId) -> bool {
        self.engaged_mut(call).is_some_and(|engaged| engaged.remove(operator))
    }

    /// Removes a call and returns its last state.
    pub(super) fn remove(&mut self, call: CallId) -> Option<Status> {
        let entry = self.calls.remove(&call)?;
        self.index(call, entry.place, Keys::of(&entry, self.mode), Keys::default());
        if let Some((at, _)) = entry.overflow_steps.last() {
            self.timers.overflow_at.remove(*at, call);
        }
        if let Some(at) = entry.overdue_at {
            self.timers.none_ready_at.remove(at, call);
        }
        self.set_all_phones_call(call, false);
        Some(entry.status)
    }

    /// Handles due timers: fallback retries, additional desks, further operators.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, call)) = self.timers.overflow_at.pop_due(now) {
            let mut next = None;
            self.change(call, |entry| {
                if let Some((_, more)) = entry.overflow_steps.pop() {
                    entry.desks = entry.desks.and(more);
                }
                next = entry.overflow_steps.last().map(|(at, _)| *at);
            });
            if let Some(at) = next {
                self.timers.overflow_at.insert(at, call);
            }
        }
        while let Some((_, call)) = self.timers.none_ready_at.pop_due(now) {
            self.change(call, |entry| entry.overdue_at = None);
        }
        while let Some((_, call)) = self.timers.ring_more_at.pop_due(now) {
            self.change(call, |entry| {
                if let Status::Offered { more, .. } | Status::Fallback { more, .. } = &mut entry.status {
                    *more = RingMore::Now;
                }
            });
        }
        while let Some((_, call)) = self.timers.retries.pop_due(now) {
            self.set(call, Status::Waiting);
        }
    }

    pub(super) fn status(&self, call: CallId) -> Option<&Status> {
        self.calls.get(&call).map(|entry| &entry.status)
    }

    pub(super) fn place(&self, call: CallId) -> Option<QueuePlace> {
        self.calls.get(&call).map(|entry| entry.place)
    }

    /// The desk of a waiting call, and its position from 1 among the calls that wait for that desk's operators. Searches at most `search_max`
    /// places.
    pub(super) fn position(&self, call: CallId, search_max: usize) -> Option<(DeskNo, usize)> {
        let entry = self.calls.get(&call)?;
        let waits = Keys::of(entry, self.mode).waits?;
        let ahead =
            self.offerable.get(usize::from(waits.0))?.range(..entry.place).take(search_max.saturating_sub(1)).count();
        Some((waits, ahead + 1))
    }

    /// The desks to which a call may be offered, its own first.
    pub(super) fn desks_of(&self, call: CallId) -> impl Iterator<Item = DeskNo> {
        let entry = self.calls.get(&call);
        let more = entry.map(|entry| entry.desks(self.mode)).unwrap_or_default();
        let own_desk = entry.map(|entry| entry.own_desk);
        own_desk.into_iter().chain(more.iter().filter(move |desk| Some(*desk) != own_desk))
    }

    /// Number of waiting calls of a desk.
    pub(super) fn waiting_at(&self, desk: DeskNo) -> usize {
        self.waiting_at.get(usize::from(desk.0)).copied().unwrap_or(0)
    }

    /// The sets of desks to which calls without an answer may be offered.
    pub(super) fn unanswered_sets(&self) -> impl Iterator<Item = DeskSet> {
        self.by_desks.unanswered.sets()
    }

    /// The desk sets of calls that have waited as long as `none_ready`.
    pub(super) fn overdue_sets(&self) -> impl Iterator<Item = DeskSet> {
        let [waiting, ringing] = &self.by_desks.may_ring_on_break;
        waiting.sets().chain(ringing.sets()).chain(self.by_desks.may_fall_back_staffed.sets())
    }

    /// The call whose fallback rings all phones.
    pub(super) fn all_phones_call(&self) -> Option<CallId> {
        self.all_phones_call
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = CallId> {
        self.waiting.values().copied()
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CallId, &Status)> {
        self.calls.iter().map(|(call, entry)| (*call, &entry.status))
    }

    fn set_all_phones_call(&mut self, call: CallId, rings: bool) {
        if rings {
            self.all_phones_call = Some(call);
        } else if self.all_phones_call == Some(call) {
            self.all_phones_call = None;
        }
    }

    fn index(&mut self, call: CallId, place: QueuePlace, before: Keys, after: Keys) {
        for (desk, up) in [(before.waits, false), (after.waits, true)] {
            if let Some(count) = desk.and_then(|desk| self.waiting_at.get_mut(usize::from(desk.0))) {
                *count = if up { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        if before.offerable != after.offerable {
            for (desk, index) in (0..).map(DeskNo).zip(&mut self.offerable) {
                set_member(index, place, call, before.offerable.has(desk), after.offerable.has(desk));
            }
        }
        if before.may_ring_more != after.may_ring_more {
            for (desk, index) in (0..).map(DeskNo).zip(&mut self.may_ring_more) {
                set_member(index, place, call, before.may_ring_more.has(desk), after.may_ring_more.has(desk));
            }
        }
        self.by_desks.unanswered.set_member(place, call, before.unanswered, after.unanswered);
        self.by_desks.may_fall_back_staffed.set_member(
            place,
            call,
            before.may_fall_back_staffed,
            after.may_fall_back_staffed,
        );
        for (index, rings) in self.by_desks.may_ring_on_break.iter_mut().zip([false, true]) {
            let of = |keys: Keys| keys.may_ring_on_break.filter(|(rung, _)| *rung == rings).map(|(_, set)| set);
            index.set_member(place, call, of(before), of(after));
        }
        let indexes = [
            (&mut self.waiting, before.waits.is_some(), after.waits.is_some()),
            (&mut self.may_fall_back, before.may_fall_back, after.may_fall_back),
            (&mut self.attempts_used, before.attempts_used, after.attempts_used),
        ];
        for (index, was, is) in indexes {
            set_member(index, place, call, was, is);
        }
        // A deadline that has just expired is no longer in the index.
        let deadlines = [
            (&mut self.timers.retries, before.retry, after.retry),
            (&mut self.timers.ring_more_at, before.ring_more_at, after.ring_more_at),
        ];
        for (index, was, is) in deadlines {
            if let Some(at) = was {
                index.remove(at, call);
            }
            if let Some(at) = is {
                index.insert(at, call);
            }
        }
    }
}

/// Adds a call to an index or removes it.
fn set_member(index: &mut Map<QueuePlace, CallId>, place: QueuePlace, call: CallId, was: bool, is: bool) {
    if was && !is {
        index.remove(&place);
    } else if is && !was {
        index.insert(place, call);
    }
}
