//! What earlier runs knew of callers: whom nobody has answered, whose calls were pranks, how often a number has called, whose last
//! call was which. It comes when the database can tell it, and is merged with what has happened since the start; calls never wait for it.

use crate::cdr::fact::FactKind;
use crate::switchboard::calls::memory::CALENDAR;
use crate::switchboard::{Calls, Mode, NetworkParts, Step};

impl Mode {
    /// Emits the terms again with the present wall clock times, so that a later start does not use the older facts.
    pub(in crate::switchboard) fn write_terms_again(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
    ) {
        let now = step.now;
        for (number, until) in calls.numbers.callers.marked(now.wall) {
            let by = CALENDAR.to_owned();
            net.facts.service_fact(step, FactKind::CallerMarked { number, until: Some(until), by });
        }
        if let Some((posture, until, by)) = self.stance.term() {
            net.facts.service_fact(step, FactKind::PostureSet { posture, until, by });
        }
    }
}
