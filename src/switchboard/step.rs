//! The state of one step: the time, the random numbers, the deadlines, and the collected outputs.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cdr::fact::{Callee, Fact};
use crate::clock::{Deadlines, Now};
use crate::ids::{OperatorId, Rng};
use crate::media::command::Command;
use crate::sip::flow::{Flow, Transmit};
use crate::sip::guard::Ban;
use crate::sip::sdes::MasterKey;
use crate::switchboard::ids::LegRef;
use crate::switchboard::output::Output;
use crate::switchboard::timers::TimerKind;

/// The outputs of one step, each kind in order.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) facts: Vec<Fact>,
    pub(super) media: Vec<Command>,
    pub(super) transmits: Vec<Transmit>,
    pub(super) others: Vec<Output>,
    /// Texts to the phones of operators, sent at the end of the step.
    pub(super) notices: Vec<(OperatorId, String)>,
    /// Operators whose legs have changed: subscribers are notified at the end of the step.
    pub(super) changed: BTreeSet<OperatorId>,
}

impl Effects {
    /// True if all outputs were taken.
    pub(super) fn is_empty(&self) -> bool {
        let Self { facts, media, transmits, others, notices, changed } = self;
        let sent = facts.is_empty() && media.is_empty() && transmits.is_empty();
        sent && others.is_empty() && notices.is_empty() && changed.is_empty()
    }
}

/// The state that every part needs in a step.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Step {
    pub(super) now: Now,
    pub(super) rng: Rng,
    pub(super) timers: Deadlines<TimerKind>,
    #[serde(skip)]
    pub(super) out: Effects,
}

impl Step {
    pub(super) fn new(now: Now, rng: Rng) -> Self {
        Self { now, rng, timers: Deadlines::default(), out: Effects::default() }
    }

    /// Emits an output that is neither a fact, a media command nor a message.
    pub(in crate::switchboard) fn say(&mut self, output: Output) {
        self.out.others.push(output);
    }

    /// Reports that a connection is trusted and must stay open: a request over it had valid credentials of an account, or came from an end
    /// of one of the dialogs.
    pub(in crate::switchboard) fn trust_connection(&mut self, flow: Flow) {
        if flow.is_connection() {
            self.say(Output::Authenticated(flow));
        }
    }

    pub(in crate::switchboard) fn tell_ban(&mut self, ban: Ban) -> bool {
        self.say(Output::Banned(ban));
        false
    }

    /// Creates an SRTP key for siaga's own media.
    pub(in crate::switchboard) fn master_key(&mut self) -> MasterKey {
        let mut key = MasterKey([0; 30]);
        self.rng.fill(&mut key.0);
        key
    }

    /// Schedules the notification of an operator's subscribers, because a leg of the operator has begun, ended or moved.
    pub(in crate::switchboard) fn mark_changed(&mut self, whose: &Callee) {
        if let Callee::Operator(operator) = whose {
            self.out.changed.insert(operator.clone());
        }
    }

    /// The delay before a re-INVITE is sent again after a 491: longer if siaga has created the Call-ID (RFC 3261 §14.1).
    pub(in crate::switchboard) fn after_glare(&mut self, who: LegRef) -> Duration {
        let ours = matches!(who, LegRef::Outgoing(..));
        let units = if ours { 210 + self.rng.below(191) } else { self.rng.below(201) };
        Duration::from_millis(10 * units)
    }

    /// Sends a text to the phones of an operator at the end of the step.
    pub(in crate::switchboard) fn notify_operator(&mut self, operator: OperatorId, text: String) {
        self.out.notices.push((operator, text));
    }
}
