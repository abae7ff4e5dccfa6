//! What comes out of the switchboard.

use crate::acd;
use crate::cdr::fact::Fact;
use crate::clock::Timestamp;
use crate::ids::{CallId, OperatorId};
use crate::media::command::Command;
use crate::sip::flow::Transmit;
use crate::sip::guard::Ban;

/// One output. Facts come before the messages that they cause within one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send these bytes.
    Send(Transmit),
    /// Tell media.
    Media(Command),
    /// Write down.
    Fact(Fact),
    /// Answer of a console command.
    Reply { request: u64, reply: ConsoleReply },
    /// A trunk answers, or no longer answers, keep-alives.
    TrunkHealth { trunk: String, up: bool },
    /// A telco has taken our registration, or no longer does.
    TrunkRegistered { trunk: String, registered: bool },
    /// A trunk is no longer in the settings.
    TrunkGone { trunk: String },
    /// The alarm of an unstaffed floor: true while calls wait and nobody is on shift.
    Unstaffed(bool),
    /// A source gets no answers for a while.
    Banned(Ban),
    /// The drain is over.
    Drained,
}

/// Answers of the console.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum ConsoleReply {
    Done,
    UnknownOperator,
    /// Not one of the reasons for which operators may pause.
    UnknownReason {
        known: Vec<String>,
    },
    /// No ban of that address runs.
    NotBanned,
    Operators {
        operators: Vec<acd::View>,
    },
    Calls {
        calls: Vec<CallView>,
    },
    Guard {
        bans: Vec<Ban>,
    },
    /// To whose phones a text went, and who has none that can take it now.
    Messages {
        sent: Vec<OperatorId>,
        unsent: Vec<OperatorId>,
    },
}

/// One live call.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CallView {
    pub call: CallId,
    pub received: Timestamp,
    pub number: Option<String>,
    /// `queued`, `offered`, `talking`, `transfer`, `fallback`; `placed` while whom an operator calls is rung.
    pub state: &'static str,
    pub operator: Option<OperatorId>,
    /// From 1; None when it does not wait.
    pub position: Option<usize>,
}

/// Figures for the metrics, taken between steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    pub calls: usize,
    pub waiting: usize,
    /// Operators: offline, ready, offered, talking, wrap-up, break.
    pub operators: [usize; 6],
    pub transactions: usize,
    pub subscriptions: usize,
    pub anchors: usize,
}
