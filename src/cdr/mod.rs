//! Call detail records: facts, and the computation of records from them. Does not depend on how facts are created or stored.

mod apart;
pub mod city;
mod console_role;
mod endings;
pub mod fact;
mod fold;
pub mod interrupted;
mod moment;
mod participants;
pub mod past;
pub mod personal;
pub mod rollup;
mod side;
mod step;
mod transfers;

use serde::{Deserialize, Serialize};

use crate::acd::OperatingMode;
use crate::clock::Timestamp;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Gap;
use crate::sip::location::{Location, Shape};

use fact::{Callee, Class, Destination, EndCause, OfferOutcome, Role, Side};

/// The outcome of a call in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// An operator or outside number talked with the caller.
    Answered,
    /// The caller hung up before an answer.
    Abandoned,
    /// The service or the trunk ended it before an answer.
    Failed,
    /// The service was killed while it was open, before an answer.
    Interrupted,
}

impl Outcome {
    /// The outcome of a call that ended without an answer.
    pub const fn unanswered(cause: EndCause) -> Self {
        match cause {
            EndCause::Interrupted => Self::Interrupted,
            // Also if only the queue had answered, not a person, and the caller then hung up or fell silent.
            EndCause::Abandoned | EndCause::Normal | EndCause::CallerSilent | EndCause::CallerLost => Self::Abandoned,
            EndCause::OperatorLost
            | EndCause::NoCapacity
            | EndCause::NoCodec
            | EndCause::ServiceFault
            | EndCause::Unknown => Self::Failed,
        }
    }

    /// The name in records and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One ring attempt to an operator's phone or to the fallback number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub leg: LegNo,
    pub to: Callee,
    /// The ACD's reason for the choice of this operator.
    pub why: String,
    pub offered: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rang: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// None while it is in progress, or if its end was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OfferOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
}

/// One period of talk with one party. The sum of all periods except the participants' is the call's talk time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Talk {
    pub leg: LegNo,
    pub with: Callee,
    pub from: Timestamp,
    pub to: Timestamp,
    /// True if the party was lost and the caller returned to the queue.
    #[serde(default)]
    pub lost: bool,
    /// True if the party transferred the caller or was replaced.
    #[serde(default, skip_serializing_if = "is_not")]
    pub transferred: bool,
    /// True for a participant. This time does not count towards the call's talk time.
    #[serde(default, skip_serializing_if = "is_not")]
    pub guest: bool,
}

/// One participation in a call.
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
    /// The call in which the operator and the target spoke before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consulted: Option<CallId>,
    pub asked: Timestamp,
    /// When it succeeded or failed; None if that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// `Answered` if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OfferOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
}

impl Talk {
    /// Its duration in milliseconds.
    pub const fn millis(&self) -> u64 {
        self.to.millis_since(self.from)
    }
}

/// A recording of one period of talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    pub leg: LegNo,
    /// Relative to `[recording] dir`.
    pub file: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    pub duration_ms: u64,
    pub frames_dropped: u64,
    /// Parts that are silent because the disk could not be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The end of the service interrupted the recording, and the next start repaired it.
    #[serde(default, skip_serializing_if = "is_not")]
    pub repaired: bool,
    /// The file was deleted.
    #[serde(default, skip_serializing_if = "is_not")]
    pub erased: bool,
}

/// The statistics of one leg's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    pub leg: LegNo,
    pub packets_in: u64,
    pub packets_out: u64,
    pub packets_lost: u64,
    pub packets_foreign: u64,
    pub jitter_us: u32,
}

/// The operator's classification of a call; the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    pub class: Class,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The agency of the category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub by: String,
    pub at: Timestamp,
}

/// A call-back after an unanswered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBack {
    pub by: OperatorId,
    /// The call of the call-back.
    pub over: CallId,
    /// `Answered` if the caller was reached.
    pub outcome: OfferOutcome,
    pub at: Timestamp,
}

/// The prompt for those who cannot speak was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentPrompt {
    /// None: played automatically, because no voice was detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: Timestamp,
}

/// A digit that a caller pressed as an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub digit: char,
    /// Its meaning at that time; empty if it had none.
    pub text: String,
    /// Pressed while the caller waited, without the prompt.
    #[serde(default, skip_serializing_if = "is_not")]
    pub waiting: bool,
    pub at: Timestamp,
}

/// The last erasure of personal values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    pub at: Timestamp,
    pub by: String,
    pub ground: String,
}

