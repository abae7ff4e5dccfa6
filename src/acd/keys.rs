//! One call of the queue, and its entries in the queue's indexes.

use std::collections::BTreeSet;

use super::desk::{DeskNo, DeskSet};
use super::pairs::Family;
use super::posture::QueueMode;
use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::limits;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct QueuedCall {
    pub(super) place: Place,
    /// The desk of the call.
    pub(super) home: DeskNo,
    /// The desks to which it can be offered, in this order of preference: its own, then by number.
    pub(super) desks: DeskSet,
    /// When it is offered to which additional desks; the last step comes first.
    pub(super) widens: Vec<OverflowStep>,
    /// Ring attempts made so far.
    pub(super) offers: usize,
    /// The time at which it will have waited for `none_ready`; None: it already has.
    pub(super) overdue_at: Option<Instant>,
    /// The last fallback rang only the number: the next one rings all phones if the centre is unstaffed.
    pub(super) phones_turn: bool,
    /// The family of the port for which the caller waits.
    pub(super) lacks: Option<Family>,
    /// The operators who ring for it and were on a break when they were rung.
    pub(super) recalled: BTreeSet<OperatorId>,
    pub(super) status: Status,
}

impl QueuedCall {
    /// True if none of these operators, who ring for the call, was ready when the ring attempt began.
    fn rings_no_ready(&self, rung: &BTreeSet<OperatorId>) -> bool {
        rung.is_subset(&self.recalled)
    }

    /// The desks to which it can be offered in the current operating mode.
    pub(super) fn desks(&self, service: QueueMode) -> DeskSet {
        match service {
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
    pub(super) untried: bool,
    pub(super) spent: bool,
    pub(super) retry: Option<Instant>,
    /// Desks whose operators may ring as well, while the call rings.
    pub(super) joinable: DeskSet,
    /// The time from which more operators may ring, while the call rings.
    pub(super) grows: Option<Instant>,
    /// The desks to which it can be offered, while it has no answer.
    pub(super) unanswered: Option<DeskSet>,
    /// After `none_ready`, while it may ring operators on a break: whether it rings already, and the desks to which it can be offered.
    pub(super) recallable: Option<(bool, DeskSet)>,
    /// After `none_ready`, while it may enter the fallback although operators are staffed: the desks to which it can be offered.
    pub(super) stranded: Option<DeskSet>,
}

impl Keys {
    pub(super) fn of(call: &QueuedCall, service: QueueMode) -> Self {
        let (spent, desks, overdue) = (call.offers >= OFFERS_MAX, call.desks(service), call.overdue_at.is_none());
        let (all_at_once, fallback_first) = match service {
            QueueMode::Normal => (false, false),
            QueueMode::AllOperators(_) => (true, false),
            QueueMode::FallbackFirst => (false, true),
        };
        let (waits, unanswered) = (Some(call.home), Some(desks));
        let pending = Self { unanswered, ..Self::default() };
        let waiting = Self { waits, ..pending };
        let recallable = |rings: bool| Some((rings, desks)).filter(|_| overdue);
        // One leg stays free for an operator who becomes ready.
        let more_recallable = |to: &BTreeSet<OperatorId>| recallable(true).filter(|_| to.len() + 1 < RING_MAX);
        match &call.status {
            Status::Waiting if fallback_first => Self { untried: true, spent, ..waiting },
            // A call that has used its ring attempts gets one more each time its retry is due.
            Status::Waiting => Self {
                offerable: desks,
                untried: true,
                spent,
                recallable: recallable(false),
                stranded: unanswered.filter(|_| overdue),
                ..waiting
            },
            Status::FallbackBackoff { until } if spent => Self { retry: Some(*until), ..waiting },
            Status::FallbackBackoff { until } => {
                Self { offerable: desks, retry: Some(*until), recallable: recallable(false), ..waiting }
            }
            Status::Offered { to, .. } if spent || to.len() >= RING_MAX => pending,
            // A call that rings only operators on a break gets a ready operator in the common order, like a waiting call.
            Status::Offered { to, .. } if call.rings_no_ready(to) => {
                Self { offerable: desks, recallable: more_recallable(to), ..pending }
            }
            Status::Offered { to, more } if all_at_once || *more == More::Now => {
                Self { joinable: desks, recallable: more_recallable(to), ..pending }
            }
            Status::Fallback { to, .. } if fallback_first || spent || to.len() >= RING_MAX => pending,
            Status::Fallback { in_turn, .. } if call.rings_no_ready(in_turn) => Self { offerable: desks, ..pending },
            Status::Fallback { more, .. } if all_at_once || *more == More::Now => Self { joinable: desks, ..pending },
            Status::Offered { more: More::From(at), .. } | Status::Fallback { more: More::From(at), .. } => {
                Self { grows: Some(*at), ..pending }
            }
            Status::Offered { more: More::Now | More::Never, .. }
            | Status::Fallback { more: More::Now | More::Never, .. } => pending,
            Status::Talking(_) | Status::Transferring(_) | Status::Placed { .. } => Self::default(),
        }
    }
}

/// Ring attempts of one call. After them it gets one more for each retry of the fallback.
pub(super) const OFFERS_MAX: usize = limits::RING_ATTEMPTS_PER_CALL_MAX;

/// Maximum operators that one call rings at once. The limit leaves room for the caller's leg and a leg to an outside number.
pub(super) const RING_MAX: usize = limits::LIVE_LEGS_PER_CALL_MAX - 2;

/// A place in the order: lower numbers are served first.
pub type Place = (u8, u64);

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
        more: More,
    },
    /// The fallback is in progress. `to`: the operators who are rung, if any. `in_turn`: those of them who became ready since; the others
    /// ring because the fallback rings all phones.
    Fallback {
        to: BTreeSet<OperatorId>,
        in_turn: BTreeSet<OperatorId>,
        more: More,
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
pub(super) enum More {
    Never,
    From(Instant),
    Now,
}
