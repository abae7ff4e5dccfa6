//! All operators and the indexes over them. Every change of an operator goes through `change`, which updates the indexes and records
//! changes of state.

use std::collections::BTreeSet;
use std::time::Duration;

use super::desk::{Desk, DeskNo, Rank, RoutingStats, Strategy};
use super::operator::{Operator, Work};
use super::view::{Change, State};
use crate::clock::{Deadlines, Instant, Timestamp};
use crate::counted::Map;
use crate::ids::{CallId, OperatorId, Rng};

/// The index entries of one operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Keys {
    eligible: Option<RoutingStats>,
    may_ring_on_break: Option<RoutingStats>,
    alert: bool,
    busy: bool,
    callable: Option<(bool, Instant)>,
    deadline: Option<Instant>,
    shift_change: Option<Timestamp>,
    staffed: bool,
    at_work: bool,
    state: Option<State>,
    /// The operator's state; None for a station, which is not counted.
    counted: Option<State>,
}

impl Keys {
    fn of(operator: &Operator) -> Self {
        Self {
            eligible: operator.is_eligible().then_some(operator.merits),
            may_ring_on_break: operator.may_ring_on_break().then_some(operator.merits),
            alert: operator.is_alert(),
            busy: operator.is_busy(),
            callable: operator.is_callable().then_some((!operator.attendance.reachable, operator.merits.idle_since)),
            deadline: operator.deadline(),
            shift_change: operator.attendance.shift_change,
            staffed: operator.is_staffed(),
            at_work: operator.is_at_work(),
            state: Some(operator.state()),
            counted: (!operator.attendance.station).then(|| operator.state()),
        }
    }
}

/// Numbers of a desk's operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Counts {
    /// On shift, logged in, registered and reachable, whatever they do.
    staffed: usize,
    /// Ready, or rung while ready.
    alert: usize,
    /// Talking or in wrap-up, apart from emergency calls of their own.
    busy: usize,
}

/// All operators, with indexes.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Floor {
    operators: Map<OperatorId, Operator>,
    desks: Vec<Desk>,
    /// Eligible operators of each desk, in the order of its strategy.
    eligible: Vec<BTreeSet<(Rank, OperatorId)>>,
    /// Operators on a break who can be rung, by desk, in the order of its strategy.
    may_ring_on_break: Vec<BTreeSet<(Rank, OperatorId)>>,
    /// Numbers of operators, by desk.
    counts: Vec<Counts>,
    /// Operators that the fallback can ring: those with reachable phones first, then the longest idle.
    callable: BTreeSet<(bool, Instant, OperatorId)>,
    deadlines: Deadlines<OperatorId>,
    shift_changes: BTreeSet<(Timestamp, OperatorId)>,
    staffed: usize,
    at_work: usize,
    by_state: [usize; 6],
    changes: Vec<Change>,
    /// Operators whose log-in or break has changed.
    saved_changes: BTreeSet<OperatorId>,
    /// Operators whose last call has ended, or who are new.
    freed: BTreeSet<OperatorId>,
}

impl Floor {
    /// Sets the desks. Operators keep their states.
    pub(super) fn set_desks(&mut self, desks: Vec<Desk>) {
        let old = std::mem::replace(self, Self::with_desks(desks));
        self.changes = old.changes;
        self.saved_changes = old.saved_changes;
        self.freed = old.freed;
        for (operator, facts) in old.operators {
            self.add(&operator, facts);
        }
    }

    fn with_desks(desks: Vec<Desk>) -> Self {
        let sets = || vec![BTreeSet::new(); desks.len()];
        let (eligible, may_ring_on_break, counts) = (sets(), sets(), vec![Counts::default(); desks.len()]);
        Self { desks, eligible, may_ring_on_break, counts, ..Self::default() }
    }

    pub(super) fn add(&mut self, operator: &OperatorId, facts: Operator) {
        let keys = Keys::of(&facts);
        if self.operators.insert(operator.clone(), facts).is_none() {
            self.index(operator, Keys::default(), keys);
            self.freed.insert(operator.clone());
        }
    }

