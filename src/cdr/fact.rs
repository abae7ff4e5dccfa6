//! Facts: changes of a call's outcome and of an operator's state, append-only. The journal and the database store their JSON form: fields
//! are added, never renamed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::acd::OperatingMode;
use crate::clock::Timestamp;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Gap;
use crate::sip::location::Location;

use super::apart::{Object, is_apart, join};
use super::moment::known_or_default;

pub use super::console_role::ConsoleRole;
pub use super::endings::{EndCause, OfferOutcome};
pub use super::moment::{Moment, Uptime};
pub use super::side::Side;
use super::side::known_or_service;

/// Identifies a fact permanently; applying a fact twice changes nothing. `stream` is the call, or the run of the service for facts without
/// a call; `seq` counts within it. Facts after a call's end (a disposition) have a random `seq` with the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactId {
    pub stream: CallId,
    pub seq: u32,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    #[serde(flatten)]
    pub id: FactId,
    /// None for facts of the service and its operators.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call: Option<CallId>,
    /// Milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// The run of the service and the time since its start. None for facts of versions without this field, and for facts that a later
    /// run adds to a call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub up: Option<Uptime>,
    #[serde(flatten)]
    pub kind: FactKind,
}

impl Fact {
    pub const fn moment(&self) -> Moment {
        Moment { at: self.at, up: self.up }
    }

    /// Reads a fact. Fields that a newer version added are ignored; None for a kind that this version does not know.
    pub fn read(json: &[u8]) -> Option<Self> {
        if is_apart(json) {
            let stored: Object = serde_json::from_slice(json).ok()?;
            return serde_json::from_value(serde_json::Value::Object(join(stored))).ok();
        }
        serde_json::from_slice(json).ok()
    }
}

impl Side {
    /// The name in records, metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Operator => "operator",
            Self::Service => "service",
        }
    }
}

/// The party that answers a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Callee {
    Operator(OperatorId),
    /// The fallback number, or an agency, on a trunk.
    Number(String),
}

/// The role of a participant in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Added by the operator: all hear each other.
    Guest,
    /// A supervisor who is not heard.
    Listener,
    /// A supervisor heard only by the operator.
    Whisperer,
    /// A supervisor heard by all.
    Barger,
}

impl Role {
    /// True for a participant who talks with the caller: their time counts as talk.
    pub const fn talks(self) -> bool {
        match self {
            Self::Guest | Self::Barger => true,
            Self::Listener | Self::Whisperer => false,
        }
    }

    /// True for a supervisor.
    pub const fn supervises(self) -> bool {
        match self {
            Self::Guest => false,
            Self::Listener | Self::Whisperer | Self::Barger => true,
        }
    }
}

/// The target of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    Operator(OperatorId),
    /// An agency on a trunk.
    Number(String),
    /// The next free operator.
    Queue,
}

impl From<Callee> for Destination {
    fn from(callee: Callee) -> Self {
        match callee {
            Callee::Operator(operator) => Self::Operator(operator),
            Callee::Number(number) => Self::Number(number),
        }
    }
}

/// The class of a call's disposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Normal,
    Ghost,
    Prank,
    Information,
    Test,
    Drill,
}

impl Class {
    /// True for drills and test calls, which the centre makes itself.
    pub const fn is_exercise(self) -> bool {
        match self {
            Self::Test | Self::Drill => true,
            Self::Normal | Self::Ghost | Self::Prank | Self::Information => false,
        }
    }

    /// The name in records and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Ghost => "ghost",
            Self::Prank => "prank",
            Self::Information => "information",
            Self::Test => "test",
            Self::Drill => "drill",
        }
    }
}

