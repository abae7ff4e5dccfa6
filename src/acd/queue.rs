//! All calls of the distributor in one order: (priority, arrival). A call keeps its place until it ends.

use std::collections::BTreeSet;

use super::desk::{DeskNo, DeskSet, Ring};
use super::keys::{Keys, More, OFFERS_MAX, OverflowStep, Place, QueuedCall, RING_MAX, Status};
use super::pairs::FreePairs;
use super::posture::QueueMode;
use super::sets::CallsBySet;
use crate::clock::{Deadlines, Instant, earliest};
use crate::counted::Map;
use crate::ids::{CallId, OperatorId};

mod fallback;
mod first;
mod priority;
mod verify;

/// All calls, with indexes.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Queue {
    calls: Map<CallId, QueuedCall>,
    /// Waiting calls.
    waiting: Map<Place, CallId>,
    /// Number of waiting calls of each desk.
    waiting_at: Vec<usize>,
    /// Waiting calls that can be offered to an operator, by desk.
    offerable: Vec<Map<Place, CallId>>,
    /// Waiting calls that may enter the fallback now.
    untried: Map<Place, CallId>,
    /// Waiting calls that have used all ring attempts: only the fallback is left.
    spent: Map<Place, CallId>,
    retries: Deadlines<CallId>,
    /// Ringing calls that may ring more operators now, by desk.
    joinable: Vec<Map<Place, CallId>>,
    /// Times at which ringing calls may ring more operators.
    growths: Deadlines<CallId>,
    /// How many operators the calls of each desk ring.
    rings: Vec<Ring>,
    /// Times at which calls are offered to additional desks.
    widenings: Deadlines<CallId>,
    /// Times at which calls will have waited for `none_ready`.
    overdues: Deadlines<CallId>,
    /// Calls without an answer.
    unanswered: CallsBySet,
    /// Calls that have waited for `none_ready` and may ring operators on a break. `[0]`: waiting calls, `[1]`: ringing calls.
    recallable: [CallsBySet; 2],
    /// Calls that have waited for `none_ready` and may enter the fallback.
    stranded: CallsBySet,
    /// The one call whose fallback rings all phones.
    ringing: Option<CallId>,
    arrivals: u64,
    service: QueueMode,
    /// Port pairs that ring attempts may take.
    pub(super) free: FreePairs,
}

impl Queue {
    /// Sets the number of desks, and the new number of each former desk. Calls keep their places. Calls that were offered to additional
    /// desks are offered to `everybody`.
    pub(super) fn set_desks(&mut self, rings: Vec<Ring>, everybody: DeskNo, now_called: impl Fn(DeskNo) -> DeskNo) {
        let old = std::mem::replace(self, Self::with_desks(rings));
        (self.ringing, self.arrivals, self.service, self.free) = (old.ringing, old.arrivals, old.service, old.free);
        if let QueueMode::AllOperators(desk) = &mut self.service {
            *desk = everybody;
        }
        for (call, mut entry) in old.calls {
            let (home, had_widened) = (now_called(entry.home), entry.desks != DeskSet::of(entry.home));
            entry.home = home;
            entry.desks = DeskSet::of(home);
            if had_widened {
                entry.desks = entry.desks.and(DeskSet::of(everybody));
            }
            entry.widens.iter_mut().for_each(|(_, to)| *to = DeskSet::of(everybody));
            self.put(call, entry);
        }
    }

    fn with_desks(rings: Vec<Ring>) -> Self {
        let count = rings.len();
        let (offerable, joinable) = (vec![Map::new(); count], vec![Map::new(); count]);
        Self { waiting_at: vec![0; count], offerable, joinable, rings, ..Self::default() }
    }

    /// Adds a call behind all others of its priority, as `add_at`.
    pub(super) fn add(
        &mut self,
        call: CallId,
        (priority, home): (u8, DeskNo),
        widens: Vec<OverflowStep>,
        overdue_at: Option<Instant>,
    ) {
        let place = (priority, self.arrivals);
        self.arrivals += 1;
        self.add_at(call, (place, home), widens, overdue_at);
    }

    /// Adds a call at this place. A call that is already in the queue keeps its place. `widens`: when the call is offered to which
    /// additional desks, in any order. `overdue_at`: when it will have waited for `none_ready`; None: it already has.
    pub(super) fn add_at(
        &mut self,
        call: CallId,
        (place, home): (Place, DeskNo),
        mut widens: Vec<OverflowStep>,
        overdue_at: Option<Instant>,
    ) {
        if self.calls.contains_key(&call) {
            return;
        }
        let desks = DeskSet::of(home);
        widens.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let (status, phones_turn, lacks, recalled) = (Status::Waiting, false, None, BTreeSet::new());
        self.put(
            call,
            QueuedCall { place, home, desks, widens, offers: 0, overdue_at, phones_turn, lacks, recalled, status },
        );
    }

