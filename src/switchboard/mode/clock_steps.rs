//! Emits the flags and the operating mode again when their stored times no longer match the wall clock.

use crate::cdr::fact::FactKind;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::history::CALENDAR;
use crate::switchboard::mode::Mode;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Mode {
    /// Emits flags and the operating mode with the present wall clock times, so that a later start does not use the
    /// older facts.
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
        if let Some((mode, until, by)) = self.state.term() {
            net.facts.service_fact(step, FactKind::ModeSet { mode, until, by });
        }
    }
}
