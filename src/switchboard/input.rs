//! What goes into the switchboard.

use bytes::Bytes;

use crate::acd::Posture;
use crate::cdr::fact::{Class, ConsoleRole, Role};
use crate::cdr::past::Past;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Event;
use crate::sip::digest::Ha1;
use crate::sip::flow::Flow;
use crate::sip::locate::Target;
use crate::switchboard::kept::Restored;
use crate::switchboard::phones::stations::Badge;
use crate::switchboard::settings::Settings;

/// An operator, or a station, whose phones may register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub operator: OperatorId,
    /// Shown to nobody but colleagues.
    pub name: String,
    pub ha1: Ha1,
    /// It is a phone at which operators take turns, and nobody's own.
    pub station: bool,
    /// By which he logs in at stations; None: he does not.
    pub badge: Option<Badge>,
}

/// Who commands, for the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub name: String,
    pub role: ConsoleRole,
}

impl ConsoleCommand {
    /// What it changes, and of what; None: it only asks.
    pub(super) fn change(&self) -> Option<(&'static str, String)> {
        match self {
            Self::LogIn { operator } => Some(("log-in", operator.to_string())),
            Self::LogOut { operator } => Some(("log-out", operator.to_string())),
            Self::Pause { operator, reason } => Some(("pause", format!("{operator} {reason}").trim_end().to_owned())),
            Self::Resume { operator } => Some(("resume", operator.to_string())),
            Self::WrapUp { operator } => Some(("wrap-up", operator.to_string())),
            Self::SetDisposition { call, class, .. } => Some(("disposition", format!("{call} {}", class.word()))),
            Self::SilentPrompt { call } => Some(("silent-prompt", call.to_string())),
            // The words themselves are nobody's business in a trail.
            Self::Message { operator, .. } => {
                Some(("message", operator.as_ref().map_or_else(|| "everybody".to_owned(), ToString::to_string)))
            }
            Self::LiftBan { address } => Some(("lift-ban", address.to_string())),
            Self::MeanCallBack { number, operator } => {
                Some(("call-back", format!("{} by {operator}", number.as_deref().unwrap_or("next"))))
            }
            Self::MarkCaller { number, hours, .. } => Some(("mark-caller", format!("{number} {hours} h"))),
            Self::AskIn { call, whom } => Some(("ask-in", format!("{call} {whom}"))),
            Self::SendAway { call, leg } => Some(("send-away", format!("{call} {}", leg.0))),
            Self::Transfer { call, to } => Some(("transfer", format!("{call} {to}"))),
            Self::Place { operator, to } => Some(("call", format!("{operator} {to}"))),
            Self::Supervise { call, mode, by } => {
                let by = by.as_ref().map(|by| format!(" {by}")).unwrap_or_default();
                Some(("supervise", format!("{call} {}{by}", mode.word())))
            }
            Self::OfferTo { call, operator } => Some(("offer", format!("{call} {operator}"))),
            Self::SetPosture { posture, hours } => {
                let hours = hours.filter(|hours| *hours > 0).map(|hours| format!(" {hours} h"));
                Some(("posture", format!("{}{}", posture.word(), hours.unwrap_or_default())))
            }
            Self::Operators
            | Self::Calls
            | Self::Worked { .. }
            | Self::Guard
            | Self::CallBacks
            | Self::Marks
            | Self::Posture => None,
        }
    }
}

/// How a supervisor takes part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Supervision {
    /// No party hears the supervisor.
    Listen,
    /// Only the operator hears the supervisor.
    Whisper,
    /// All parties hear the supervisor.
    Barge,
    /// The supervisor replaces the operator.
    TakeOver,
}

impl Supervision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Listen, Self::Whisper, Self::Barge, Self::TakeOver];

    /// The word in facts and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
            Self::TakeOver => "take-over",
        }
    }

    /// What she is beside the operator; None: in his place.
    pub(super) const fn role(self) -> Option<Role> {
        match self {
            Self::Listen => Some(Role::Listener),
            Self::Whisper => Some(Role::Whisperer),
            Self::Barge => Some(Role::Barger),
            Self::TakeOver => None,
        }
    }
}

