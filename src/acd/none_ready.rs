//! Calls that wait while no operator is ready or rung: after `none_ready` they ring operators on a break. The fallback follows only if no
//! operator of their desks talks or is in wrap-up. An operator who calls the emergency number counts neither as ready nor as busy.

use super::desk::{DeskNo, DeskSet};
use super::{Acd, Decision, OperatingMode, State};
use crate::clock::{Instant, Now};
use crate::ids::{CallId, OperatorId};

/// Characters of a break's reason that a fact contains.
const REASON_CHARS_MAX: usize = 32;

impl Acd {
    /// True while a call waits and no operator is at work: on shift, logged in, registered and reachable.
    pub fn is_unstaffed(&self) -> bool {
        self.floor.staffed_count() == 0 && self.queue.unanswered_sets().next().is_some()
    }

    /// True while a call waits and every operator who could take it is on a break, or has been busy for `none_ready`.
    pub fn is_none_ready(&self) -> bool {
        let stuck = |set: DeskSet| match self.none_ready_from(set) {
            Some(from) => self.busy_at(set) == 0 || from <= self.looked_at,
            None => false,
        };
        self.floor.staffed_count() > 0 && self.queue.unanswered_sets().any(stuck)
    }

    /// True if this is the only ready operator: after a break of theirs, no operator is ready.
    pub fn is_last_ready(&self, operator: &OperatorId) -> bool {
        let ready = self.floor.get(operator).is_some_and(|facts| facts.state() == State::Ready);
        ready && self.counts().1.get(1) == Some(&1)
    }

    /// Stores since when each desk has had no operator who is ready or rung.
    pub(super) fn look_at_desks(&mut self, now: Now) {
        let count = self.desks().count();
        self.none_ready_since.resize(count, None);
        for (desk, since) in (0..).map(DeskNo).zip(&mut self.none_ready_since) {
            *since = (self.floor.alert_at(desk) == 0).then(|| since.unwrap_or(now.mono));
        }
    }

    /// When calls of these desks may ring operators on a break; None: an operator is ready or rung.
    fn none_ready_from(&self, set: DeskSet) -> Option<Instant> {
        let since = |desk: DeskNo| self.none_ready_since.get(usize::from(self.stand_in(desk).0)).copied().flatten();
        let all: Option<Vec<Instant>> = set.iter().map(since).collect();
        all?.into_iter().max().map(|since| since + self.settings.none_ready)
    }

    fn is_none_ready_at(&self, set: DeskSet) -> bool {
        self.none_ready_from(set).is_some_and(|from| from <= self.looked_at)
    }

    fn busy_at(&self, set: DeskSet) -> usize {
        set.iter().map(|desk| self.floor.busy_at(self.stand_in(desk))).sum()
    }

    /// The next call that is due to ring operators on a break.
    pub(super) fn due_on_break(&self) -> Option<CallId> {
        let wanted = |set: DeskSet| {
            set.iter().any(|desk| self.floor.on_break_at(self.stand_in(desk)) > 0) && self.is_none_ready_at(set)
        };
        let waiting = self.queue.first_on_break(false, wanted);
        waiting.or_else(|| self.queue.first_on_break(true, wanted))
    }

    /// The next call that is due to enter the fallback although operators are at work.
    pub(super) fn due_staffed_fallback(&self) -> Option<CallId> {
        self.queue.first_may_fall_back_staffed(|set| self.busy_at(set) == 0 && self.is_none_ready_at(set))
    }

    /// The next time at which a call may ring operators on a break.
    pub(super) fn next_none_ready(&self) -> Option<Instant> {
        let ahead = |set: DeskSet| self.none_ready_from(set).filter(|from| *from > self.looked_at);
        self.queue.overdue_sets().filter_map(ahead).min()
    }

    /// Rings the next operator on a break. Waiting calls come first; then further operators are added to calls that ring.
    pub(super) fn next_on_break(&mut self) -> Option<Decision> {
        let call = self.due_on_break()?;
        let desks: Vec<DeskNo> = self.queue.desks_of(call).map(|desk| self.stand_in(desk)).collect();
        let desk = desks.into_iter().find(|desk| self.floor.on_break_at(*desk) > 0)?;
        let operator = self.floor.first_on_break(desk, &mut self.rng)?;
        let reason = self.floor.get(&operator).and_then(|facts| facts.paused.as_deref()).unwrap_or_default();
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let waited = self.settings.none_ready.as_secs();
        let mut why = format!("no operator ready for {waited} s: on break ({reason})");
        if self.mode == OperatingMode::MajorIncident {
            why.insert_str(0, "major incident: ");
        }
        self.queue.ring_on_break(call, &operator);
        self.assign(call, &operator);
        Some(Decision::Offer { call, operator, why })
    }

    /// Checks that every call that may ring operators on a break does so, and that every call that may enter the fallback has entered it.
    pub(super) fn verify_none_ready(&self) -> Result<(), String> {
        if let Some(call) = self.due_on_break() {
            return Err(format!("call {call} waits, no operator is ready, and operators on a break are not rung"));
        }
        match self.due_staffed_fallback().filter(|_| self.mode != OperatingMode::Fallback) {
            Some(call) => Err(format!("call {call} waits, no operator can take it, and the fallback does not begin")),
            None => Ok(()),
        }
    }
}
