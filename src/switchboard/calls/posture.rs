//! The posture of the house: who sets it, for how long, and who is told. What it means to the queue, `acd::posture` says.

use crate::acd::State;
use crate::ids::OperatorId;
use crate::switchboard::{Calls, Step};

impl Calls {
    /// Those who are on a break get a text, once.
    pub(in crate::switchboard) fn call_back_to_work(&mut self, step: &mut Step) {
        let text = self.settings.posture.incident_text.clone();
        let on_break = self.acd.views().into_iter().filter(|view| view.state == State::Break);
        let on_break: Vec<OperatorId> = on_break.map(|view| view.operator).collect();
        for operator in on_break.into_iter().filter(|_| !text.is_empty()) {
            // Whose phone takes no texts is asked by somebody in the room.
            step.notify_operator(operator, text.clone());
        }
    }
}
