//! Facts: every change of a call's fate and of an operator's state, append-only. Their JSON form is the journal's and
//! the database's: fields are added, never renamed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::acd::Posture;
use crate::clock::Timestamp;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Gap;
use crate::sip::location::Location;

use super::moment::{known_or_default, known_or_service};

pub use super::console_role::ConsoleRole;
pub use super::moment::{Moment, Uptime};

/// Identifies a fact for ever: applying one twice changes nothing. `stream` is the call, or the run of the service for
/// facts of no call; `seq` counts within it. Facts that come after a call's end out of order (a disposition hours later)
/// take a random `seq` with the top bit set.
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
    /// When it happened.
    pub const fn moment(&self) -> Moment {
        Moment { at: self.at, up: self.up }
    }

    /// Reads a fact. Fields that a newer version added are ignored; None for a kind that this version does not know.
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

/// Why an offer ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferOutcome {
    /// It was answered.
    Answered,
    /// It rang for `ring_seconds`.
    NoAnswer,
    /// The phone said busy (486, 600).
    Busy,
    /// The phone refused (any other 4xx, 5xx, 6xx).
    Rejected,
    /// The phone wanted the call to go elsewhere (3xx), which an emergency call does not.
    Redirected,
    /// No response, or the network said that nobody is there.
    Unreachable,
    /// The caller left while it rang.
    CallerLeft,
    /// Another operator was first.
    LostRace,
    /// The operator logged out, was removed or unregistered while it rang.
    Withdrawn,
}

impl OfferOutcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Answered,
        Self::NoAnswer,
        Self::Busy,
        Self::Rejected,
        Self::Redirected,
        Self::Unreachable,
        Self::CallerLeft,
        Self::LostRace,
        Self::Withdrawn,
    ];

    /// The word in records, metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoAnswer => "no-answer",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::Redirected => "redirected",
            Self::Unreachable => "unreachable",
            Self::CallerLeft => "caller-left",
            Self::LostRace => "lost-race",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Caller,
    Operator,
    Service,
}

impl Side {
    /// The word in records, metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Operator => "operator",
            Self::Service => "service",
        }
    }
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// A BYE after an answer.
    Normal,
    /// The caller gave up while waiting (CANCEL, or BYE where the queue had answered).
    Abandoned,
    /// The caller's sound stopped for the silence time-out.
    CallerSilent,
    /// The caller's side could not be reached, or never acknowledged.
    CallerLost,
    /// The operator's side was lost and the caller was not put back.
    OperatorLost,
    /// The caps of `limits` were reached.
    NoCapacity,
    /// The offer of the caller could not be used (no common codec).
    NoCodec,
    /// The service ended it: an invariant was broken, a drain ran out of time, or it reached the longest time.
    ServiceFault,
    /// The service was killed; found open at the next start.
    Interrupted,
    /// A newer version of siaga wrote a cause that this version does not know.
    #[serde(other)]
    Unknown,
}

impl EndCause {
    /// The word in records, metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Abandoned => "abandoned",
            Self::CallerSilent => "caller-silent",
            Self::CallerLost => "caller-lost",
            Self::OperatorLost => "operator-lost",
            Self::NoCapacity => "no-capacity",
            Self::NoCodec => "no-codec",
            Self::ServiceFault => "service-fault",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
        }
    }
}

/// Who carries an answered call.
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
    /// True for one who talks with the caller: his seconds are talk.
    pub const fn talks(self) -> bool {
        match self {
            Self::Guest | Self::Barger => true,
            Self::Listener | Self::Whisperer => false,
        }
    }

    /// True for one who has come of his own accord.
    pub const fn supervises(self) -> bool {
        match self {
            Self::Guest => false,
            Self::Listener | Self::Whisperer | Self::Barger => true,
        }
    }
}