/// The kind of a fact, with its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FactKind {
    /// An INVITE for the emergency number was accepted for handling. Opens the call.
    Received {
        trunk: String,
        /// From P-Asserted-Identity of a trusted trunk.
        asserted: Option<String>,
        /// From the From header.
        presented: Option<String>,
        /// The dialled number: `112`, `urn:service:sos.fire` …
        called: String,
        sip_call_id: String,
        /// Raw header fields kept for the record (History-Info, Diversion, P-Access-Network-Info …), `Name: value`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<String>,
        /// The operating mode at that time.
        #[serde(default, rename = "posture", deserialize_with = "known_or_default")]
        #[serde(skip_serializing_if = "OperatingMode::is_normal")]
        mode: OperatingMode,
        /// The account whose phone made the call, if it came from the centre itself; `trunk` is empty then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        internal: Option<OperatorId>,
    },
    /// A location arrived with the INVITE.
    Located { location: Location },
    /// The number has called before: this is the call `calls` of it within `minutes`. `prank`: it waits behind others because of earlier
    /// pranks.
    CallerKnown { calls: u32, minutes: u32, prank: bool },
    /// The call entered the queue of a desk; the first desk's name is empty. Again after an operator was lost: `returned`.
    Queued {
        priority: u8,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        desk: String,
        returned: bool,
    },
    /// The caller hears the queue's announcement: as `early` media or after an answer.
    Announced { early: bool },
    /// A ring attempt began, to an operator or, in the fallback, to a number.
    Offered { leg: LegNo, to: Callee, why: String },
    /// The phone rings.
    Ringing { leg: LegNo },
    /// A ring attempt ended.
    OfferEnded { leg: LegNo, to: Callee, outcome: OfferOutcome, sip_status: Option<u16> },
    /// The caller and this party are connected.
    Answered { leg: LegNo, by: Callee },
    /// The operator's leg ended while the caller stays connected: the call returns to its former place in the queue.
    OperatorLost { leg: LegNo, operator: OperatorId, sip_status: Option<u16>, q850: Option<u8> },
    /// An operator starts a transfer, which ends the talk with the caller. `consulted` is the call in which the operator has spoken with
    /// the target.
    TransferAsked {
        leg: LegNo,
        by: OperatorId,
        to: Destination,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consulted: Option<CallId>,
        /// Referred-By as the phone sent it (RFC 3892).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        referred_by: Option<String>,
    },
    /// The target answered, over `leg`, or the caller is in the queue again.
    TransferDone {
        by: OperatorId,
        to: Destination,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leg: Option<LegNo>,
    },
    /// No target answered: the caller is connected with the operator again (`back`), or waits for an operator. `sip_status` is the status
    /// in the NOTIFY to the operator's phone.
    TransferFailed { by: OperatorId, to: Destination, why: OfferOutcome, sip_status: u16, back: bool },
    /// The operator's leg ended during the transfer that the operator had started.
    TransferorLeft { leg: LegNo, operator: OperatorId },
    /// Another operator's phone replaced a leg, by Replaces (RFC 3891). This ends the talk of that leg, if it had begun.
    TakenOver { leg: LegNo, by: OperatorId },
    /// A participant joined the call. Again when the participant's role changes.
    GuestJoined { leg: LegNo, who: Callee, role: Role },
    /// A participant left the call. If `Answered` follows, the participant has taken over the caller.
    GuestLeft { leg: LegNo, who: Callee },
    /// The operator or number that had the caller has left, or was `lost`. A participant has the caller now, and `Answered` follows; or the
    /// caller waits again, and `Queued` follows.
    LeadLeft { leg: LegNo, who: Callee, lost: bool },
    /// The call ended. Its record is complete.
    Ended {
        #[serde(deserialize_with = "known_or_service")]
        by: Side,
        cause: EndCause,
        sip_status: Option<u16>,
        q850: Option<u8>,
    },
    /// The operator's wrap-up ended.
    WrappedUp { operator: OperatorId },
    /// An operator classified the call. The last such fact counts.
    Disposed {
        class: Class,
        category: Option<String>,
        note: Option<String>,
        by: String,
        /// The agency of the category, as configured at that time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agency: Option<String>,
    },
    /// The call was unanswered, and an operator has called the number back, in the call `over`.
    CalledBack { by: OperatorId, over: CallId, outcome: OfferOutcome, sip_status: Option<u16> },
    /// The call was unanswered, and its number will not be called back, because the list of call-backs was full.
    CallBackLost,
    /// A recording was closed.
    Recorded {
        leg: LegNo,
        file: String,
        sha256: String,
        duration_ms: u64,
        frames_dropped: u64,
        /// Parts that are silent because the disk could not be written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gaps: Vec<Gap>,
        /// The end of the service interrupted the recording, and the next start repaired it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        repaired: bool,
    },
    /// A recording failed.
    RecordingFailed { leg: LegNo, why: String },
    /// The statistics of one leg's anchor.
    Sound { leg: LegNo, packets_in: u64, packets_out: u64, packets_lost: u64, packets_foreign: u64, jitter_us: u32 },
    /// The centre was unstaffed, and the fallback began. Reported once for each call.
    NobodyOnShift,
    /// A leg's peer has put the other side on hold.
    Held { leg: LegNo },
    /// The hold has ended.
    Resumed { leg: LegNo },
    /// A leg's session was not refreshed in time (RFC 4028 §10): `kept` because its audio still arrives, otherwise ended. Reported once
    /// for each leg.
    SessionExpired { leg: LegNo, kept: bool },
    /// A leg's peer sends no audio, and has responded to our OPTIONS or sent another message in its dialog (200): the call continues.
    SilentLegPresent { leg: LegNo, sip_status: u16 },
    /// A leg sent a digit (RFC 4733, or INFO).
    Digit { leg: LegNo, digit: char },
    /// The caller was asked to press a digit if they cannot speak: by an operator or console user or, without `by`, because no voice was
    /// detected.
    SilentAsked { by: Option<String> },
    /// The caller has pressed a digit after that or, `waiting`, while they waited. `text` is its meaning at that time; empty if it had
    /// none.
    Chosen { digit: char, text: String, waiting: bool },
    /// An invariant was violated, and this call was ended.
    Breach { what: String },

    /// Personal values were erased from the facts with these numbers in the same stream, and these recordings were deleted: by a person on
    /// a ground of the law, or by the service after the time in `[retention]`.
    Erased {
        ground: String,
        by: String,
        /// The user of another role who approved it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second: Option<String>,
        facts: Vec<u32>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recordings: Vec<String>,
    },

    /// An operator called a colleague or an agency. Opens a placed call, which has no record.
    Placed {
        by: OperatorId,
        to: Callee,
        /// Empty if the operator's own phone was rung for the call.
        sip_call_id: String,
        /// The unanswered call, if this is a call-back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<CallId>,
        /// The console user who ordered the call: the operator's own phone rings first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ordered_by: Option<String>,
    },

    /// The service started. `call` is None from here on.
    Started { version: String },
    /// The service ended properly.
    Stopped,
    /// A number was flagged: its calls wait behind others until this time. Without `until`, the flag was removed.
    CallerMarked { number: String, until: Option<Timestamp>, by: String },
    /// The operating mode was changed, until this time or, without `until`, until the next change. `by` is the person, or `time`.
    #[serde(rename = "posture-set")]
    ModeSet {
        #[serde(rename = "posture")]
        mode: OperatingMode,
        until: Option<Timestamp>,
        by: String,
    },
    /// An operator's state in the ACD changed.
    OperatorState { operator: OperatorId, state: String, reason: Option<String> },
    /// An operator has logged in at a station, or, without `operator`, has logged out.
    Stationed { station: OperatorId, operator: Option<OperatorId> },
    /// A wrong PIN of the operator was entered at a station. `locked`: no PIN of the operator is accepted for some time.
    PinRefused { station: OperatorId, operator: OperatorId, locked: bool },
    /// So many wrong passwords of an account were received that sources that have not authenticated must wait.
    PasswordGuessed { account: String, source: IpAddr, failures: u32 },
    /// A command of the console: the user and their role, the command and its object, and whether it succeeded.
    Commanded { by: String, role: ConsoleRole, command: String, of: String, done: bool },
}

