//! All calls that the distributor has, in one order: (priority, arrival). A call keeps its place until it is over.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::{Deadlines, Instant};
use crate::ids::{CallId, OperatorId};
use crate::limits;

/// Offers that one call may get: the caller's leg and one for a number keep room.
const OFFERS_MAX: usize = limits::LEGS_PER_CALL_MAX - 2;

/// A place in the order: lower numbers are served first.
type Place = (u8, u64);

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Wants an operator, or the fallback.
    Waiting,
    /// Its fallback failed: wants an operator, and the fallback again from `until`.
    Held {
        until: Instant,
    },
    /// Rings at one operator.
    Offered(OperatorId),
    /// The fallback has it and rings at these.
    Fallback(BTreeSet<OperatorId>),
    Talking(OperatorId),
    /// Its operator passes it on: he talks, and whom it goes to rings; either may have gone.
    Moving(BTreeSet<OperatorId>),
    /// No emergency call: an operator has placed it. Those who ring or talk for it and for nothing else.
    Direct {
        by: OperatorId,
        engaged: BTreeSet<OperatorId>,
    },
}

#[derive(Clone, Debug)]
struct Call {
    place: Place,
    /// Offers made so far.
    offers: usize,
    status: Status,
}

/// What the indexes hold of one call.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Keys {
    waits: bool,
    offerable: bool,
    untried: bool,
    spent: bool,
    retry: Option<Instant>,
}

impl Keys {
    fn of(call: &Call) -> Self {
        let spent = call.offers >= OFFERS_MAX;
        match &call.status {
            Status::Waiting => Self { waits: true, offerable: !spent, untried: true, spent, retry: None },
            Status::Held { until } => {
                Self { waits: true, offerable: !spent, untried: false, spent: false, retry: Some(*until) }
            }
            Status::Offered(_)
            | Status::Fallback(_)
            | Status::Talking(_)
            | Status::Moving(_)
            | Status::Direct { .. } => Self::default(),
        }
    }
}

/// The calls.
#[derive(Debug, Default)]
pub(super) struct Queue {
    calls: BTreeMap<CallId, Call>,
    /// Every call that waits.
    waiting: BTreeMap<Place, CallId>,
    /// Of these, the ones that can be offered to an operator.
    offerable: BTreeMap<Place, CallId>,
    /// Of those that wait, the ones that the fallback may take now.
    untried: BTreeMap<Place, CallId>,
    /// Of those that wait, the ones that have had all their offers: only the fallback is left.
    spent: BTreeMap<Place, CallId>,
    retries: Deadlines<CallId>,
    /// The one call whose fallback rings operators.
    ringing: Option<CallId>,
    arrivals: u64,
}

impl Queue {
    /// Gives a call its place. One that is here already keeps its own.
    pub(super) fn add(&mut self, call: CallId, priority: u8) {
        if self.calls.contains_key(&call) {
            return;
        }
        let entry = Call { place: (priority, self.arrivals), offers: 0, status: Status::Waiting };
        self.arrivals += 1;
        self.index(call, entry.place, Keys::default(), Keys::of(&entry));
        self.calls.insert(call, entry);
    }

