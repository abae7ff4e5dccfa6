//! What one step works with: the random numbers, the deadlines, and the outputs that it collects.

use std::collections::BTreeSet;

use crate::cdr::fact::Fact;
use crate::clock::{Deadlines, Now};
use crate::ids::{OperatorId, Rng};
use crate::media::command::Command;
use crate::sip::flow::Transmit;

use super::output::Output;
use super::timers::Alarm;

/// The outputs of one step, each kind in order.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) facts: Vec<Fact>,
    pub(super) media: Vec<Command>,
    pub(super) transmits: Vec<Transmit>,
    pub(super) others: Vec<Output>,
    /// Texts to the phones of operators, sent at the end of the step.
    pub(super) notices: Vec<(OperatorId, String)>,
    /// Operators whose legs have changed: their watchers are told at the end of the step.
    pub(super) changed: BTreeSet<OperatorId>,
}

/// What every part needs in a step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) now: Now,
    pub(super) rng: Rng,
    pub(super) alarms: Deadlines<Alarm>,
    pub(super) out: Effects,
}

impl Step {
    pub(super) fn new(now: Now, rng: Rng) -> Self {
        Self { now, rng, alarms: Deadlines::default(), out: Effects::default() }
    }
}