    /// Applies `apply` to an operator; it returns a call whose wrap-up has ended. An operator who is removed from the list and has no call
    /// is deleted. Returns false if the operator is unknown.
    pub(super) fn change(
        &mut self,
        operator: &OperatorId,
        apply: impl FnOnce(&mut Operator) -> Option<CallId>,
    ) -> bool {
        let Some(facts) = self.operators.get_mut(operator) else { return false };
        let (before, paused, logged_in) = (Keys::of(facts), facts.paused.clone(), facts.attendance.logged_in);
        let (work, own_calls) = (facts.work, facts.own_calls.len());
        let wrapped_up = apply(facts);
        facts.recalled &= matches!(facts.work, Work::Offered { .. });
        let (after, state) = (Keys::of(facts), facts.state());
        let new_reason = state == State::Break && paused != facts.paused;
        if before.state != after.state || wrapped_up.is_some() || new_reason {
            let reason = facts.reason().map(str::to_owned);
            self.changes.push(Change { operator: operator.clone(), state, reason, wrapped_up });
        }
        if logged_in != facts.attendance.logged_in || paused != facts.paused {
            self.saved_changes.insert(operator.clone());
        }
        let has_no_call = matches!(facts.work, Work::Free | Work::WrapUp { .. });
        if has_no_call && (work != facts.work || own_calls > facts.own_calls.len()) {
            self.freed.insert(operator.clone());
        }
        let leaves = !facts.attendance.exists && facts.work == Work::Free;
        self.index(operator, before, if leaves { Keys::default() } else { after });
        if leaves {
            self.operators.remove(operator);
        }
        true
    }

    /// Removes and returns the changes of state since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Removes and returns the operators whose log-in or break has changed since the last call.
    pub(super) fn take_saved_changes(&mut self) -> BTreeSet<OperatorId> {
        std::mem::take(&mut self.saved_changes)
    }

    /// Removes and returns one of the operators whose last call has ended or who are new.
    pub(super) fn take_freed(&mut self) -> Option<OperatorId> {
        self.freed.pop_first()
    }

    pub(super) fn mark_freed(&mut self, operator: &OperatorId) {
        self.freed.insert(operator.clone());
    }

