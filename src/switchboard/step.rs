//! What one step works with: the random numbers, the deadlines, and the outputs that it collects.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cdr::fact::{Callee, Fact};
use crate::clock::{Deadlines, Now};
use crate::ids::{OperatorId, Rng};
use crate::media::command::Command;
use crate::sip::flow::{Flow, Transmit};
use crate::sip::guard::Ban;
use crate::sip::sdes::MasterKey;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::ids::Who;
use crate::switchboard::output::Output;

/// The outputs of one step, each kind in order.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) facts: Vec<Fact>,
    pub(super) media: Vec<Command>,
    pub(super) transmits: Vec<Transmit>,
    pub(super) others: Vec<Output>,
    /// Texts to the phones of operators, sent at the end of the step.
    pub(super) notices: Vec<(OperatorId, String)>,
    /// Operators whose legs have changed: their watchers are told at the end of the step.
    pub(super) changed: BTreeSet<OperatorId>,
}

/// What every part needs in a step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) now: Now,
    pub(super) rng: Rng,
    pub(super) alarms: Deadlines<Alarm>,
    pub(super) out: Effects,
}

impl Step {
    pub(super) fn new(now: Now, rng: Rng) -> Self {
        Self { now, rng, alarms: Deadlines::default(), out: Effects::default() }
    }
}

impl Step {
    /// Pushes an output that is neither fact, sound nor message.
    pub(in crate::switchboard) fn say(&mut self, output: Output) {
        self.out.others.push(output);
    }
}

impl Step {
    /// A request over this connection has shown an account's password, or has come from an end of a dialog that only this end can name: the
    /// connection stays open.
    pub(in crate::switchboard) fn trust_connection(&mut self, flow: Flow) {
        if flow.is_connection() {
            self.say(Output::Authenticated(flow));
        }
    }
}

impl Step {
    pub(in crate::switchboard) fn tell_ban(&mut self, ban: Ban) -> bool {
        self.say(Output::Banned(ban));
        false
    }
}

impl Step {
    /// A key of ours for SRTP.
    pub(in crate::switchboard) fn master_key(&mut self) -> MasterKey {
        let mut key = MasterKey([0; 30]);
        self.rng.fill(&mut key.0);
        key
    }
}

impl Step {
    /// An operator's leg begins, ends or moves: the operator's watchers are told at the end of the step.
    pub(in crate::switchboard) fn stir(&mut self, whose: &Callee) {
        if let Callee::Operator(operator) = whose {
            self.out.changed.insert(operator.clone());
        }
    }
}

impl Step {
    /// How long a re-INVITE waits after a 491: longer where we made the Call-ID (RFC 3261 §14.1).
    pub(in crate::switchboard) fn after_glare(&mut self, who: Who) -> Duration {
        let ours = matches!(who, Who::Offer(..));
        let units = if ours { 210 + self.rng.below(191) } else { self.rng.below(201) };
        Duration::from_millis(10 * units)
    }
}

impl Step {
    /// Sends a text to the phones of an operator at the end of the step.
    pub(in crate::switchboard) fn notify_operator(&mut self, operator: OperatorId, text: String) {
        self.out.notices.push((operator, text));
    }
}
