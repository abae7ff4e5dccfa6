//! The effect of a new operating mode on operators on a break.

use crate::acd::State;
use crate::ids::OperatorId;
use crate::switchboard::calls::Calls;
use crate::switchboard::step::Step;

impl Calls {
    /// Sends the incident text to all operators on a break.
    pub(in crate::switchboard) fn text_operators_on_break(&mut self, step: &mut Step) {
        let text = self.settings.mode.incident_text.clone();
        let on_break = self.acd.views().into_iter().filter(|view| view.state == State::Break);
        let on_break: Vec<OperatorId> = on_break.map(|view| view.operator).collect();
        for operator in on_break.into_iter().filter(|_| !text.is_empty()) {
            // Phones without MESSAGE support are not notified.
            step.notify_operator(operator, text.clone());
        }
    }
}