    /// Handles every deadline up to `now`.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, operator)) = self.deadlines.pop_due(now) {
            self.change(&operator, |facts| facts.expire(at));
        }
    }

    pub(super) fn get(&self, operator: &OperatorId) -> Option<&Operator> {
        self.operators.get(operator)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OperatorId, &Operator)> {
        self.operators.iter()
    }

    /// Some operators of a desk who are at work, in any state: those among the first `most` names.
    pub(super) fn some_at(&self, desk: DeskNo, most: usize) -> Vec<(&OperatorId, &Operator)> {
        let at = self.desks.get(usize::from(desk.0));
        match at.and_then(|desk| desk.members.as_ref()) {
            Some(members) => members.keys().take(most).filter_map(|name| self.operators.get_key_value(name)).collect(),
            None => self.operators.iter().take(most).collect(),
        }
    }

    pub(super) fn names(&self) -> Vec<OperatorId> {
        self.operators.keys().cloned().collect()
    }

    /// The operator who gets the next call of a desk.
    pub(super) fn first_ready(&self, desk: DeskNo, rng: &mut Rng) -> Option<OperatorId> {
        self.first_of(self.eligible.get(usize::from(desk.0))?, desk, rng)
    }

    /// The operator on a break that a desk rings first while none of its operators is ready.
    pub(super) fn first_on_break(&self, desk: DeskNo, rng: &mut Rng) -> Option<OperatorId> {
        self.first_of(self.may_ring_on_break.get(usize::from(desk.0))?, desk, rng)
    }

    fn first_of(&self, ready: &BTreeSet<(Rank, OperatorId)>, desk: DeskNo, rng: &mut Rng) -> Option<OperatorId> {
        let ((level, _, _), first) = ready.first()?;
        if self.strategy(desk) != Strategy::Random {
            return Some(first.clone());
        }
        let alike = || ready.iter().take_while(|(rank, _)| rank.0 == *level);
        let drawn = rng.below(u64::try_from(alike().count()).unwrap_or(1));
        alike().nth(usize::try_from(drawn).unwrap_or(0)).map(|(_, operator)| operator.clone())
    }

    pub(super) fn strategy(&self, desk: DeskNo) -> Strategy {
        self.desks.get(usize::from(desk.0)).map(|desk| desk.strategy).unwrap_or_default()
    }

    pub(super) fn desk(&self, desk: DeskNo) -> Option<&Desk> {
        self.desks.get(usize::from(desk.0))
    }

    /// The lowest number of calls and the lowest talk time of the operators at work. A new operator starts with them, so that they get
    /// neither more nor fewer calls than the others. Computed only if a strategy counts work.
    pub(super) fn least_work(&self) -> (u64, Duration) {
        if !self.desks.iter().any(|desk| desk.strategy.counts_work()) {
            return (0, Duration::ZERO);
        }
        let staffed = || self.operators.values().filter(|facts| facts.is_staffed()).map(|facts| &facts.merits);
        let (calls, talk) = (staffed().map(|merits| merits.calls).min(), staffed().map(|merits| merits.talk).min());
        (calls.unwrap_or(0), talk.unwrap_or_default())
    }

    /// At most `most` operators that the fallback can ring.
    pub(super) fn callable(&self, most: usize) -> Vec<OperatorId> {
        self.callable.iter().take(most).map(|(_, _, operator)| operator.clone()).collect()
    }

    /// The next operator whose shift must be checked by `wall`.
    pub(super) fn shift_due(&self, wall: Timestamp) -> Option<OperatorId> {
        self.shift_changes.first().filter(|(at, _)| *at <= wall).map(|(_, operator)| operator.clone())
    }

    pub(super) fn next_shift_change(&self) -> Option<Timestamp> {
        self.shift_changes.first().map(|(at, _)| *at)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Number of eligible operators of a desk.
    pub(super) fn ready_count(&self, desk: DeskNo) -> usize {
        self.eligible.get(usize::from(desk.0)).map_or(0, BTreeSet::len)
    }

    /// Eligible operators of a desk, in the order of its strategy.
    pub(super) fn ready_at(&self, desk: DeskNo) -> impl Iterator<Item = &OperatorId> {
        self.eligible.get(usize::from(desk.0)).into_iter().flatten().map(|(_, operator)| operator)
    }

    /// Number of operators of a desk who are at work, in any state.
    pub(super) fn staffed_at(&self, desk: DeskNo) -> usize {
        self.counts(desk).staffed
    }

    /// Number of operators of a desk who are ready, or were ready when they were rung.
    pub(super) fn alert_at(&self, desk: DeskNo) -> usize {
        self.counts(desk).alert
    }

    /// Number of operators of a desk who talk or are in wrap-up.
    pub(super) fn busy_at(&self, desk: DeskNo) -> usize {
        self.counts(desk).busy
    }

    /// Number of operators of a desk who are on a break and can be rung.
    pub(super) fn on_break_at(&self, desk: DeskNo) -> usize {
        self.may_ring_on_break.get(usize::from(desk.0)).map_or(0, BTreeSet::len)
    }

    fn counts(&self, desk: DeskNo) -> Counts {
        self.counts.get(usize::from(desk.0)).copied().unwrap_or_default()
    }

    /// Number of operators who are at work and not on a break.
    pub(super) fn at_work_count(&self) -> usize {
        self.at_work
    }

    /// Number of operators who are at work, in any state.
    pub(super) fn staffed_count(&self) -> usize {
        self.staffed
    }

    pub(super) fn by_state(&self) -> [usize; 6] {
        self.by_state
    }

    /// Compares every index with the operators' data.
    pub(super) fn verify(&self) -> Result<(), String> {
        let mut right = Self::with_desks(self.desks.clone());
        for (operator, facts) in self.operators.iter() {
            right.index(operator, Keys::default(), Keys::of(facts));
            if !facts.attendance.exists && !matches!(facts.work, Work::Offered { .. } | Work::Talking { .. }) {
                return Err(format!("{operator} is removed and has no call, but is still stored"));
            }
            if facts.state() == State::WrapUp && facts.deadline().is_none() {
                return Err(format!("the wrap-up of {operator} never ends"));
            }
        }
        let same = right.eligible == self.eligible
            && right.callable == self.callable
            && right.shift_changes == self.shift_changes
            && right.deadlines.len() == self.deadlines.len()
            && right.deadlines.next() == self.deadlines.next()
            && right.staffed == self.staffed
            && right.at_work == self.at_work
            && right.may_ring_on_break == self.may_ring_on_break
            && right.counts == self.counts
            && right.by_state == self.by_state;
        if same { Ok(()) } else { Err("an index of operators differs from their facts".to_owned()) }
    }

    fn index(&mut self, operator: &OperatorId, before: Keys, after: Keys) {
        let of_desks = |keys: Keys| (keys.eligible, keys.may_ring_on_break, keys.staffed, keys.alert, keys.busy);
        if of_desks(before) != of_desks(after) {
            let indexes = self.eligible.iter_mut().zip(&mut self.may_ring_on_break).zip(&mut self.counts);
            for (desk, ((ready, may_ring_on_break), counts)) in self.desks.iter().zip(indexes) {
                let Some(level) = desk.level(operator) else { continue };
                let key = |merits: RoutingStats| (merits.rank(desk.strategy, level), operator.clone());
                replace(ready, before.eligible.map(key), after.eligible.map(key));
                replace(may_ring_on_break, before.may_ring_on_break.map(key), after.may_ring_on_break.map(key));
                count(&mut counts.staffed, before.staffed, after.staffed);
                count(&mut counts.alert, before.alert, after.alert);
                count(&mut counts.busy, before.busy, after.busy);
            }
        }
        if before.callable != after.callable {
            let key = |(far, at)| (far, at, operator.clone());
            replace(&mut self.callable, before.callable.map(key), after.callable.map(key));
        }
        if before.shift_change != after.shift_change {
            let key = |at| (at, operator.clone());
            replace(&mut self.shift_changes, before.shift_change.map(key), after.shift_change.map(key));
        }
        // A deadline that has just expired is no longer in the index, so it is inserted again even if it is unchanged.
        if let Some(at) = before.deadline {
            self.deadlines.remove(at, operator.clone());
        }
        if let Some(at) = after.deadline {
            self.deadlines.insert(at, operator.clone());
        }
        count(&mut self.staffed, before.staffed, after.staffed);
        count(&mut self.at_work, before.at_work, after.at_work);
        for (state, up) in [(before.counted, false), (after.counted, true)] {
            if let Some(count) = state.and_then(|state| self.by_state.get_mut(state.slot())) {
                *count = if up { *count + 1 } else { count.saturating_sub(1) };
            }
        }
    }
}

fn count(number: &mut usize, before: bool, after: bool) {
    *number = *number + usize::from(after) - usize::from(before);
}

fn replace<K: Ord>(index: &mut BTreeSet<K>, before: Option<K>, after: Option<K>) {
    if let Some(key) = before {
        index.remove(&key);
    }
    index.extend(after);
}

impl State {
    /// The state's place in the order of `State`.
    pub(super) const fn slot(self) -> usize {
        match self {
            Self::Offline => 0,
            Self::Ready => 1,
            Self::Offered => 2,
            Self::Talking => 3,
            Self::WrapUp => 4,
            Self::Break => 5,
        }
    }
}
