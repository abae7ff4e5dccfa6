//! One fact at its time, and the conversation that it may end.

use super::fact::{Callee, FactKind};
use crate::clock::Timestamp;
use crate::ids::{CallId, LegNo};

/// One fact in order, with its time on the call's clock.
pub(super) struct Step<'f> {
    pub(super) call: Option<CallId>,
    pub(super) at: Timestamp,
    pub(super) kind: &'f FactKind,
}

/// The party that talks with the caller: its leg, the party, and the start of the talk.
pub(super) type Talking = Option<(LegNo, Callee, Timestamp)>;