/// One input. The caller reads the clocks once and gives both along.
#[derive(Debug)]
pub enum Input<'a> {
    /// One datagram, or one framed message of a stream.
    Received { flow: Flow, bytes: &'a [u8] },
    /// The peer of a flow cannot be reached (ICMP), or its connection has closed.
    Unreachable { flow: Flow },
    /// The peer of a TLS connection has proven these of the names that trunks have (`Trunk::tls_name`).
    Proven { flow: Flow, names: Vec<String> },
    /// What a trunk's name stands for, best first (RFC 3263).
    Targets { trunk: String, targets: Vec<Target> },
    /// The result of `Output::Lookup`, best first; empty if the lookup failed. It may come late or never.
    Found { uri: Bytes, targets: Vec<Target> },
    /// From media.
    Media(Event),
    /// From the console; exactly one `Output::Reply` with the same `request` follows.
    Console { request: u64, by: Actor, command: ConsoleCommand },
    /// The operators that exist from now on.
    Accounts(Vec<Account>),
    /// What earlier runs knew of callers. May come late, or never; a second one changes nothing.
    Remember(Box<Past>),
    /// The registrations, log-ins, breaks, stations, flags and operating mode of an earlier run.
    Restore(Box<Restored>),
    /// New settings; what cannot change at run time has been checked before.
    Configure(Box<Settings>),
    /// No new calls (503 with Retry-After to INVITE); `Output::Drained` follows when the last is over.
    Drain,
    /// End every call now (a drain ran out of time).
    HangUpAll,
    /// Time has come: `poll_timeout` is due.
    Tick,
}

/// What an operator's phone, the command line or HTTP may ask.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum ConsoleCommand {
    LogIn {
        operator: OperatorId,
    },
    LogOut {
        operator: OperatorId,
    },
    Pause {
        operator: OperatorId,
        reason: String,
    },
    Resume {
        operator: OperatorId,
    },
    /// Prolongs the wrap-up that he is in.
    WrapUp {
        operator: OperatorId,
    },
    /// Classes a call of this run or an earlier one.
    SetDisposition {
        call: CallId,
        class: Class,
        category: Option<String>,
        note: Option<String>,
        by: String,
    },
    /// Asks the caller of a live call to press a digit if he cannot speak.
    SilentPrompt {
        call: CallId,
    },
    /// Sends a text to one operator's phones, or to everybody's.
    Message {
        operator: Option<OperatorId>,
        text: String,
    },
    /// Those who wait to be called back.
    CallBacks,
    /// That number, or the next, is for this operator to call back.
    MeanCallBack {
        number: Option<String>,
        operator: OperatorId,
    },
    /// The numbers whose calls wait behind others.
    Marks,
    /// Calls of a number wait behind others for so many hours; 0: no longer.
    MarkCaller {
        number: String,
        hours: u32,
        by: String,
    },
    /// How the house works.
    Posture,
    /// How it is to work, for so many hours; None: for the usual time, 0: until somebody ends it.
    SetPosture {
        posture: Posture,
        hours: Option<u32>,
    },
    Operators,
    Calls,
    /// Whether an operator has a call, or has had it, as far as this run knows.
    Worked {
        call: CallId,
        operator: OperatorId,
    },
    /// Asks an operator or an agency into a call that talks.
    AskIn {
        call: CallId,
        whom: String,
    },
    /// A guest of a call goes, or rings no more.
    SendAway {
        call: CallId,
        leg: LegNo,
    },
    /// Passes the caller on: to an operator, an agency, or the queue.
    Transfer {
        call: CallId,
        to: String,
    },
    /// Lets a supervisor into a call that talks, or changes what she is there; None: who commands it is she.
    Supervise {
        call: CallId,
        mode: Supervision,
        by: Option<OperatorId>,
    },
    /// Rings an operator's own phones, and when he answers calls a colleague, an agency, or a number that waits to be called back.
    Place {
        operator: OperatorId,
        to: String,
    },
    /// Offers a call that waits to an operator, out of turn.
    OfferTo {
        call: CallId,
        operator: OperatorId,
    },
    /// The bans that run.
    Guard,
    /// Ends one of them.
    LiftBan {
        address: std::net::IpAddr,
    },
}
