//! Calls in the fallback, and the operators who ring for them.

use std::collections::BTreeSet;

use super::{Queue, RingMore, Status};
use crate::ids::{CallId, OperatorId};

impl Status {
    /// A fallback that rings the phones of these operators.
    pub(in crate::acd) fn fallback(operators: &[OperatorId]) -> Self {
        Self::Fallback {
            to: operators.iter().cloned().collect(),
            rung_as_ready: BTreeSet::new(),
            more: RingMore::Never,
        }
    }

    /// The same state with one more operator, who is rung because they are ready, and not because all phones ring.
    /// `more`: whether further operators may follow.
    pub(super) fn with(self, operator: &OperatorId, more: RingMore) -> Self {
        match self {
            Self::Fallback { mut to, mut rung_as_ready, .. } => {
                to.insert(operator.clone());
                rung_as_ready.insert(operator.clone());
                Self::Fallback { to, rung_as_ready, more }
            }
            Self::Offered { mut to, .. } => {
                to.insert(operator.clone());
                Self::Offered { to, more }
            }
            Self::Waiting
            | Self::FallbackBackoff { .. }
            | Self::Talking(_)
            | Self::Transferring(_)
            | Self::Placed { .. } => Self::Offered { to: BTreeSet::from([operator.clone()]), more },
        }
    }

    /// True while the fallback rings an operator only because it rings all phones.
    pub(super) fn rings_all_phones(&self) -> bool {
        match self {
            Self::Fallback { to, rung_as_ready, .. } => to.len() > rung_as_ready.len(),
            Self::Waiting
            | Self::FallbackBackoff { .. }
            | Self::Offered { .. }
            | Self::Talking(_)
            | Self::Transferring(_)
            | Self::Placed { .. } => false,
        }
    }
}

impl Queue {
    /// True if the operator rings for a call because they were ready, and not because all phones ring.
    pub(in crate::acd) fn is_in_turn(&self, call: CallId, operator: &OperatorId) -> bool {
        match self.status(call) {
            Some(Status::Offered { to, .. } | Status::Fallback { rung_as_ready: to, .. }) => to.contains(operator),
            Some(
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. },
            )
            | None => false,
        }
    }

    /// Ends the fallback of a call. Operators who were rung because they became ready continue to ring; the others are
    /// returned. If no operator rings, the call's state becomes `after`.
    pub(in crate::acd) fn end_fallback(&mut self, call: CallId, after: Status) -> Vec<OperatorId> {
        let mut released = Vec::new();
        self.change(call, |entry| {
            let Status::Fallback { to, rung_as_ready, more } = &entry.status else { return };
            released = to.difference(rung_as_ready).cloned().collect();
            let (to, more) = (rung_as_ready.clone(), *more);
            entry.status = if to.is_empty() { after } else { Status::Offered { to, more } };
        });
        released
    }
}
