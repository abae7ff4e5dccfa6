//! How ring attempts and calls end.

use serde::{Deserialize, Serialize};

/// How a ring attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferOutcome {
    /// The operator answered.
    Answered,
    /// It rang for `ring_seconds`.
    NoAnswer,
    /// The phone was busy (486, 600).
    Busy,
    /// The phone rejected the call (any other 4xx, 5xx, 6xx).
    Rejected,
    /// The phone redirected the call (3xx), which siaga does not follow for an emergency call.
    Redirected,
    /// No response, or an ICMP error.
    Unreachable,
    /// The caller hung up during the ring attempt.
    CallerLeft,
    /// Another operator answered first.
    LostRace,
    /// The operator logged out or was removed, or siaga needed the operator or the port pair for another attempt.
    Withdrawn,
}

impl OfferOutcome {
    /// All outcomes.
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

    /// The name in records, metrics and logs.
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

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// A BYE after an answer.
    Normal,
    /// The caller hung up while waiting (CANCEL, or BYE if the queue had answered).
    Abandoned,
    /// The caller sent no audio for the silence time-out.
    CallerSilent,
    /// The caller's side was unreachable, or never sent the ACK.
    CallerLost,
    /// The operator's side was lost, and the caller was not returned to the queue.
    OperatorLost,
    /// A limit of `limits` was reached.
    NoCapacity,
    /// The caller's SDP offer could not be used (no common codec).
    NoCodec,
    /// The service ended the call: an invariant was violated, a drain ran out of time, or the call reached the maximum duration.
    ServiceFault,
    /// The service was killed during the call, which the next start closed.
    Interrupted,
    /// A newer version of siaga wrote a cause that this version does not know.
    #[serde(other)]
    Unknown,
}

impl EndCause {
    /// The name in records, metrics and logs.
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
