//! One call of the queue, and its entries in the queue's indexes.

use std::collections::BTreeSet;

use super::desk::{DeskNo, DeskSet};
use super::operating_mode::QueueMode;
use super::port_pairs::Family;
use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::limits;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct QueuedCall {
    pub(super) place: QueuePlace,
    /// The desk of the call.
    pub(super) own_desk: DeskNo,
    /// The desks whose operators can be rung for it, in this order: its own, then by number.
    pub(super) desks: DeskSet,
    /// The times at which operators of more desks can be rung for it; the last step comes first.
    pub(super) overflow_steps: Vec<OverflowStep>,
    /// Ring attempts made so far.
    pub(super) offers: usize,
    /// The time at which its wait reaches `none_ready`; None: it has been reached.
    pub(super) overdue_at: Option<Instant>,
    /// The last fallback rang only the number: the next one rings all phones if the centre is unstaffed.
    pub(super) all_phones_next: bool,
    /// The family of the port for which the caller waits.
    pub(super) missing_port_family: Option<Family>,
    /// The operators who ring for it and were on a break when they were rung.
    pub(super) recalled: BTreeSet<OperatorId>,
    pub(super) status: Status,
}

impl QueuedCall {
    /// True if none of these operators, who ring for the call, was ready when the ring attempt began.
    fn rings_no_ready(&self, rung: &BTreeSet<OperatorId>) -> bool {
        rung.is_subset(&self.recalled)
    }

    /// The desks whose operators can be rung for it in the current operating mode.
    pub(super) fn desks(&self, mode: QueueMode) -> DeskSet {
        match mode {
            QueueMode::Normal | QueueMode::FallbackFirst => self.desks,
            QueueMode::AllOperators(desk) => self.desks.and(DeskSet::of(desk)),
        }
    }
}

/// The entries of one call in the queue's indexes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// The call's desk, while the call waits.
    pub(super) waits: Option<DeskNo>,
    pub(super) offerable: DeskSet,
    pub(super) may_fall_back: bool,
    pub(super) attempts_used: bool,
    pub(super) retry: Option<Instant>,
    /// Desks whose operators may ring as well, while the call rings.
    pub(super) may_ring_more: DeskSet,
    /// The time from which more operators may ring, while the call rings.
    pub(super) ring_more_at: Option<Instant>,
    /// Its desks, while it has no answer.
    pub(super) unanswered: Option<DeskSet>,
    /// Set after `none_ready`, while operators on a break may be rung for it: whether it rings already, and its desks.
    pub(super) may_ring_on_break: Option<(bool, DeskSet)>,
    /// Set after `none_ready`, while it may enter the fallback although operators are at work: its desks.
    pub(super) may_fall_back_staffed: Option<DeskSet>,
}

impl Keys {
    pub(super) fn of(call: &QueuedCall, mode: QueueMode) -> Self {
        let (attempts_used, desks, overdue) = (call.offers >= OFFERS_MAX, call.desks(mode), call.overdue_at.is_none());
        let (all_at_once, fallback_first) = match mode {
            QueueMode::Normal => (false, false),
            QueueMode::AllOperators(_) => (true, false),
            QueueMode::FallbackFirst => (false, true),
        };
        let (waits, unanswered) = (Some(call.own_desk), Some(desks));
        let pending = Self { unanswered, ..Self::default() };
        let waiting = Self { waits, ..pending };
        let may_ring_on_break = |rings: bool| Some((rings, desks)).filter(|_| overdue);
        // One leg stays free for an operator who becomes ready.
        let more_on_break = |to: &BTreeSet<OperatorId>| may_ring_on_break(true).filter(|_| to.len() + 1 < RING_MAX);
        match &call.status {
            Status::Waiting if fallback_first => Self { may_fall_back: true, attempts_used, ..waiting },
            // A call that has used its ring attempts gets one more each time its retry is due.
            Status::Waiting => Self {
                offerable: desks,
                may_fall_back: true,
                attempts_used,
                may_ring_on_break: may_ring_on_break(false),
                may_fall_back_staffed: unanswered.filter(|_| overdue),
                ..waiting
            },
            Status::FallbackBackoff { until } if attempts_used => Self { retry: Some(*until), ..waiting },
            Status::FallbackBackoff { until } => {
                Self { offerable: desks, retry: Some(*until), may_ring_on_break: may_ring_on_break(false), ..waiting }
            }
            Status::Offered { to, .. } if attempts_used || to.len() >= RING_MAX => pending,
            // If a call rings only operators on a break, a ready operator is rung for it like for a waiting call, in
            // the common order.
            Status::Offered { to, .. } if call.rings_no_ready(to) => {
                Self { offerable: desks, may_ring_on_break: more_on_break(to), ..pending }
            }
            Status::Offered { to, more } if all_at_once || *more == RingMore::Now => {
                Self { may_ring_more: desks, may_ring_on_break: more_on_break(to), ..pending }
            }
            Status::Fallback { to, .. } if fallback_first || attempts_used || to.len() >= RING_MAX => pending,
            Status::Fallback { rung_as_ready, .. } if call.rings_no_ready(rung_as_ready) => {
                Self { offerable: desks, ..pending }
            }
            Status::Fallback { more, .. } if all_at_once || *more == RingMore::Now => {
                Self { may_ring_more: desks, ..pending }
            }
            Status::Offered { more: RingMore::From(at), .. } | Status::Fallback { more: RingMore::From(at), .. } => {
                Self { ring_more_at: Some(*at), ..pending }
            }
            Status::Offered { more: RingMore::Now | RingMore::Never, .. }
            | Status::Fallback { more: RingMore::Now | RingMore::Never, .. } => pending,
            Status::Talking(_) | Status::Transferring(_) | Status::Placed { .. } => Self::default(),
        }
    }
}

/// Maximum ring attempts of one call. After them, the call gets one more for each retry of the fallback.
pub(super) const OFFERS_MAX: usize = limits::RING_ATTEMPTS_PER_CALL_MAX;

/// Maximum operators that one call rings at once. One leg is kept for the caller, and one for an outside number.
pub(super) const RING_MAX: usize = limits::LIVE_LEGS_PER_CALL_MAX - 2;

/// A place in the order: lower numbers are served first.
pub type QueuePlace = (u8, u64);

/// The time at which a call is also offered to these desks.
pub(super) type OverflowStep = (Instant, DeskSet);

/// The state of a call in the queue.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Status {
    /// Waits for an operator or for the fallback.
    Waiting,
    /// The fallback has failed. The call waits for an operator; the fallback may start again at `until`.
    FallbackBackoff {
        until: Instant,
    },
    /// These operators (at least one) are rung.
    Offered {
        to: BTreeSet<OperatorId>,
        more: RingMore,
    },
    /// The fallback is in progress. `to`: the operators who are rung, if any. `rung_as_ready`: those of them who were rung
    /// because they became ready during the fallback. The others are rung because the fallback rings all phones.
    Fallback {
        to: BTreeSet<OperatorId>,
        rung_as_ready: BTreeSet<OperatorId>,
        more: RingMore,
    },
    Talking(OperatorId),
    /// In transfer: the transferring operator and the ringing target, as far as they are still in the call.
    Transferring(BTreeSet<OperatorId>),
    /// A placed call: the operators who ring or talk in it.
    Placed {
        by: OperatorId,
        engaged: BTreeSet<OperatorId>,
    },
}

/// Whether a ringing call may ring more operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum RingMore {
    Never,
    From(Instant),
    Now,
}