    fn put(&mut self, call: CallId, entry: QueuedCall) {
        self.index(call, entry.place, Keys::default(), Keys::of(&entry, self.service));
        if let Some((at, _)) = entry.widens.last() {
            self.widenings.insert(*at, call);
        }
        if let Some(at) = entry.overdue_at {
            self.overdues.insert(at, call);
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
        let home = self.calls.get(&call).map(|entry| entry.home).unwrap_or_default();
        let more = match self.rings.get(usize::from(home.0)).copied().unwrap_or_default() {
            Ring::One => More::Never,
            Ring::All => More::Now,
            Ring::OneMoreEach(span) => More::From(now + span),
        };
        self.ring_with(call, operator, more);
    }

    /// Rings one more operator, who is on a break. Other operators on a break may follow at once.
    pub(super) fn recall(&mut self, call: CallId, operator: &OperatorId) {
        self.ring_with(call, operator, More::Now);
        self.rings_on_break(call, operator);
    }

    /// Marks an operator who rings for a call as one who was on a break when the ring attempt began.
    pub(super) fn rings_on_break(&mut self, call: CallId, operator: &OperatorId) {
        self.change(call, |entry| {
            entry.recalled.insert(operator.clone());
        });
    }

    pub(super) fn ring_with(&mut self, call: CallId, operator: &OperatorId, more: More) {
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
            Status::Fallback { to, .. } => self.service != QueueMode::FallbackFirst && to.len() < RING_MAX,
            Status::Talking(_) | Status::Transferring(_) | Status::Placed { .. } => false,
        })
    }

    /// Applies an operating mode. Calls keep their places.
    pub(super) fn serve(&mut self, service: QueueMode) {
        let was = std::mem::replace(&mut self.service, service);
        let keys = |(call, entry): (&CallId, &QueuedCall)| {
            (*call, entry.place, Keys::of(entry, was), Keys::of(entry, service))
        };
        let changes: Vec<_> = self.calls.iter().map(keys).collect();
        for (call, place, before, after) in changes {
            self.index(call, place, before, after);
        }
    }

    /// True if the next fallback of an unstaffed call rings all phones, and not only the number.
    pub(super) fn is_phones_turn(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|entry| entry.phones_turn)
    }

    pub(super) fn set_phones_turn(&mut self, call: CallId, phones_turn: bool) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.phones_turn = phones_turn;
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
                        let spent = entry.offers >= OFFERS_MAX;
                        entry.status = if spent { Status::FallbackBackoff { until: retry } } else { Status::Waiting };
                    }
                }
                Status::Fallback { to, in_turn, .. } => {
                    to.remove(operator);
                    in_turn.remove(operator);
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
        let (before, place) = (Keys::of(entry, self.service), entry.place);
        apply(entry);
        let after = Keys::of(entry, self.service);
        let rings = entry.status.rings_all_phones();
        self.index(call, place, before, after);
        self.set_ringing(call, rings);
    }

    /// Adds a placed call. It never waits.
    pub(super) fn add_direct(&mut self, call: CallId, by: OperatorId) {
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
    pub(super) fn disengage(&mut self, call: CallId, operator: &OperatorId) -> bool {
        self.engaged_mut(call).is_some_and(|engaged| engaged.remove(operator))
    }

    /// Removes a call and returns its last state.
    pub(super) fn remove(&mut self, call: CallId) -> Option<Status> {
        let entry = self.calls.remove(&call)?;
        self.index(call, entry.place, Keys::of(&entry, self.service), Keys::default());
        if let Some((at, _)) = entry.widens.last() {
            self.widenings.remove(*at, call);
        }
        if let Some(at) = entry.overdue_at {
            self.overdues.remove(at, call);
        }
        self.set_ringing(call, false);
        Some(entry.status)
    }

    /// Handles due timers: fallback retries, additional desks, further operators.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, call)) = self.widenings.pop_due(now) {
            let mut next = None;
            self.change(call, |entry| {
                if let Some((_, more)) = entry.widens.pop() {
                    entry.desks = entry.desks.and(more);
                }
                next = entry.widens.last().map(|(at, _)| *at);
            });
            if let Some(at) = next {
                self.widenings.insert(at, call);
            }
        }
        while let Some((_, call)) = self.overdues.pop_due(now) {
            self.change(call, |entry| entry.overdue_at = None);
        }
        while let Some((_, call)) = self.growths.pop_due(now) {
            self.change(call, |entry| {
                if let Status::Offered { more, .. } | Status::Fallback { more, .. } = &mut entry.status {
                    *more = More::Now;
                }
            });
        }
        while let Some((_, call)) = self.retries.pop_due(now) {
            self.set(call, Status::Waiting);
        }
    }

    pub(super) fn status(&self, call: CallId) -> Option<&Status> {
        self.calls.get(&call).map(|entry| &entry.status)
    }

    pub(super) fn place(&self, call: CallId) -> Option<Place> {
        self.calls.get(&call).map(|entry| entry.place)
    }

    /// The desk of a waiting call, and its position from 1 among the calls that wait for that desk's operators. Searches at most `far`
    /// places.
    pub(super) fn position(&self, call: CallId, far: usize) -> Option<(DeskNo, usize)> {
        let entry = self.calls.get(&call)?;
        let waits = Keys::of(entry, self.service).waits?;
        let ahead = self.offerable.get(usize::from(waits.0))?.range(..entry.place).take(far.saturating_sub(1)).count();
        Some((waits, ahead + 1))
    }

    /// The desks to which a call may be offered, its own first.
    pub(super) fn desks_of(&self, call: CallId) -> impl Iterator<Item = DeskNo> {
        let entry = self.calls.get(&call);
        let more = entry.map(|entry| entry.desks(self.service)).unwrap_or_default();
        let home = entry.map(|entry| entry.home);
        home.into_iter().chain(more.iter().filter(move |desk| Some(*desk) != home))
    }

    /// Number of waiting calls of a desk.
    pub(super) fn waiting_at(&self, desk: DeskNo) -> usize {
        self.waiting_at.get(usize::from(desk.0)).copied().unwrap_or(0)
    }

    /// The sets of desks to which calls without an answer may be offered.
    pub(super) fn unanswered_sets(&self) -> impl Iterator<Item = DeskSet> {
        self.unanswered.sets()
    }

    /// The desk sets of calls that have waited for `none_ready`.
    pub(super) fn overdue_sets(&self) -> impl Iterator<Item = DeskSet> {
        let [waiting, ringing] = &self.recallable;
        waiting.sets().chain(ringing.sets()).chain(self.stranded.sets())
    }

    /// The call whose fallback rings all phones.
    pub(super) fn ringing(&self) -> Option<CallId> {
        self.ringing
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = CallId> {
        self.waiting.values().copied()
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let growths = earliest(self.growths.next(), self.overdues.next());
        earliest(earliest(self.retries.next(), self.widenings.next()), growths)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CallId, &Status)> {
        self.calls.iter().map(|(call, entry)| (*call, &entry.status))
    }

    fn set_ringing(&mut self, call: CallId, rings: bool) {
        if rings {
            self.ringing = Some(call);
        } else if self.ringing == Some(call) {
            self.ringing = None;
        }
    }

    fn index(&mut self, call: CallId, place: Place, before: Keys, after: Keys) {
        for (desk, up) in [(before.waits, false), (after.waits, true)] {
            if let Some(count) = desk.and_then(|desk| self.waiting_at.get_mut(usize::from(desk.0))) {
                *count = if up { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        if before.offerable != after.offerable {
            for (desk, index) in (0..).map(DeskNo).zip(&mut self.offerable) {
                file(index, place, call, before.offerable.has(desk), after.offerable.has(desk));
            }
        }
        if before.joinable != after.joinable {
            for (desk, index) in (0..).map(DeskNo).zip(&mut self.joinable) {
                file(index, place, call, before.joinable.has(desk), after.joinable.has(desk));
            }
        }
        self.unanswered.file(place, call, before.unanswered, after.unanswered);
        self.stranded.file(place, call, before.stranded, after.stranded);
        for (index, rings) in self.recallable.iter_mut().zip([false, true]) {
            let of = |keys: Keys| keys.recallable.filter(|(rung, _)| *rung == rings).map(|(_, set)| set);
            index.file(place, call, of(before), of(after));
        }
        let indexes = [
            (&mut self.waiting, before.waits.is_some(), after.waits.is_some()),
            (&mut self.untried, before.untried, after.untried),
            (&mut self.spent, before.spent, after.spent),
        ];
        for (index, was, is) in indexes {
            file(index, place, call, was, is);
        }
        // A deadline that has just expired is no longer in the index.
        let deadlines =
            [(&mut self.retries, before.retry, after.retry), (&mut self.growths, before.grows, after.grows)];
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
fn file(index: &mut Map<Place, CallId>, place: Place, call: CallId, was: bool, is: bool) {
    if was && !is {
        index.remove(&place);
    } else if is && !was {
        index.insert(place, call);
    }
}
