//! The distributor's state for other modules.

use std::time::Duration;

use super::Acd;
use super::operator::Work;
use super::queue::Status;
use crate::ids::{CallId, OperatorId};

/// An operator's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not on shift, not logged in, not registered or not reachable.
    Offline,
    /// Can be offered a call (unless resting after a failed ring attempt).
    Ready,
    /// The operator's phones ring for a call.
    Offered,
    /// Has a caller.
    Talking,
    /// Finishes the work of the last call.
    WrapUp,
    /// Paused.
    Break,
}

/// One operator's state.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct View {
    #[schema(value_type = String)]
    pub operator: OperatorId,
    pub state: State,
    pub on_shift: bool,
    pub logged_in: bool,
    pub registered: bool,
    pub reachable: bool,
    /// Gets no ring attempt for some time, because the last one was not answered.
    pub resting: bool,
    /// The reason while paused.
    pub paused: Option<String>,
    /// The call that rings, is connected, or is in wrap-up.
    #[schema(value_type = Option<String>)]
    pub call: Option<CallId>,
}

/// The prospects of a waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Position from 1 among the calls that may be offered to the operators of its own desk. `Outlook::FAR` stands for all later
    /// positions.
    pub position: usize,
    /// Estimated waiting time: the position times the recent average time per call, divided by the operators at work at the desk. None if
    /// no operator is at work there.
    pub wait: Option<Duration>,
}

impl Outlook {
    /// The last position that is computed, so that the cost does not grow with the length of the queue.
    pub const FAR: usize = 10;
}

/// A change of an operator's state, for facts and presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub operator: OperatorId,
    pub state: State,
    pub reason: Option<String>,
    /// The call whose wrap-up this change ends, if any.
    pub wrapped_up: Option<CallId>,
}

impl Acd {
    /// Operators in wrap-up, each with that call.
    pub fn wrapping_up(&self) -> impl Iterator<Item = (&OperatorId, CallId)> {
        self.floor.iter().filter_map(|(operator, facts)| match facts.work {
            Work::WrapUp { call, .. } => Some((operator, call)),
            Work::Free | Work::Offered { .. } | Work::Talking { .. } => None,
        })
    }

    /// Operators who are reserved for a ringing call: by a ring attempt, by its fallback, or because it is a placed call of theirs.
    pub fn rung_for(&self, call: CallId) -> impl Iterator<Item = &OperatorId> {
        let rung = match self.queue.status(call) {
            Some(Status::Offered { to, .. } | Status::Fallback { to, .. } | Status::Direct { engaged: to, .. }) => {
                Some(to)
            }
            Some(Status::Waiting | Status::Held { .. } | Status::Talking(_) | Status::Moving(_)) | None => None,
        };
        let rings = |operator: &&OperatorId| {
            self.floor.get(operator).is_some_and(|facts| matches!(facts.work, Work::Offered { .. }))
        };
        rung.into_iter().flatten().filter(rings)
    }

    /// The prospects of a call; None if the call does not wait.
    pub fn outlook(&self, call: CallId) -> Option<Outlook> {
        let (desk, position) = self.queue.position(call, Outlook::FAR)?;
        let staffed = u32::try_from(self.floor.staffed_at(self.stand_in(desk))).unwrap_or(u32::MAX);
        let ahead = u32::try_from(position).unwrap_or(u32::MAX);
        let wait = self.handling.saturating_mul(ahead).checked_div(staffed);
        Some(Outlook { position, wait })
    }

    /// Removes and returns the changes since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.floor.take_changes()
    }

    /// One operator.
    pub fn view(&self, operator: &OperatorId) -> Option<View> {
        self.floor.get(operator).map(|facts| facts.view(operator))
    }

    /// All operators in order of name.
    pub fn views(&self) -> Vec<View> {
        self.floor.iter().map(|(operator, facts)| facts.view(operator)).collect()
    }

    /// Waiting calls in the order in which they will be served.
    pub fn waiting(&self) -> impl Iterator<Item = CallId> {
        self.queue.waiting()
    }

    /// The first call in the order of service that has no answer, whether it waits or rings.
    pub fn first_unanswered(&self) -> Option<CallId> {
        self.queue.first_unanswered()
    }

    /// (waiting calls, operators by state in the order of `State`).
    pub fn counts(&self) -> (usize, [usize; 6]) {
        (self.queue.waiting_count(), self.floor.by_state())
    }

    /// How many operators are staffed: on shift, logged in, registered and reachable, whatever they do.
    pub fn staffed(&self) -> usize {
        self.floor.staffed_count()
    }
}
