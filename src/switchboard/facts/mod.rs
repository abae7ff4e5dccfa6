//! Emits facts: of live calls, of calls that may have ended, and of the service.

use crate::cdr::fact::{Fact, FactId, FactKind, Uptime};
use crate::clock::Now;
use crate::ids::CallId;
use crate::switchboard::step::Step;

/// The run of the service and the number of its last fact.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Facts {
    /// The stream id of facts that belong to no call.
    run: CallId,
    /// The start of the run on both clocks.
    began: Now,
    seq: u32,
}

impl Facts {
    pub(in crate::switchboard) fn new(began: Now, run: CallId) -> Self {
        Self { run, began, seq: 0 }
    }

    /// The run and its uptime.
    pub(in crate::switchboard) fn uptime(&self, now: Now) -> Option<Uptime> {
        let ms = now.mono.since(self.began.mono).as_millis();
        Some(Uptime(self.began.wall, u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    /// Emits a fact of a call that may have ended: its number is random, with the top bit set.
    pub(in crate::switchboard) fn late_fact(&mut self, step: &mut Step, call: CallId, kind: FactKind) {
        let now = step.now;
        let random = u32::try_from(step.rng.next_u64() >> 33).unwrap_or(0);
        let id = FactId { stream: call, seq: 0x8000_0000 | random };
        step.out.facts.push(Fact { id, call: Some(call), at: now.wall, up: self.uptime(now), kind });
    }

    /// Emits a fact of the service or an operator.
    pub(in crate::switchboard) fn service_fact(&mut self, step: &mut Step, kind: FactKind) {
        let now = step.now;
        self.seq += 1;
        let id = FactId { stream: self.run, seq: self.seq };
        step.out.facts.push(Fact { id, call: None, at: now.wall, up: self.uptime(now), kind });
    }
}

/// The name of an operator's state in facts.
pub(in crate::switchboard) const fn state_word(state: crate::acd::State) -> &'static str {
    use crate::acd::State;
    match state {
        State::Offline => "offline",
        State::Ready => "ready",
        State::Offered => "offered",
        State::Talking => "talking",
        State::WrapUp => "wrap-up",
        State::Break => "break",
    }
}
