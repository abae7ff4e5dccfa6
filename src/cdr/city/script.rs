//! The facts of one stream while they are written down.

use crate::cdr::fact::{Fact, FactId, FactKind};
use crate::clock::Timestamp;
use crate::ids::{CallId, Rng};

/// The bit of `FactId::seq` of facts after a call's end.
const LATE: u32 = 0x8000_0000;

/// The facts of one call.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) call: CallId,
    facts: Vec<Fact>,
    next: u32,
    late: u32,
}

impl Script {
    pub(super) fn new(at: i64, rng: &mut Rng) -> Self {
        let call = CallId::new(Timestamp::from_millis(at), rng);
        Self { call, facts: Vec::with_capacity(12), next: 0, late: LATE }
    }

    pub(super) fn then(&mut self, at: i64, kind: FactKind) {
        let seq = self.next;
        self.next += 1;
        self.push(seq, at, kind);
    }

    /// A fact after the call's end.
    pub(super) fn late(&mut self, at: i64, kind: FactKind) {
        let seq = self.late;
        self.late += 1;
        self.push(seq, at, kind);
    }

    fn push(&mut self, seq: u32, at: i64, kind: FactKind) {
        let (id, at) = (FactId { stream: self.call, seq }, Timestamp::from_millis(at));
        self.facts.push(Fact { id, call: Some(self.call), at, up: None, kind });
    }

    pub(super) fn into_facts(self) -> Vec<Fact> {
        self.facts
    }
}
