//! A call: its stage, its legs and the data of the caller.

use crate::cdr::fact::Callee;
use crate::clock::Instant;
use crate::ids::{LegNo, OperatorId};
use crate::sip::wire::Name;
use crate::switchboard::calls::leg::{CallerLeg, OutgoingLeg, OutgoingState};
use crate::switchboard::calls::state::audio::Audio;
use crate::switchboard::calls::state::counts::Counts;
use crate::switchboard::calls::state::dialling::Dialling;
use crate::switchboard::calls::state::history::History;
use crate::switchboard::calls::state::kind::CallKind;
use crate::switchboard::calls::state::participant::Participant;
use crate::switchboard::calls::state::silent::Silent;
use crate::switchboard::calls::state::times::Times;
use crate::switchboard::calls::state::transfer::Transfer;
use crate::switchboard::calls::state::waiting::Waiting;
use crate::switchboard::few_map::FewMap;
use crate::switchboard::ids::MergeKey;
use std::collections::{BTreeMap, BTreeSet};

/// The stage of a call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum Stage {
    /// The call waits in the queue.
    Queued,
    /// The phones of one or more operators are rung.
    Offered,
    /// Fallback: all phones ring until then. The fallback number is next.
    AllPhones { until: Instant },
    /// Fallback: the fallback number rings.
    Number,
    /// The caller is connected with that leg.
    Talking { leg: LegNo },
    /// The operator at `from` transfers the caller; the target's phones or its number ring. `from` is None if the operator has left.
    Transfer { from: Option<LegNo> },
    /// A placed call from the console: the operator's own phones ring. `to` is called when the operator answers.
    OwnPhones { to: Callee },
    /// A placed call: the called party rings.
    Placed,
    /// The call has ended. It exists until its legs have finished their transactions.
    Ended,
}

/// What operators' phones show of a caller.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Caller {
    /// The number in the From header field of outgoing legs: the asserted number before the presented one.
    pub(in crate::switchboard) number: Option<String>,
    /// The first text on the display of a phone that rings for a purpose other than to answer an emergency call.
    pub(in crate::switchboard) rung_to: Option<String>,
    /// The called desk or service, for the display, unless it is the emergency number.
    pub(in crate::switchboard) service: Option<String>,
    /// The history of the number, for the display.
    pub(in crate::switchboard) notice: Option<String>,
    /// A short location for the display.
    pub(in crate::switchboard) location: Option<String>,
    /// Header fields that are copied unchanged to all outgoing legs.
    pub(in crate::switchboard) headers: Vec<(Name, Vec<u8>)>,
    /// Header fields that are copied to outgoing legs to trunks only.
    pub(in crate::switchboard) headers_for_trunks: Vec<(Name, Vec<u8>)>,
    /// The location for the operator's phone in a `Geolocation` header field, as a `geo:` URI (RFC 5870).
    pub(in crate::switchboard) geo: Option<String>,
}

/// The initial value of Max-Forwards, and its maximum (RFC 3261 §8.1.1.6).
pub(in crate::switchboard) const MAX_FORWARDS: u32 = 70;

/// Data from the INVITE of a call's caller.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct CallersInvite {
    pub(in crate::switchboard) merge_key: MergeKey,
    /// The caller's remaining Max-Forwards.
    pub(in crate::switchboard) hops: u32,
}

/// One emergency call or placed call.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Call {
    pub(in crate::switchboard) kind: CallKind,
    pub(in crate::switchboard) times: Times,
    pub(in crate::switchboard) invite: CallersInvite,
    pub(in crate::switchboard) shown: Caller,
    pub(in crate::switchboard) caller: CallerLeg,
    pub(in crate::switchboard) legs: FewMap<LegNo, OutgoingLeg>,
    pub(in crate::switchboard) stage: Stage,
    pub(in crate::switchboard) counts: Counts,
    pub(in crate::switchboard) history: History,
    pub(in crate::switchboard) waiting: Waiting,
    pub(in crate::switchboard) dialling: Dialling,
    pub(in crate::switchboard) audio: Audio,
    /// Participants: further legs, ringing or talking, besides the leg that has the caller. Only in the stage `Talking`.
    pub(in crate::switchboard) participants: BTreeMap<LegNo, Participant>,
    /// The transfer in progress; only in the stage `Transfer`.
    pub(in crate::switchboard) transfer: Option<Transfer>,
    pub(in crate::switchboard) silent: Silent,
}

impl Call {
    /// An emergency call that has just arrived, without any state.
    pub(in crate::switchboard) fn new(times: Times, caller: CallerLeg, shown: Caller, invite: CallersInvite) -> Self {
        Self {
            kind: CallKind::default(),
            times,
            invite,
            shown,
            caller,
            legs: FewMap::default(),
            stage: Stage::Queued,
            counts: Counts::default(),
            history: History::default(),
            waiting: Waiting::default(),
            dialling: Dialling::default(),
            audio: Audio::default(),
            participants: BTreeMap::new(),
            transfer: None,
            silent: Silent::default(),
        }
    }

    pub(in crate::switchboard) fn is_falling_back(&self) -> bool {
        match self.stage {
            Stage::AllPhones { .. } | Stage::Number => true,
            Stage::Queued
            | Stage::Offered
            | Stage::Talking { .. }
            | Stage::Transfer { .. }
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => false,
        }
    }

    /// True if the caller was connected with a party at some time.
    pub(in crate::switchboard) fn has_talked(&self) -> bool {
        self.history.has_talked()
    }

    pub(in crate::switchboard) fn is_over(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// The leg that rings this operator.
    pub(in crate::switchboard) fn leg_of(&self, operator: &OperatorId) -> Option<LegNo> {
        let his = |to: &Callee| matches!(to, Callee::Operator(name) if name == operator);
        self.legs.iter().find(|(_, leg)| his(&leg.to) && leg.is_ringing()).map(|(no, _)| *no)
    }

    /// True if a leg rings.
    pub(in crate::switchboard) fn rings(&self) -> bool {
        self.legs.values().any(OutgoingLeg::is_ringing)
    }

    /// Number of ringing legs.
    pub(in crate::switchboard) fn ringing(&self) -> usize {
        self.legs.values().filter(|leg| leg.is_ringing()).count()
    }

    /// Number of legs that ring, or whose INVITE has no response yet.
    pub(in crate::switchboard) fn ringing_or_open(&self) -> usize {
        self.legs.values().filter(|leg| leg.is_ringing() || leg.state == OutgoingState::NoResponse).count()
    }

    /// A ringing leg of an operator whose other leg rings too.
    pub(in crate::switchboard) fn second_phone(&self) -> Option<LegNo> {
        let mut seen = BTreeSet::new();
        let ringing = self.legs.iter().filter(|(_, leg)| leg.is_ringing());
        ringing
            .filter_map(|(no, leg)| Some((no, leg.operator()?)))
            .find(|(_, operator)| !seen.insert(*operator))
            .map(|(no, _)| *no)
    }
}
