//! Who gets whom: the next decision.

use std::collections::BTreeSet;

use super::{Acd, Decision, Status, Work};
use crate::clock::Now;
use crate::ids::CallId;
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

    fn next_offer(&mut self, now: Now) -> Option<Decision> {
        let call = self.queue.first_offerable()?;
        let (idle_since, operator) = self.floor.longest_idle()?;
        let idle_ms = now.mono.since(idle_since).as_millis();
        let why = format!("longest idle: {idle_ms} ms, first of {} ready", self.floor.eligible_count());
        self.queue.set(call, Status::Offered(operator.clone()));
        self.floor.change(&operator, |facts| {
            facts.work = Work::Offered { call, withdrawn: false };
            None
        });
        Some(Decision::Offer { call, operator, why })
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
            self.floor.change(operator, |facts| {
                facts.work = Work::Offered { call, withdrawn: false };
                None
            });
        }
        Decision::Fallback { call, operators }
    }
}
