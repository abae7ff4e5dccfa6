//! The inputs of the switchboard.

use bytes::Bytes;

use crate::acd::OperatingMode;
use crate::cdr::fact::{Class, ConsoleRole};
use crate::cdr::past::Past;
use crate::cdr::personal::Number;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Event;
use crate::sip::digest::Ha1;
use crate::sip::flow::Flow;
use crate::sip::locate::Target;
use crate::switchboard::feature_codes::Supervision;
use crate::switchboard::pin::StationLogin;
use crate::switchboard::saved_state::Restored;
use crate::switchboard::settings::Settings;

/// The account of an operator or a station, whose phones may register.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    pub operator: OperatorId,
    /// The display name, shown to colleagues only.
    pub name: String,
    pub ha1: Ha1,
    /// True for a station, a phone that operators share.
    pub station: bool,
    /// The operator's log-in at stations; None if the operator does not use stations.
    pub station_login: Option<StationLogin>,
}

/// The author of a command, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub name: String,
    pub role: ConsoleRole,
}

impl ConsoleCommand {
    /// The name and the object of the change; None if the command changes nothing.
    pub(super) fn change(&self) -> Option<(&'static str, String)> {
        match self {
            Self::LogIn { operator } => Some(("log-in", operator.to_string())),
            Self::LogOut { operator } => Some(("log-out", operator.to_string())),
            Self::Pause { operator, reason } => Some(("pause", format!("{operator} {reason}").trim_end().to_owned())),
            Self::Resume { operator } => Some(("resume", operator.to_string())),
            Self::WrapUp { operator } => Some(("wrap-up", operator.to_string())),
            Self::SetDisposition { call, class, .. } => Some(("disposition", format!("{call} {}", class.word()))),
            Self::SilentPrompt { call } => Some(("silent-prompt", call.to_string())),
            // The audit log does not contain the text.
            Self::Message { operator, .. } => {
                Some(("message", operator.as_ref().map_or_else(|| "everybody".to_owned(), ToString::to_string)))
            }
            Self::LiftBan { address } => Some(("lift-ban", address.to_string())),
            Self::AssignCallBack { number, operator } => {
                Some(("call-back", format!("{} by {operator}", number.as_deref().unwrap_or("next"))))
            }
            Self::MarkCaller { number, hours, .. } => Some(("mark-caller", format!("{number} {hours} h"))),
            Self::InviteParticipant { call, to } => Some(("ask-in", format!("{call} {to}"))),
            Self::DisconnectParticipant { call, leg } => Some(("send-away", format!("{call} {}", leg.0))),
            Self::Transfer { call, to } => Some(("transfer", format!("{call} {to}"))),
            Self::Place { operator, to } => Some(("call", format!("{operator} {to}"))),
            Self::Supervise { call, mode, by } => {
                let by = by.as_ref().map(|by| format!(" {by}")).unwrap_or_default();
                Some(("supervise", format!("{call} {}{by}", mode.word())))
            }
            Self::OfferTo { call, operator } => Some(("offer", format!("{call} {operator}"))),
            Self::SetMode { mode, hours } => {
                let hours = hours.filter(|hours| *hours > 0).map(|hours| format!(" {hours} h"));
                Some(("mode", format!("{}{}", mode.word(), hours.unwrap_or_default())))
            }
            Self::Operators
            | Self::Calls
            | Self::Worked { .. }
            | Self::Guard
            | Self::CallBacks
            | Self::Marks
            | Self::Mode => None,
        }
    }
}

/// One input. The calling function reads both clocks once for each input.
#[derive(Debug)]
pub enum Input<'a> {
    /// One datagram, or one framed message of a stream.
    Received { flow: Flow, bytes: &'a [u8] },
    /// The peer of a flow cannot be reached (ICMP), or its connection has closed.
    Unreachable { flow: Flow },
    /// The certificate of the peer of a TLS connection is valid for these TLS names of trunks (`Trunk::tls_name`).
    Proven { flow: Flow, names: Vec<String> },
    /// The servers of a trunk's host name, best first (RFC 3263).
    Targets { trunk: String, targets: Vec<Target> },
    /// The result of `Output::Lookup`, best first; empty if the lookup failed. It may come late or never.
    Found { uri: Bytes, targets: Vec<Target> },
    /// An event from media.
    Media(Event),
    /// A command of the console. Exactly one `Output::Reply` with the same `request` follows.
    Console { request: u64, by: Actor, command: ConsoleCommand },
    /// The accounts that exist from now on.
    Accounts(Vec<Account>),
    /// Records of earlier runs. They may arrive late or never; a second input has no effect.
    Remember(Box<Past>),
    /// This number was erased: its history is forgotten.
    Forget(Number),
    /// The registrations, log-ins, breaks, stations, flags and operating mode of an earlier run.
    Restore(Box<Restored>),
    /// New settings. Changes that are not possible at run time were rejected before.
    Configure(Box<Settings>),
    /// Accept no new calls: INVITE gets 503 with Retry-After. `Output::Drained` follows when the last call has ended.
    Drain,
    /// End every call now, because a drain ran out of time.
    HangUpAll,
    /// The time of `poll_timeout` has come.
    Tick,
}

/// The commands of operators' phones, the command line and HTTP.
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
    /// Extends the operator's wrap-up.
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
    /// Asks the caller of a live call to press a digit if they cannot speak.
    SilentPrompt {
        call: CallId,
    },
    /// Sends a text to the phones of one operator, or of all operators.
    Message {
        operator: Option<OperatorId>,
        text: String,
    },
    /// Requests the list of call-backs.
    CallBacks,
    /// Assigns this number, or the next one, to an operator for call-back.
    AssignCallBack {
        number: Option<String>,
        operator: OperatorId,
    },
    /// Requests the flagged numbers, whose calls wait behind others.
    Marks,
    /// Flags a number for this many hours: its calls wait behind others. 0 removes the flag.
    MarkCaller {
        number: String,
        hours: u32,
        by: String,
    },
    /// Requests the operating mode.
    Mode,
    /// Sets the operating mode for this many hours. None: for the configured time; 0: without an end.
    SetMode {
        mode: OperatingMode,
        hours: Option<u32>,
    },
    Operators,
    Calls,
    /// Checks whether, by the data of this run, an operator has or has had a call.
    Worked {
        call: CallId,
        operator: OperatorId,
    },
    /// Invites an operator or an agency to a talking call.
    InviteParticipant {
        call: CallId,
        to: String,
    },
    /// Removes a participant, or cancels the participant's ringing.
    DisconnectParticipant {
        call: CallId,
        leg: LegNo,
    },
    /// Transfers the caller to an operator, an agency or the queue.
    Transfer {
        call: CallId,
        to: String,
    },
    /// Adds a supervisor to a talking call, or changes the supervisor's role. None: the author of the command is the supervisor.
    Supervise {
        call: CallId,
        mode: Supervision,
        by: Option<OperatorId>,
    },
    /// Rings an operator's own phones, and when the operator answers calls a colleague, an agency, or a number on the list of call-backs.
    Place {
        operator: OperatorId,
        to: String,
    },
    /// Rings a chosen operator for a waiting call, whatever the order.
    OfferTo {
        call: CallId,
        operator: OperatorId,
    },
    /// Requests the bans in force.
    Guard,
    /// Lifts a ban.
    LiftBan {
        address: std::net::IpAddr,
    },
}