/// The record of one call. Times are milliseconds since the Unix epoch, durations milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cdr {
    pub call: CallId,
    pub trunk: String,
    /// From P-Asserted-Identity of a trusted trunk (RFC 3325).
    pub asserted: Option<String>,
    /// From the From header.
    pub presented: Option<String>,
    pub called: String,
    /// The Call-ID of the caller's leg.
    pub sip_call_id: String,
    pub headers: Vec<String>,
    /// The operating mode when the call arrived.
    #[serde(default, rename = "posture", skip_serializing_if = "OperatingMode::is_normal")]
    pub mode: OperatingMode,
    /// Number of calls of this number within the configured time, this one included; 0: it was the first, or the number is unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls_of_late: u32,
    /// The account whose phone made the call: an internal call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<OperatorId>,
    /// The call waited behind others, because earlier calls of the number were pranks.
    #[serde(default, skip_serializing_if = "is_not")]
    pub known_prank: bool,
    /// Best first.
    pub locations: Vec<Location>,

    /// The desk of the call; empty: the first desk, or the call never entered a queue.
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

    /// From arrival to the first answer, or to the end if there was none.
    pub waited_ms: u64,
    /// The sum of all periods of talk, except the participants'.
    pub talk_ms: u64,
    /// The part of the talk time in which one side had put the other on hold.
    #[serde(default)]
    pub hold_ms: u64,
    /// From the end to the end of the operator's wrap-up.
    pub wrap_ms: Option<u64>,

    /// The operator who talked last.
    pub operator: Option<OperatorId>,
    pub talks: Vec<Talk>,
    pub offers: Vec<Offer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// Conferences and supervision, in the order in which they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<Visit>,
    /// Number of times that the caller returned to the queue, because the other party was lost or returned the caller.
    pub returned: u32,
    pub nobody_on_shift: bool,

    pub ended_by: Option<Side>,
    pub cause: Option<EndCause>,
    /// The final response to the caller's INVITE if it was not 200.
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
    /// When the caller was asked to press a digit if they cannot speak.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_prompts: Vec<SilentPrompt>,
    /// The digits that the caller pressed then, and while they waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    pub breach: Option<String>,
    /// The call had a position, which was erased.
    #[serde(default, skip_serializing_if = "is_not")]
    pub is_position_erased: bool,
    /// Personal values of the call were erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<Erasure>,
}

impl Cdr {
    /// The number that the operator saw: the asserted number, else the presented one.
    pub fn number(&self) -> Option<&str> {
        self.asserted.as_deref().or(self.presented.as_deref())
    }

    /// The texts of the record in which a caller's number may be.
    pub fn personal_texts(&self) -> impl Iterator<Item = &str> {
        let numbers = [self.asserted.as_deref(), self.presented.as_deref()].into_iter().flatten();
        let note = self.disposition.as_ref().and_then(|disposition| disposition.note.as_deref());
        numbers.chain(self.headers.iter().map(String::as_str)).chain(note)
    }

    /// The record as it is after an erasure of the caller's values and recordings.
    #[must_use]
    pub fn without_personal(mut self, at: Timestamp, by: &str, ground: &str) -> Self {
        self.is_position_erased |= self.position().is_some();
        (self.asserted, self.presented) = (None, None);
        self.headers.clear();
        self.locations.clear();
        if let Some(disposition) = &mut self.disposition {
            disposition.note = None;
        }
        self.digits.iter_mut().for_each(|(_, digit)| *digit = '?');
        for choice in &mut self.choices {
            (choice.digit, choice.text) = ('?', String::new());
        }
        self.recordings.iter_mut().for_each(|recording| recording.erased = true);
        self.erased = Some(Erasure { at, by: by.to_owned(), ground: ground.to_owned() });
        self
    }

    /// The best location as a short text. None if no location arrived, or none was readable.
    pub fn location_brief(&self) -> Option<String> {
        self.locations.iter().map(Location::brief).find(|words| !words.is_empty())
    }

    /// Latitude and longitude (WGS 84) of the best location with a shape; for a circle, its centre.
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

    /// True if only late facts can follow.
    pub const fn is_closed(&self) -> bool {
        self.ended.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::fact::{Fact, FactId, FactKind};
    use crate::clock::Timestamp;
    use crate::ids::{CallId, Rng};
    use crate::sip::location::{Location, Shape, Source};

    /// 106° 50' 30.5": its shortest decimal form has 17 digits.
    const LONGITUDE: f64 = 106.841_805_555_555_55;

    #[test]
    fn a_coordinate_of_17_digits_is_read_back_exactly() {
        let location = Location {
            source: Source::PidfLo,
            shape: Some(Shape::Point { latitude: -5.113_8, longitude: LONGITUDE }),
            civic: BTreeMap::new(),
            access: BTreeMap::new(),
            raw: String::new(),
            fault: None,
        };
        let at = Timestamp::from_millis(1);
        let call = CallId::new(at, &mut Rng::from_number(1));
        let id = FactId { stream: call, seq: 3 };
        let fact = Fact { id, call: Some(call), at, up: None, kind: FactKind::Located { location } };
        assert_eq!(Fact::read(&serde_json::to_vec(&fact).unwrap()), Some(fact));
    }
}
