//! Call detail records: facts, and their fold. Knows nothing of how facts come about or are stored.

mod console_role;
pub mod fact;
mod fold;
mod guests;
pub mod interrupted;
mod moment;
pub mod past;
mod transfers;

use serde::{Deserialize, Serialize};

use crate::acd::Posture;
use crate::clock::Timestamp;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Gap;
use crate::sip::location::{Location, Shape};

use fact::{Callee, Class, Destination, EndCause, OfferOutcome, Role, Side};

/// What became of a call, as reports count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Somebody spoke with the caller.
    Answered,
    /// The caller left before an answer.
    Abandoned,
    /// The service or the trunk's side ended it before an answer.
    Failed,
    /// The service was killed while it was open, before an answer.
    Interrupted,
}

impl Outcome {
    /// What a call comes to that ends before anybody has answered.
    pub const fn unanswered(cause: EndCause) -> Self {
        match cause {
            EndCause::Interrupted => Self::Interrupted,
            // Or he was answered by the queue, not by a person, and went away or fell silent.
            EndCause::Abandoned | EndCause::Normal | EndCause::CallerSilent | EndCause::CallerLost => Self::Abandoned,
            EndCause::OperatorLost
            | EndCause::NoCapacity
            | EndCause::NoCodec
            | EndCause::ServiceFault
            | EndCause::Unknown => Self::Failed,
        }
    }

    /// The word in records and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One offer to an operator's phone or the fallback number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub leg: LegNo,
    pub to: Callee,
    /// Why he of all: the ACD's reason.
    pub why: String,
    pub offered: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rang: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// None while it is open, or where its end was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OfferOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
}

/// One stretch of talk with one callee. The sum of all stretches but the guests' is the call's talk time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Talk {
    pub leg: LegNo,
    pub with: Callee,
    pub from: Timestamp,
    pub to: Timestamp,
    /// True when the callee was lost and the caller went back to the queue.
    #[serde(default)]
    pub lost: bool,
    /// True when the callee passed the caller on, or another took his place.
    #[serde(default, skip_serializing_if = "is_not")]
    pub transferred: bool,
    /// True when another had the caller meanwhile: these seconds are the guest's own, and no more of the call's.
    #[serde(default, skip_serializing_if = "is_not")]
    pub guest: bool,
}

/// One stretch in which somebody was in the call beside whom the caller had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    pub leg: LegNo,
    pub who: Callee,
    pub role: Role,
    pub from: Timestamp,
    pub to: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    pub by: OperatorId,
    pub to: Destination,
    /// The call in which the two spoke before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consulted: Option<CallId>,
    pub asked: Timestamp,
    /// Done, or failed; None where that was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// `Answered` when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OfferOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
}

impl Talk {
    /// Its length in milliseconds.
    pub const fn millis(&self) -> u64 {
        self.to.millis_since(self.from)
    }
}

/// A recording of one stretch of talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    pub leg: LegNo,
    /// Relative to `[recording] dir`.
    pub file: String,
    /// Of the file's bytes, hexadecimal.
    pub sha256: String,
    pub duration_ms: u64,
    pub frames_dropped: u64,
    /// Where it is silent because the disk could not be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The end of the service interrupted it, and the next start repaired it.
    #[serde(default, skip_serializing_if = "is_not")]
    pub repaired: bool,
}

/// Sound as one leg's port saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    pub leg: LegNo,
    pub packets_in: u64,
    pub packets_out: u64,
    pub packets_lost: u64,
    pub packets_foreign: u64,
    pub jitter_us: u32,
}

/// How the operator classed a call; the last word counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    pub class: Class,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Whose matter it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub by: String,
    pub at: Timestamp,
}

/// A call-back of an operator to somebody whom nobody had answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBack {
    pub by: OperatorId,
    /// The call in which he called.
    pub over: CallId,
    /// `Answered` when he was reached.
    pub outcome: OfferOutcome,
    pub at: Timestamp,
}

/// The prompt for those who cannot speak was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentPrompt {
    /// None: by itself, as the caller was not heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: Timestamp,
}

/// A digit by which a caller has said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub digit: char,
    /// What it meant then; empty: nothing that was known.
    pub text: String,
    /// While he waited, unasked.
    #[serde(default, skip_serializing_if = "is_not")]
    pub waiting: bool,
    pub at: Timestamp,
}

