//! One call of the queue, and what the queue's indexes hold of it.

use super::desk::{DeskNo, DeskSet};
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
    /// Offers made so far.
    pub(super) offers: usize,
    /// Its last fallback was the number alone: the next is that of all phones, while nobody is there.
    pub(super) phones_turn: bool,
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
}

impl Keys {
    pub(super) fn of(call: &Call, service: Service) -> Self {
        let spent = call.offers >= OFFERS_MAX;
        let offerable = if spent { DeskSet::default() } else { call.desks(service) };
        let waits = Some(call.home);
        let (all_at_once, fallback_first) = match service {
            Service::AsDesksSay => (false, false),
            Service::Everybody(_) => (true, false),
            Service::FallbackFirst => (false, true),
        };
        match &call.status {
            Status::Waiting if fallback_first => Self { waits, untried: true, spent, ..Self::default() },
            Status::Waiting => Self { waits, offerable, untried: true, spent, ..Self::default() },
            Status::Held { until } => Self { waits, offerable, retry: Some(*until), ..Self::default() },
            Status::Offered { to, more } if all_at_once || *more == More::Now => {
                Self { joinable: if to.len() < RING_MAX { offerable } else { DeskSet::default() }, ..Self::default() }
            }
            Status::Offered { more: More::From(at), .. } => Self { grows: Some(*at), ..Self::default() },
            Status::Offered { more: More::Now | More::Never, .. }
            | Status::Fallback(_)
            | Status::Talking(_)
            | Status::Moving(_)
            | Status::Direct { .. } => Self::default(),
        }
    }
}