impl FactKind {
    /// The name in records: the `kind` of the JSON form.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::Located { .. } => "located",
            Self::CallerKnown { .. } => "caller-known",
            Self::Queued { .. } => "queued",
            Self::Announced { .. } => "announced",
            Self::Offered { .. } => "offered",
            Self::Ringing { .. } => "ringing",
            Self::OfferEnded { .. } => "offer-ended",
            Self::Answered { .. } => "answered",
            Self::OperatorLost { .. } => "operator-lost",
            Self::TransferAsked { .. } => "transfer-asked",
            Self::TransferDone { .. } => "transfer-done",
            Self::TransferFailed { .. } => "transfer-failed",
            Self::TransferorLeft { .. } => "transferor-left",
            Self::TakenOver { .. } => "taken-over",
            Self::GuestJoined { .. } => "guest-joined",
            Self::GuestLeft { .. } => "guest-left",
            Self::LeadLeft { .. } => "lead-left",
            Self::Ended { .. } => "ended",
            Self::WrappedUp { .. } => "wrapped-up",
            Self::Disposed { .. } => "disposed",
            Self::CalledBack { .. } => "called-back",
            Self::CallBackLost => "call-back-lost",
            Self::Recorded { .. } => "recorded",
            Self::RecordingFailed { .. } => "recording-failed",
            Self::Sound { .. } => "sound",
            Self::NobodyOnShift => "nobody-on-shift",
            Self::Held { .. } => "held",
            Self::Resumed { .. } => "resumed",
            Self::SessionExpired { .. } => "session-expired",
            Self::SilentLegPresent { .. } => "silent-leg-present",
            Self::Digit { .. } => "digit",
            Self::SilentAsked { .. } => "silent-asked",
            Self::Chosen { .. } => "chosen",
            Self::Breach { .. } => "breach",
            Self::Erased { .. } => "erased",
            Self::Placed { .. } => "placed",
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::CallerMarked { .. } => "caller-marked",
            Self::ModeSet { .. } => "posture-set",
            Self::OperatorState { .. } => "operator-state",
            Self::Stationed { .. } => "stationed",
            Self::PinRefused { .. } => "pin-refused",
            Self::PasswordGuessed { .. } => "password-guessed",
            Self::Commanded { .. } => "commanded",
        }
    }
}