/// Whom a caller is passed on to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    Operator(OperatorId),
    /// An agency on a trunk.
    Number(String),
    /// Whoever is free next.
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

    /// The word in records and reports.
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

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FactKind {
    /// An INVITE for the emergency number was accepted for handling. Opens the call.
    Received {
        trunk: String,
        /// From P-Asserted-Identity of a trusted trunk.
        asserted: Option<String>,
        /// From From.
        presented: Option<String>,
        /// What was dialled: `112`, `urn:service:sos.fire` …
        called: String,
        sip_call_id: String,
        /// Raw header fields kept for the record (History-Info, Diversion, P-Access-Network-Info …), `Name: value`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<String>,
        /// How the house worked then.
        #[serde(default, deserialize_with = "known_or_default", skip_serializing_if = "Posture::is_normal")]
        posture: Posture,
        /// The account whose phone made the call, if it came from the centre itself; `trunk` is empty then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        internal: Option<OperatorId>,
    },
    /// A location came with it.
    Located { location: Location },
    /// His number is known: it is the call `calls` of it within `minutes`; `prank`: it waits behind others for pranks of before.
    CallerKnown { calls: u32, minutes: u32, prank: bool },
    /// It entered the queue of a desk; the first has no name. Again after an operator was lost: `returned`.
    Queued {
        priority: u8,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        desk: String,
        returned: bool,
    },
    /// The caller hears the queue's announcement: `early` media or answered.
    Announced { early: bool },
    /// It was offered to one operator, or in the fallback to a number.
    Offered { leg: LegNo, to: Callee, why: String },
    /// The phone rings.
    Ringing { leg: LegNo },
    /// An offer ended.
    OfferEnded { leg: LegNo, to: Callee, outcome: OfferOutcome, sip_status: Option<u16> },
    /// The two are connected.
    Answered { leg: LegNo, by: Callee },
    /// The operator's leg ended while the caller stays: he goes back to the head of the queue.
    OperatorLost { leg: LegNo, operator: OperatorId, sip_status: Option<u16>, q850: Option<u8> },
    /// An operator passes his caller on; their talk ends here. `consulted` is the call in which he has spoken with whom takes over.
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
    /// It was taken, over `leg`, or the caller is in the queue again.
    TransferDone {
        by: OperatorId,
        to: Destination,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leg: Option<LegNo>,
    },
    /// Nobody took it: the caller is with the operator again (`back`), or waits for him or another. `sip_status` is what the
    /// operator's phone was told.
    TransferFailed { by: OperatorId, to: Destination, why: OfferOutcome, sip_status: u16, back: bool },
    /// The operator's leg ended while the transfer that he has asked for is under way.
    TransferorLeft { leg: LegNo, operator: OperatorId },
    /// Another operator's phone took the place of a leg, by Replaces (RFC 3891): their talk ends here, if it had begun.
    TakenOver { leg: LegNo, by: OperatorId },
    /// Somebody is in the call beside whom the caller talks with. Again when his role changes.
    GuestJoined { leg: LegNo, who: Callee, role: Role },
    /// He has left it, or `Answered` follows: it is his now.
    GuestLeft { leg: LegNo, who: Callee },
    /// The operator or number that had the caller has left, or was `lost`. A participant has the caller now, and `Answered` follows; or the
    /// caller waits again, and `Queued` follows.
    LeadLeft { leg: LegNo, who: Callee, lost: bool },
    /// The call is over. Closes it: the CDR is written.
    Ended {
        #[serde(deserialize_with = "known_or_service")]
        by: Side,
        cause: EndCause,
        sip_status: Option<u16>,
        q850: Option<u8>,
    },
    /// The operator's wrap-up is over.
    WrappedUp { operator: OperatorId },
    /// The operator classed it. Again when he, or somebody else, changes his mind: the last word counts.
    Disposed {
        class: Class,
        category: Option<String>,
        note: Option<String>,
        by: String,
        /// Whose matter the category is, as it was configured then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agency: Option<String>,
    },
    /// Nobody had answered it, and an operator has called the number back, in the call `over`.
    CalledBack { by: OperatorId, over: CallId, outcome: OfferOutcome, sip_status: Option<u16> },
    /// Nobody had answered it, and nobody will call back: the list of those who wait for that was full.
    CallBackLost,
    /// A recording was closed.
    Recorded {
        leg: LegNo,
        file: String,
        sha256: String,
        duration_ms: u64,
        frames_dropped: u64,
        /// Where it is silent because the disk could not be written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gaps: Vec<Gap>,
        /// The end of the service interrupted it, and the next start repaired it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        repaired: bool,
    },
    /// A recording failed.
    RecordingFailed { leg: LegNo, why: String },
    /// Sound as one leg's anchor saw it.
    Sound { leg: LegNo, packets_in: u64, packets_out: u64, packets_lost: u64, packets_foreign: u64, jitter_us: u32 },
    /// Nobody was on shift when it waited: the fallback began. Told once of a call, however often it is tried again.
    NobodyOnShift,
    /// A leg's peer has put the other side on hold.
    Held { leg: LegNo },
    /// And has taken it back.
    Resumed { leg: LegNo },
    /// A leg's session was not refreshed in time (RFC 4028 §10): `kept` because its voice is heard, else ended. Told once of a leg.
    SessionExpired { leg: LegNo, kept: bool },
    /// A leg's peer sends no audio and has responded to our OPTIONS in its dialog: the call continues.
    SilentLegPresent { leg: LegNo, sip_status: u16 },
    /// A digit came from a leg (RFC 4733, or INFO).
    Digit { leg: LegNo, digit: char },
    /// The caller is asked to press a digit if he cannot speak: by an operator, somebody at the console, or, without `by`, because
    /// he was not heard.
    SilentAsked { by: Option<String> },
    /// He has pressed one since, or, `waiting`, while he waited. `text` is what it meant then, empty: nothing that was known.
    Chosen { digit: char, text: String, waiting: bool },
    /// An invariant was broken and this call was ended for it.
    Breach { what: String },

    /// An operator called a colleague or an agency. Opens a call that is no emergency call: it has no record.
    Placed {
        by: OperatorId,
        to: Callee,
        /// Empty where he has not called us, but his own phone was rung for it.
        sip_call_id: String,
        /// The call that nobody had answered, when this one calls back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<CallId>,
        /// Who has ordered it at the console: the operator's own phone rings first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ordered_by: Option<String>,
    },

    /// The service started. `call` is None from here on.
    Started { version: String },
    /// The service stops in good order.
    Stopped,
    /// Calls of a number wait behind others until then, or, without `until`, no longer do, because somebody has said so.
    CallerMarked { number: String, until: Option<Timestamp>, by: String },
    /// The house works otherwise, until then or until somebody ends it, because somebody, or `time`, has said so.
    PostureSet { posture: Posture, until: Option<Timestamp>, by: String },
    /// An operator's state as the ACD sees it changed.
    OperatorState { operator: OperatorId, state: String, reason: Option<String> },
    /// An operator has logged in at a station, or nobody is there any more.
    Stationed { station: OperatorId, operator: Option<OperatorId> },
    /// Somebody has keyed a wrong PIN of his there; `locked`: no PIN lets him in for a while.
    PinRefused { station: OperatorId, operator: OperatorId, locked: bool },
    /// Wrong passwords of an account have been shown, so many that sources which have not proven themselves must wait.
    PasswordGuessed { account: String, source: IpAddr, failures: u32 },
    /// Somebody changed something by the console: who, in which role, what, of what, and whether it was done.
    Commanded { by: String, role: ConsoleRole, command: String, of: String, done: bool },
}

impl FactKind {
    /// The word in records: the `kind` of its JSON form.
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
            Self::Placed { .. } => "placed",
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::CallerMarked { .. } => "caller-marked",
            Self::PostureSet { .. } => "posture-set",
            Self::OperatorState { .. } => "operator-state",
            Self::Stationed { .. } => "stationed",
            Self::PinRefused { .. } => "pin-refused",
            Self::PasswordGuessed { .. } => "password-guessed",
            Self::Commanded { .. } => "commanded",
        }
    }
}
