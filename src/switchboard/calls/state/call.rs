//! A call: its stage, its legs and what is known of the caller.

use crate::acd::desk::DeskNo;
use crate::cdr::fact::Callee;
use crate::clock::{Instant, Now};
use crate::ids::{LegNo, OperatorId};
use crate::sip::locate::Target;
use crate::sip::wire::Name;
use crate::switchboard::calls::leg::{CallerLeg, OfferLeg, OfferState};
use crate::switchboard::calls::state::call_back::CallBack;
use crate::switchboard::calls::state::participant::Guest;
use crate::switchboard::calls::state::silent::Silent;
use crate::switchboard::calls::state::transfer::Transfer;
use crate::switchboard::ids::MergeKey;
use crate::switchboard::trunks::trunk::NextRoute;
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
    /// The called desk or service, for the display, unless it is the emergency number.
    pub(in crate::switchboard) service: Option<String>,
    /// The history of the number, for the display.
    pub(in crate::switchboard) notice: Option<String>,
    /// A short location for the display.
    pub(in crate::switchboard) location: Option<String>,
    /// Header fields that are copied unchanged to all outgoing legs.
    pub(in crate::switchboard) headers: Vec<(Name, Vec<u8>)>,
    /// Header fields that are copied to outgoing legs to trunks only.
    pub(in crate::switchboard) onward: Vec<(Name, Vec<u8>)>,
    /// The location for the operator's phone in a `Geolocation` header field, as a `geo:` URI (RFC 5870).
    pub(in crate::switchboard) geo: Option<String>,
}

/// The phone of the centre from which an emergency call comes.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Internal {
    pub(in crate::switchboard) account: OperatorId,
    /// The operator at that phone. None: no operator is logged in at the station.
    pub(in crate::switchboard) operator: Option<OperatorId>,
}

/// One emergency call or placed call.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Call {
    pub(in crate::switchboard) seq: u32,
    pub(in crate::switchboard) received: Now,
    /// The desk to which the call belongs.
    pub(in crate::switchboard) desk: DeskNo,
    pub(in crate::switchboard) shown: Caller,
    /// The first text on the display of a phone that rings for a purpose other than to answer an emergency call.
    pub(in crate::switchboard) rung_to: Option<String>,
    pub(in crate::switchboard) caller: CallerLeg,
    pub(in crate::switchboard) legs: BTreeMap<LegNo, OfferLeg>,
    /// Operators with a phone that has responded since it was rung.
    pub(in crate::switchboard) heard_from: BTreeSet<OperatorId>,
    pub(in crate::switchboard) next_leg: u32,
    pub(in crate::switchboard) stage: Stage,
    /// The caller hears the announcement or the waiting tone.
    pub(in crate::switchboard) announced: bool,
    /// The time at which the position in the queue is announced next.
    pub(in crate::switchboard) place_told_at: Option<Instant>,
    /// A party has answered the caller at some time.
    pub(in crate::switchboard) talked: bool,
    /// No operator was staffed when a fallback of this call began.
    pub(in crate::switchboard) unstaffed: bool,
    /// The time at which the call has reached its maximum length.
    pub(in crate::switchboard) over_at: Instant,
    /// The alarm `long-call` is raised for this call.
    pub(in crate::switchboard) long: bool,
    /// The time at which an operator's own INVITE expires.
    pub(in crate::switchboard) expires_at: Option<Instant>,
    pub(in crate::switchboard) digits: u16,
    /// The caller's remaining Max-Forwards.
    pub(in crate::switchboard) hops: u32,
    /// The trunks over which a number was tried. Next, the trunk and server that are dialled now or have failed last.
    pub(in crate::switchboard) tried: BTreeSet<usize>,
    pub(in crate::switchboard) dialling: Option<(usize, Option<Target>)>,
    /// The outside numbers that are tried while the call waits, each with its time. The next one is last.
    pub(in crate::switchboard) outside: Vec<(Instant, String)>,
    /// How the number that failed last can be dialled again.
    pub(in crate::switchboard) next_route: Option<NextRoute>,
    pub(in crate::switchboard) merge_key: MergeKey,
    /// Whether the caller, and the operator, has put the other side on hold.
    pub(in crate::switchboard) holding: (bool, bool),
    /// Participants: further legs, ringing or talking, besides the leg that has the caller. Only in the stage `Talking`.
    pub(in crate::switchboard) guests: BTreeMap<LegNo, Guest>,
    /// The audio is mixed and not bridged, because a participant talks.
    pub(in crate::switchboard) mixed: bool,
    /// The transfer in progress; only in the stage `Transfer`.
    pub(in crate::switchboard) transfer: Option<Transfer>,
    /// When the two calls become one, the called party joins the operator's emergency call.
    pub(in crate::switchboard) confers: bool,
    /// The operator who placed the call. None: an emergency call.
    pub(in crate::switchboard) placed_by: Option<OperatorId>,
    /// The phone of the centre from which the emergency call comes.
    pub(in crate::switchboard) internal: Option<Internal>,
    /// The call-back for which the call was placed.
    pub(in crate::switchboard) call_back: Option<CallBack>,
    /// Its number in the order of arrival, kept while an outside number has the call.
    pub(in crate::switchboard) arrival: Option<u64>,
    /// Operators who have talked with the caller.
    pub(in crate::switchboard) worked_by: BTreeSet<OperatorId>,
    /// The number that is added to the priority of the call's desk. Lower priorities are served first.
    pub(in crate::switchboard) penalty: u8,
    pub(in crate::switchboard) silent: Silent,
}

impl Call {
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
        self.talked
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
        self.legs.values().any(OfferLeg::is_ringing)
    }

    /// Number of ringing legs.
    pub(in crate::switchboard) fn ringing(&self) -> usize {
        self.legs.values().filter(|leg| leg.is_ringing()).count()
    }

    /// Number of legs that ring, or whose INVITE has no response yet.
    pub(in crate::switchboard) fn ringing_or_open(&self) -> usize {
        self.legs.values().filter(|leg| leg.is_ringing() || leg.state == OfferState::Unheard).count()
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

    /// The number of a new leg.
    pub(in crate::switchboard) fn take_leg_no(&mut self) -> LegNo {
        self.next_leg = self.next_leg.saturating_add(1);
        LegNo(self.next_leg)
    }
}
