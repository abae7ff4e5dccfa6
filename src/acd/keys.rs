//! One call of the queue, and what the queue's indexes hold of it.

use super::desk::{DeskNo, DeskSet};
use super::pairs::Family;
use super::posture::Service;
use super::queue::{More, OFFERS_MAX, Place, RING_MAX, Status, Widening};
use crate::clock::Instant;

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) place: Place,
    /// Whose call it is.
    pub(super) home: DeskNo,
    /// Where it can be offered, in this order of preference: at home, then by number.
    pub(super) desks: DeskSet,
    /// When it goes to which desks besides, the last step first.
    pub(super) widens: Vec<Widening>,
    /// Ring attempts made so far.
    pub(super) offers: usize,
    /// When it will have waited for `none_ready`; None: it already has.
    pub(super) overdue_at: Option<Instant>,
    /// Its last fallback was the number alone: the next is that of all phones, while nobody is there.
    pub(super) phones_turn: bool,
    /// Its caller waits without a port of that family.
    pub(super) lacks: Option<Family>,
    pub(super) status: Status,
}

impl Call {
    /// Where it can be offered as the house works now.
    pub(super) fn desks(&self, service: Service) -> DeskSet {
        match service {
            Service::AsDesksSay | Service::FallbackFirst => self.desks,
            Service::Everybody(desk) => self.desks.and(DeskSet::of(desk)),
        }
    }
}

/// What the indexes hold of one call.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// Waits, and is this desk's.
    pub(super) waits: Option<DeskNo>,
    pub(super) offerable: DeskSet,
    pub(super) untried: bool,
    pub(super) spent: bool,
    pub(super) retry: Option<Instant>,
    /// Rings, and may ring operators of these desks as well.
    pub(super) joinable: DeskSet,
    /// Rings, and may ring more from then on.
    pub(super) grows: Option<Instant>,
    /// The desks to which it may go, while it has no answer.
    pub(super) unanswered: Option<DeskSet>,
    /// After `none_ready`, while it may ring operators on a break: whether it rings already, and the desks to which it may go.
    pub(super) recallable: Option<(bool, DeskSet)>,
    /// After `none_ready`, while it may enter the fallback although operators are staffed: the desks to which it may go.
    pub(super) stranded: Option<DeskSet>,
}

impl Keys {
    pub(super) fn of(call: &Call, service: Service) -> Self {
        let (spent, desks, overdue) = (call.offers >= OFFERS_MAX, call.desks(service), call.overdue_at.is_none());
        let (all_at_once, fallback_first) = match service {
            Service::AsDesksSay => (false, false),
            Service::Everybody(_) => (true, false),
            Service::FallbackFirst => (false, true),
        };
        let (waits, unanswered) = (Some(call.home), Some(desks));
        let pending = Self { unanswered, ..Self::default() };
        let waiting = Self { waits, ..pending };
        let recallable = |rings: bool| Some((rings, desks)).filter(|_| overdue);
        match &call.status {
            Status::Waiting if fallback_first => Self { untried: true, spent, ..waiting },
            // A call that has used its ring attempts gets one more each time that its retry is due.
            Status::Waiting => Self {
                offerable: desks,
                untried: true,
                spent,
                recallable: recallable(false),
                stranded: unanswered.filter(|_| overdue),
                ..waiting
            },
            Status::Held { until } if spent => Self { retry: Some(*until), ..waiting },
            Status::Held { until } => {
                Self { offerable: desks, retry: Some(*until), recallable: recallable(false), ..waiting }
            }
            Status::Offered { to, more } if all_at_once || *more == More::Now => {
                if spent || to.len() >= RING_MAX {
                    pending
                } else {
                    Self { joinable: desks, recallable: recallable(true), ..pending }
                }
            }
            Status::Fallback { to, .. } if fallback_first || spent || to.len() >= RING_MAX => pending,
            Status::Fallback { in_turn, .. } if in_turn.is_empty() => Self { offerable: desks, ..pending },
            Status::Fallback { more, .. } if all_at_once || *more == More::Now => Self { joinable: desks, ..pending },
            Status::Offered { more: More::From(at), .. } | Status::Fallback { more: More::From(at), .. } => {
                Self { grows: Some(*at), ..pending }
            }
            Status::Offered { more: More::Now | More::Never, .. }
            | Status::Fallback { more: More::Now | More::Never, .. } => pending,
            Status::Talking(_) | Status::Moving(_) | Status::Direct { .. } => Self::default(),
        }
    }
}
