//! The outputs of the switchboard.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::acd;
use crate::acd::OperatingMode;
use crate::cdr::fact::{Fact, Role};
use crate::clock::Timestamp;
use crate::ids::{CallId, OperatorId};
use crate::media::command::Command;
use crate::sip::flow::{Flow, Transmit};
use crate::sip::guard::Ban;
use crate::switchboard::saved_state::AccountState;
use crate::switchboard::settings::TrunkHost;

pub(in crate::switchboard) mod rejection;

pub use rejection::{Rejected, Rejection};

/// One output. Within one step, facts come before the messages that they cause.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send these bytes.
    Send(Transmit),
    /// Send this command to media.
    Media(Command),
    /// Store this fact.
    Fact(Fact),
    /// The part of an account's state that survives a restart has changed. This output comes before the messages that confirm the change.
    AccountState(Box<AccountState>),
    /// The reply to a console command.
    Reply { request: u64, reply: ConsoleReply },
    /// A trunk responds to keep-alives again, or no longer does.
    TrunkHealth { trunk: String, up: bool },
    /// A trunk's registrar has accepted siaga's registration, or no longer does.
    TrunkRegistered { trunk: String, registered: bool },
    /// A trunk is no longer in the settings.
    TrunkGone { trunk: String },
    /// True while calls wait and no operator is at work.
    Unstaffed(bool),
    /// True while calls wait, operators are at work, and every operator who could take one is on a break, or has been
    /// busy for `none_ready_seconds`.
    NoneReady(bool),
    /// A phone does not respond, and its binding is marked as unreachable; or it responds again.
    PhoneReach { account: OperatorId, contact: String, unreachable: bool },
    /// The shortage of RTP ports has changed.
    Ports(PortShortage),
    /// The operating mode: sent when it begins and, as a reminder, while it is not the normal one. `lasts_ms` is its duration so far.
    Mode { mode: OperatingMode, lasts_ms: u64, reminder: bool },
    /// A call lasts unusually long, in milliseconds; or such a call has ended (`over`).
    LongCall { call: CallId, lasts_ms: u64, over: bool },
    /// An INVITE was rejected before it became a call.
    Rejected(Rejection),
    /// A trunk's INVITE was accepted without `what`: unsupported extensions that it requires, or an optional part that cannot be read.
    Ignored { trunk: String, what: String },
    /// Packets from `from` are dropped, so the leg's audio is missing: they come from another host than its SDP names, and no setting
    /// admits that host.
    ForeignMedia { trunk: Option<String>, from: SocketAddr, expected: Option<SocketAddr> },
    /// Request to look up the host in this URI; `Input::Found` has the result.
    Lookup { uri: Bytes, host: TrunkHost },
    /// A source gets no responses for a while.
    Banned(Ban),
    /// A request over this connection had valid credentials of an account.
    Authenticated(Flow),
    /// The password or PIN of an account is being guessed. None: the guessing has ended.
    Guessing { account: String, guess: Option<PasswordGuess> },
    /// The drain is over.
    Drained,
}

/// The last wrong password or PIN of an account, by the source that has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordGuess {
    Password(IpAddr),
    /// Entered at the station with this address.
    Pin(IpAddr),
}

/// A reply to a console command.
#[derive(Clone, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum ConsoleReply {
    Done,
    UnknownOperator,
    /// The reason of a break is not one of the configured ones.
    UnknownReason {
        known: Vec<String>,
    },
    /// The address is not banned.
    NotBanned,
    /// The category is not one of the configured ones (code and name).
    UnknownCategory {
        known: Vec<String>,
    },
    /// The number is not on the list.
    UnknownNumber,
    /// No operator has the caller, or the caller's side has put siaga on hold.
    NotTalking,
    /// The operator is not in wrap-up.
    NotWrappingUp,
    /// Another operator owns the call or the participant.
    NotOwner,
    /// No live call has that id.
    UnknownCall,
    /// The named operator is not a supervisor.
    NoSupervisor,
    /// An operator or the fallback has the call.
    NotWaiting,
    /// Not possible now: the SIP status that an operator's phone would get.
    Refused {
        status: u16,
    },
    /// No fallback number is configured.
    NoFallback,
    /// The operating mode, its start, its end, and who set it.
    Mode {
        mode: OperatingMode,
        /// Milliseconds since the Unix epoch; 0: since the start.
        #[schema(value_type = i64)]
        since: Timestamp,
        /// None: it has no end.
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
        by: String,
    },
    CallBacks {
        call_backs: Vec<CallBackView>,
    },
    /// An operator's own phones ring for a call that the operator places.
    Calling {
        #[schema(value_type = String)]
        call: CallId,
    },
    /// A number is assigned to an operator for call-back. `told`: the operator's phone shows it.
    Meant {
        number: String,
        told: bool,
    },
    Marks {
        marks: Vec<MarkView>,
    },
    Operators {
        operators: Vec<acd::View>,
        /// The stations and their operators.
        stations: Vec<StationView>,
    },
    Calls {
        calls: Vec<CallView>,
    },
    Guard {
        bans: Vec<Ban>,
    },
    /// The operators to whose phones a text was sent, and those without a reachable phone.
    Messages {
        #[schema(value_type = Vec<String>)]
        sent: Vec<OperatorId>,
        #[schema(value_type = Vec<String>)]
        unsent: Vec<OperatorId>,
    },
}

