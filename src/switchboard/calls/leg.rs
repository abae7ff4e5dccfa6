//! Legs: one session each, to the caller, an operator's phone or a number over a trunk.

use bytes::Bytes;

use crate::cdr::fact::{Callee, OfferOutcome};
use crate::clock::Instant;
use crate::sip::locate::Target;
use crate::sip::transaction::ClientId;
use crate::switchboard::calls::state::without_port::WithoutPort;
use crate::switchboard::ids::{BoundPhone, LegRef};
use crate::switchboard::phones::second_address::SecondInvite;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::call_connections::Disconnected;

/// An outgoing INVITE whose called party has become the caller. Its 2xx may be repeated, or arrive from a fork.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct OriginationInvite {
    pub(in crate::switchboard) client: ClientId,
    pub(in crate::switchboard) cseq: u32,
    /// The From of the INVITE with its tag.
    pub(in crate::switchboard) from: Bytes,
}

/// The caller's leg.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct CallerLeg {
    pub(in crate::switchboard) session: Session,
    /// In click-to-call: siaga's INVITE to the operator's own phone, which the operator has answered.
    pub(in crate::switchboard) origination_invite: Option<OriginationInvite>,
    /// Set while the caller waits without a port, or has one only while a phone rings.
    pub(in crate::switchboard) without_port: Option<WithoutPort>,
    /// The connection was closed before the final response or its ACK.
    pub(in crate::switchboard) disconnected: Option<Disconnected>,
}

impl CallerLeg {
    pub(in crate::switchboard) fn new(session: Session) -> Self {
        Self { session, origination_invite: None, without_port: None, disconnected: None }
    }

    /// True if the caller has got a 200.
    pub(in crate::switchboard) fn is_answered(&self) -> bool {
        self.session.is_answered()
    }
}

/// The state of an outgoing leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum OutgoingState {
    /// INVITE sent; the leg is cancelled at `ring_until`. `rang`: 180 has arrived.
    Ringing { ring_until: Instant, rang: bool },
    /// No phone has responded to the INVITE in time. It stays open, and its operator is not reserved for the call.
    NoResponse,
    /// Cancelled; waits for the final response.
    Cancelling,
    /// Connected.
    Talking,
}

impl OutgoingState {
    /// Removes the timer of the state.
    pub(in crate::switchboard) fn stop_timer(self, step: &mut Step, who: LegRef) {
        match self {
            Self::Ringing { ring_until, .. } => {
                step.timers.remove(ring_until, TimerKind::RingOver(who));
            }
            Self::NoResponse | Self::Talking | Self::Cancelling => {}
        }
    }
}

/// The ringing of a leg's phone.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct RingAttempt {
    /// The phone; None for a number over a trunk, or if the phone has called siaga.
    pub(in crate::switchboard) phone: Option<BoundPhone>,
    pub(in crate::switchboard) second: SecondInvite,
    /// True if any response has arrived.
    pub(in crate::switchboard) responded: bool,
    /// The deadline for the first response.
    pub(in crate::switchboard) respond_by: Option<Instant>,
    /// The binding has been removed: the leg ends at this time unless a response arrives.
    pub(in crate::switchboard) ends_at: Option<Instant>,
}

/// A leg to an operator's phone or to an outside number.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct OutgoingLeg {
    pub(in crate::switchboard) session: Session,
    pub(in crate::switchboard) to: Callee,
    /// The INVITE transaction; None if the phone has called siaga to replace another leg.
    pub(in crate::switchboard) client: Option<ClientId>,
    /// The From of the INVITE with its tag, and the Call-ID.
    pub(in crate::switchboard) from: Bytes,
    pub(in crate::switchboard) call_id: Bytes,
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) state: OutgoingState,
    /// The trunk and its server over which a number was dialled: a failure counts against this server.
    pub(in crate::switchboard) dialled: Option<(usize, Target)>,
    /// True if the leg rang for a party other than its present caller.
    pub(in crate::switchboard) identity_outdated: bool,
    pub(in crate::switchboard) attempt: RingAttempt,
}

impl OutgoingLeg {
    /// The From and CSeq of the INVITE, which its responses belong to.
    pub(in crate::switchboard) fn invite(&self) -> (&[u8], u32) {
        (&self.from, self.cseq)
    }
}

/// The recorded outcome for a final response of a phone.
pub(in crate::switchboard) fn outcome_of(status: u16) -> OfferOutcome {
    match status {
        486 | 600 => OfferOutcome::Busy,
        408 | 480 => OfferOutcome::NoAnswer,
        404 | 410 | 503 => OfferOutcome::Unreachable,
        300..=399 => OfferOutcome::Redirected,
        400..=699 => OfferOutcome::Rejected,
        _ => OfferOutcome::Unreachable,
    }
}
