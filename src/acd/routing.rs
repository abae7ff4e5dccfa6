//! Who gets whom: the next decision.

use std::collections::BTreeSet;

use super::desk::{DeskNo, Strategy};
use super::operator::Operator;
use super::{Acd, Decision, Status};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::limits;

/// Operators that one fallback rings: the caller's leg is alive as well.
const FALLBACK_OPERATORS_MAX: usize = limits::LIVE_LEGS_PER_CALL_MAX - 1;

impl Acd {
    /// The next thing to do, until None. To be asked at the end of every step.
    ///
    /// Withdrawals come first, then offers, then fallbacks: while nobody is staffed, every waiting call goes into its
    /// fallback at once. A fallback that has begun goes on when somebody becomes staffed; calls that still wait, also
    /// those whose fallback failed, get normal offers then.
    pub fn decide(&mut self, now: Now) -> Option<Decision> {
        self.expire(now);
        self.next_withdrawal().or_else(|| self.next_offer(now)).or_else(|| self.next_fallback())
    }

    fn next_withdrawal(&mut self) -> Option<Decision> {
        while let Some(operator) = self.withdrawals.pop_first() {
            if let Some(call) = self.floor.get(&operator).and_then(|facts| facts.call()) {
                return Some(Decision::Withdraw { call, operator });
            }
        }
        None
    }

    /// The first call in the order of all that somebody is ready for: at its own desk before the others it may go to.
    fn next_offer(&mut self, now: Now) -> Option<Decision> {
        let has_ready = |desk: &DeskNo| self.floor.ready_count(self.stand_in(*desk)) > 0;
        let waits = |desk: DeskNo| self.queue.first_offerable(desk);
        let (_, call) = self.desks().filter(has_ready).filter_map(waits).min()?;
        let home = self.queue.desks_of(call).next()?;
        let desk = self.stand_in(self.queue.desks_of(call).find(has_ready)?);
        let operator = self.floor.first_ready(desk, &mut self.rng)?;
        let why = self.floor.get(&operator).map(|facts| self.why(now, home, desk, facts)).unwrap_or_default();
        self.queue.set(call, Status::Offered(operator.clone()));
        self.assign(call, &operator);
        Some(Decision::Offer { call, operator, why })
    }

    pub(super) fn desks(&self) -> impl Iterator<Item = DeskNo> + use<> {
        let count = self.settings.desks.len().max(usize::from(self.everybody.0) + 1);
        (0..u8::try_from(count).unwrap_or(u8::MAX)).map(DeskNo)
    }

    /// Who answers for a desk: its own operators, or everybody while none of them is there.
    pub(super) fn stand_in(&self, desk: DeskNo) -> DeskNo {
        if self.floor.staffed_at(desk) > 0 { desk } else { self.everybody }
    }

    fn why(&self, now: Now, home: DeskNo, desk: DeskNo, facts: &Operator) -> String {
        let (strategy, ready, merits) = (self.floor.strategy(desk), self.floor.ready_count(desk), &facts.merits);
        let mut why = match strategy {
            Strategy::LongestIdle => {
                let idle_ms = now.mono.since(merits.idle_since).as_millis();
                format!("longest idle: {idle_ms} ms, first of {ready} ready")
            }
            Strategy::FewestCalls => format!("fewest calls: {}, first of {ready} ready", merits.calls),
            Strategy::LeastTalkTime => {
                format!("least talk time: {} ms, first of {ready} ready", merits.talk.as_millis())
            }
            Strategy::Random => format!("random: one of {ready} ready"),
            Strategy::RoundRobin | Strategy::Linear => format!("{}: first of {ready} ready", strategy.word()),
        };
        if home != DeskNo(0)
            && let Some(at) = self.floor.desk(home)
        {
            why.push_str(" for ");
            why.push_str(&at.name);
        }
        if desk != home
            && let Some(at) = self.floor.desk(desk)
        {
            why.push_str(", by ");
            why.push_str(if at.name.is_empty() { "everybody" } else { &at.name });
        }
        why
    }

    fn assign(&mut self, call: CallId, operator: &OperatorId) {
        self.offers += 1;
        let nth = self.offers;
        self.floor.change(operator, |facts| {
            facts.reserve(call, nth);
            None
        });
    }

    fn next_fallback(&mut self) -> Option<Decision> {
        if let Some(call) = self.queue.first_spent() {
            self.queue.set(call, Status::Fallback(BTreeSet::new()));
            return Some(Decision::Fallback { call, operators: Vec::new() });
        }
        if self.floor.staffed_count() > 0 {
            return None;
        }
        let call = self.queue.first_untried()?;
        let most = if self.queue.ringing().is_none() { FALLBACK_OPERATORS_MAX } else { 0 };
        Some(self.begin_fallback(call, most))
    }

    fn begin_fallback(&mut self, call: CallId, most: usize) -> Decision {
        let operators = self.floor.callable(most);
        self.queue.set(call, Status::Fallback(operators.iter().cloned().collect()));
        for operator in &operators {
            self.assign(call, operator);
        }
        Decision::Fallback { call, operators }
    }
}
