//! Calls in the fallback, and the operators who ring for them.

use std::collections::BTreeSet;

use super::{More, Queue, Status};
use crate::ids::{CallId, OperatorId};

impl Status {
    /// A fallback that rings the phones of these operators.
    pub(in crate::acd) fn fallback(operators: &[OperatorId]) -> Self {
        Self::Fallback { to: operators.iter().cloned().collect(), in_turn: BTreeSet::new(), more: More::Never }
    }

    /// The same state with one more operator, whose turn it is. `more`: whether further operators may follow.
    pub(super) fn with(self, operator: &OperatorId, more: More) -> Self {
        match self {
            Self::Fallback { mut to, mut in_turn, .. } => {
                to.insert(operator.clone());
                in_turn.insert(operator.clone());
                Self::Fallback { to, in_turn, more }
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

    /// True while the fallback rings an operator who is not in turn.
    pub(super) fn rings_all_phones(&self) -> bool {
        match self {
            Self::Fallback { to, in_turn, .. } => to.len() > in_turn.len(),
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
    /// True if the operator rings for a call because it was the operator's turn.
    pub(in crate::acd) fn is_in_turn(&self, call: CallId, operator: &OperatorId) -> bool {
        match self.status(call) {
            Some(Status::Offered { to, .. } | Status::Fallback { in_turn: to, .. }) => to.contains(operator),
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

    /// Ends the fallback of a call. Operators whose turn it is continue to ring; the others are returned. If no operator rings, the call's
    /// state becomes `after`.
    pub(in crate::acd) fn end_fallback(&mut self, call: CallId, after: Status) -> Vec<OperatorId> {
        let mut released = Vec::new();
        self.change(call, |entry| {
            let Status::Fallback { to, in_turn, more } = &entry.status else { return };
            released = to.difference(in_turn).cloned().collect();
            let (to, more) = (in_turn.clone(), *more);
            entry.status = if to.is_empty() { after } else { Status::Offered { to, more } };
        });
        released
    }
}
