//! Emits the facts of live calls.

use crate::cdr::fact::{Fact, FactId, FactKind};
use crate::ids::CallId;
use crate::switchboard::calls::Calls;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Calls {
    /// Emits a fact of a live call.
    pub(in crate::switchboard) fn fact(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        call: CallId,
        kind: FactKind,
    ) {
        let now = step.now;
        let Some(live) = self.calls.get_mut(&call) else { return net.facts.late_fact(step, call, kind) };
        let id = FactId { stream: call, seq: live.counts.next_fact() };
        self.learn(net, step, call, &kind);
        step.out.facts.push(Fact { id, call: Some(call), at: now.wall, up: net.facts.uptime(now), kind });
    }
}