/// One call, as its facts tell it. Times are milliseconds since the Unix epoch, spans milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cdr {
    pub call: CallId,
    pub trunk: String,
    /// From P-Asserted-Identity of a trusted trunk (RFC 3325).
    pub asserted: Option<String>,
    /// From From.
    pub presented: Option<String>,
    pub called: String,
    /// The Call-ID of the caller's leg.
    pub sip_call_id: String,
    pub headers: Vec<String>,
    /// How the house worked when it came.
    #[serde(default, skip_serializing_if = "Posture::is_normal")]
    pub posture: Posture,
    /// How many calls of the number there were within the configured time, this one included; 0: it was the first, or unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls_of_late: u32,
    /// The account whose phone made the call: an internal call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<OperatorId>,
    /// It waited behind others, as the number's calls before were pranks.
    #[serde(default, skip_serializing_if = "is_not")]
    pub known_prank: bool,
    /// Best first.
    pub locations: Vec<Location>,

    /// The desk whose call it is; empty: the first, or it never entered a queue.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub desk: String,
    pub received: Timestamp,
    pub queued: Option<Timestamp>,
    pub announced: Option<Timestamp>,
    pub first_offered: Option<Timestamp>,
    /// The first answer.
    pub answered: Option<Timestamp>,
    /// None while the call is open.
    pub ended: Option<Timestamp>,
    pub wrapped_up: Option<Timestamp>,

    /// From arrival to the first answer, or to the end where there was none.
    pub waited_ms: u64,
    /// All stretches of talk together, but the guests'.
    pub talk_ms: u64,
    /// How much of it one side had put the other on hold.
    #[serde(default)]
    pub hold_ms: u64,
    /// From the end to the end of the operator's wrap-up.
    pub wrap_ms: Option<u64>,

    /// Who talked last.
    pub operator: Option<OperatorId>,
    pub talks: Vec<Talk>,
    pub offers: Vec<Offer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// Conferences and supervision, in the order in which they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<Visit>,
    /// Somebody was lost, or sent him back, and the caller waited again, so often.
    pub returned: u32,
    pub nobody_on_shift: bool,

    pub ended_by: Option<Side>,
    pub cause: Option<EndCause>,
    /// The final response to the caller's INVITE when it was not 200.
    pub sip_status: Option<u16>,
    /// From a Reason header (RFC 3326).
    pub q850: Option<u8>,
    pub outcome: Option<Outcome>,

    pub disposition: Option<Disposition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub call_backs: Vec<CallBack>,
    pub recordings: Vec<Recording>,
    pub recording_faults: Vec<String>,
    pub sound: Vec<Sound>,
    /// `leg:digit`, in order.
    pub digits: Vec<(LegNo, char)>,
    /// When the caller was asked to press a digit if he cannot speak.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_prompts: Vec<SilentPrompt>,
    /// What he has pressed then, and while he waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    pub breach: Option<String>,
}

impl Cdr {
    /// The number that the operator saw: asserted before presented.
    pub fn number(&self) -> Option<&str> {
        self.asserted.as_deref().or(self.presented.as_deref())
    }

    /// The best location in a few words. None where none came, or nothing of it could be read.
    pub fn location_brief(&self) -> Option<String> {
        self.locations.iter().map(Location::brief).find(|words| !words.is_empty())
    }

    /// Latitude and longitude (WGS 84) of the best location that has a shape; of a circle, its centre.
    pub fn position(&self) -> Option<(f64, f64)> {
        self.locations.iter().find_map(|location| match location.shape.as_ref()? {
            Shape::Point { latitude, longitude } | Shape::Circle { latitude, longitude, .. } => {
                Some((*latitude, *longitude))
            }
        })
    }

    /// True if the call has ended and the operator who had it last, if any, has wrapped it up.
    pub fn is_settled(&self) -> bool {
        let wraps_up =
            self.operator.is_some() && self.wrapped_up.is_none() && self.cause != Some(EndCause::Interrupted);
        self.is_closed() && !wraps_up
    }

    /// True if an operator classed it as drill or test. Only one figure of the reports counts it.
    pub fn is_exercise(&self) -> bool {
        self.disposition.as_ref().is_some_and(|disposition| disposition.class.is_exercise())
    }

    /// True for a number to which an operator transferred the caller, or which an operator added: an agency, not the fallback number.
    pub fn is_agency(&self, callee: &Callee) -> bool {
        let Callee::Number(number) = callee else { return false };
        let passed = self.transfers.iter().any(|transfer| transfer.to == Destination::Number(number.clone()));
        passed || self.guests.iter().any(|visit| visit.who == *callee)
    }

    /// True when nothing but late facts can follow.
    pub const fn is_closed(&self) -> bool {
        self.ended.is_some()
    }
}
