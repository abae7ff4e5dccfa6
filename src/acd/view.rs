//! The state of the ACD for other modules.

use std::time::Duration;

use crate::ids::{CallId, OperatorId};

/// An operator's state.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema, serde::Deserialize,
)]
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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    pub operator: OperatorId,
    pub state: State,
    pub reason: Option<String>,
    /// The call whose wrap-up this change ends, if any.
    pub wrapped_up: Option<CallId>,
}