    /// Sets what becomes of a call.
    pub(super) fn set(&mut self, call: CallId, status: Status) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let (before, place) = (Keys::of(entry), entry.place);
        entry.offers += match &status {
            Status::Offered(_) => 1,
            Status::Fallback(operators) => operators.len(),
            Status::Waiting | Status::Held { .. } | Status::Talking(_) | Status::Moving(_) | Status::Direct { .. } => 0,
        };
        entry.status = status;
        let after = Keys::of(entry);
        let rings = matches!(&entry.status, Status::Fallback(operators) if !operators.is_empty());
        self.index(call, place, before, after);
        self.set_ringing(call, rings);
    }

    /// Takes one operator out of a fallback that goes on.
    pub(super) fn leave_fallback(&mut self, call: CallId, operator: &OperatorId) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        if let Status::Fallback(operators) = &mut entry.status {
            operators.remove(operator);
            let rings = !operators.is_empty();
            self.set_ringing(call, rings);
        }
    }

    /// Gives a call that an operator places a place of its own; it never waits in it.
    pub(super) fn add_direct(&mut self, call: CallId, by: OperatorId) {
        self.add(call, u8::MAX);
        self.set(call, Status::Direct { by, engaged: BTreeSet::new() });
    }

    /// Who is engaged with a call outside the queue's order.
    pub(super) fn engaged_mut(&mut self, call: CallId) -> Option<&mut BTreeSet<OperatorId>> {
        match &mut self.calls.get_mut(&call)?.status {
            Status::Moving(engaged) | Status::Direct { engaged, .. } => Some(engaged),
            Status::Waiting | Status::Held { .. } | Status::Offered(_) | Status::Fallback(_) | Status::Talking(_) => {
                None
            }
        }
    }

    /// Takes one operator out of those who are engaged with a call. False when he was not.
    pub(super) fn disengage(&mut self, call: CallId, operator: &OperatorId) -> bool {
        self.engaged_mut(call).is_some_and(|engaged| engaged.remove(operator))
    }

    /// Forgets a call; returns what became of it.
    pub(super) fn remove(&mut self, call: CallId) -> Option<Status> {
        let entry = self.calls.remove(&call)?;
        self.index(call, entry.place, Keys::of(&entry), Keys::default());
        self.set_ringing(call, false);
        Some(entry.status)
    }

    /// Lets calls whose retry is due into the fallback again.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, call)) = self.retries.pop_due(now) {
            self.set(call, Status::Waiting);
        }
    }

    pub(super) fn status(&self, call: CallId) -> Option<&Status> {
        self.calls.get(&call).map(|entry| &entry.status)
    }

    /// The next call for an operator.
    pub(super) fn first_offerable(&self) -> Option<CallId> {
        self.offerable.first_key_value().map(|(_, call)| *call)
    }

    /// The next call for the fallback.
    pub(super) fn first_untried(&self) -> Option<CallId> {
        self.untried.first_key_value().map(|(_, call)| *call)
    }

    /// The next call that no more offers can be made for.
    pub(super) fn first_spent(&self) -> Option<CallId> {
        self.spent.first_key_value().map(|(_, call)| *call)
    }

    /// The call whose fallback rings operators.
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
        self.retries.next()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CallId, &Status)> {
        self.calls.iter().map(|(call, entry)| (*call, &entry.status))
    }

    /// Compares every index with the calls.
    pub(super) fn verify(&self) -> Result<(), String> {
        let mut right = Self::default();
        let mut places = BTreeSet::new();
        let mut ringing = Vec::new();
        for (call, entry) in &self.calls {
            right.index(*call, entry.place, Keys::default(), Keys::of(entry));
            if !places.insert(entry.place) || entry.place.1 >= self.arrivals {
                return Err(format!("the place of call {call} is not its own"));
            }
            if matches!(&entry.status, Status::Fallback(operators) if !operators.is_empty()) {
                ringing.push(*call);
            }
        }
        if ringing != self.ringing.into_iter().collect::<Vec<_>>() {
            return Err(format!("the fallbacks of {ringing:?} ring operators, {:?} is known", self.ringing));
        }
        let same = right.waiting == self.waiting
            && right.offerable == self.offerable
            && right.untried == self.untried
            && right.spent == self.spent
            && right.retries.len() == self.retries.len()
            && right.retries.next() == self.retries.next();
        if same { Ok(()) } else { Err("an index of calls differs from the calls".to_owned()) }
    }

    fn set_ringing(&mut self, call: CallId, rings: bool) {
        if rings {
            self.ringing = Some(call);
        } else if self.ringing == Some(call) {
            self.ringing = None;
        }
    }

    fn index(&mut self, call: CallId, place: Place, before: Keys, after: Keys) {
        let indexes = [
            (&mut self.waiting, before.waits, after.waits),
            (&mut self.offerable, before.offerable, after.offerable),
            (&mut self.untried, before.untried, after.untried),
            (&mut self.spent, before.spent, after.spent),
        ];
        for (index, was, is) in indexes {
            if was && !is {
                index.remove(&place);
            } else if is && !was {
                index.insert(place, call);
            }
        }
        // A retry that has just fired is gone from the index already.
        if let Some(at) = before.retry {
            self.retries.remove(at, call);
        }
        if let Some(at) = after.retry {
            self.retries.insert(at, call);
        }
    }
}