impl ConsoleReply {
    /// False if the command has changed nothing.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Done
            | Self::Calling { .. }
            | Self::Meant { .. }
            | Self::CallBacks { .. }
            | Self::Marks { .. }
            | Self::Operators { .. }
            | Self::Calls { .. }
            | Self::Mode { .. }
            | Self::Guard { .. } => true,
            Self::Messages { sent, .. } => !sent.is_empty(),
            Self::UnknownOperator
            | Self::UnknownReason { .. }
            | Self::UnknownCategory { .. }
            | Self::UnknownNumber
            | Self::NotTalking
            | Self::NotWrappingUp
            | Self::NoFallback
            | Self::NotOwner
            | Self::UnknownCall
            | Self::NoSupervisor
            | Self::NotWaiting
            | Self::Refused { .. }
            | Self::NotBanned => false,
        }
    }
}

/// One station.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct StationView {
    #[schema(value_type = String)]
    pub station: OperatorId,
    /// The operator who is logged in at the station.
    #[schema(value_type = Option<String>)]
    pub operator: Option<OperatorId>,
    /// The station's phone is registered.
    pub registered: bool,
}

/// One live call.
#[derive(Clone, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct CallView {
    #[schema(value_type = String)]
    pub call: CallId,
    /// Milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub received: Timestamp,
    pub number: Option<String>,
    /// `queued`, `offered`, `talking`, `transfer`, `fallback`; `own-phone` while an operator's own phones ring for a call that the
    /// console places for the operator, `placed` while the called party's phone rings.
    pub state: &'static str,
    #[schema(value_type = Option<String>)]
    pub operator: Option<OperatorId>,
    /// The outside number (of an agency, an escalation, the fallback) that talks with the caller, or rings while no operator has the
    /// caller.
    pub outside: Option<String>,
    /// From 1; None if the call does not wait.
    pub position: Option<usize>,
    /// The caller was asked to press a digit if they cannot speak.
    pub silent_prompt: bool,
    /// The digits that the caller has pressed since then, and while waiting.
    pub choices: Vec<ChoiceView>,
    /// Participants, who talk or ring, besides the party that has the caller.
    pub guests: Vec<ParticipantView>,
}

/// A digit that a caller has pressed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema, serde::Deserialize)]
pub struct ChoiceView {
    #[schema(value_type = String)]
    pub digit: char,
    /// The configured meaning; empty if there is none.
    pub text: String,
}

/// A participant: a party besides the one that has the caller.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ParticipantView {
    /// The number of the leg, for removing the participant.
    pub leg: u32,
    /// None: an agency, which has a number.
    #[schema(value_type = Option<String>)]
    pub operator: Option<OperatorId>,
    pub number: Option<String>,
    pub role: Role,
    /// `ringing` or `talking`.
    pub state: &'static str,
}

/// One number that waits to be called back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct CallBackView {
    pub number: String,
    /// The unanswered calls of the number, and how many of them were short.
    pub calls: u32,
    pub short: u32,
    /// Milliseconds since the Unix epoch, as all times here.
    #[schema(value_type = i64)]
    pub first: Timestamp,
    #[schema(value_type = i64)]
    pub last: Timestamp,
    pub longest_wait_ms: u64,
    /// Call-backs without an answer, and the time of the last one.
    pub tries: u32,
    #[schema(value_type = Option<i64>)]
    pub tried: Option<Timestamp>,
    /// The operator of the assigned call-back.
    #[schema(value_type = Option<String>)]
    pub assigned_to: Option<OperatorId>,
    /// A call-back is in progress.
    pub called_now: bool,
}

/// One flagged number: its calls wait behind other calls.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct MarkView {
    pub number: String,
    /// Its recent pranks.
    pub pranks: usize,
    /// A supervisor's flag lasts until then.
    #[schema(value_type = Option<i64>)]
    pub marked_until: Option<Timestamp>,
}

/// Values for the metrics, taken between steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    pub calls: usize,
    pub waiting: usize,
    /// Operators: offline, ready, offered, talking, wrap-up, break.
    pub operators: [usize; 6],
    pub transactions: usize,
    pub subscriptions: usize,
    pub anchors: usize,
    /// RTP port pairs that are bound, in use or free.
    pub ports: usize,
    /// Callers who wait without a port.
    pub without_port: usize,
    /// Operators and stations with a registered phone.
    pub phones: usize,
    /// Bindings whose phones do not respond.
    pub bindings_unreachable: usize,
    /// The accounts were read, and phones can register.
    pub accounts_known: bool,
}

/// The shortage of RTP ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PortShortage {
    #[default]
    None,
    /// Only the reserve for operators' phones is left: new callers wait without a port.
    Reserve,
    /// No pair is free for a ready operator, and calls wait.
    Exhausted,
}
