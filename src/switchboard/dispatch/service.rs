//! State of the whole service: restored state, changes of the wall clock, and alarms about staffing and ports.

use crate::cdr::fact::{Fact, FactKind};
use crate::cdr::past::Past;
use crate::limits::OPERATORS_MAX;
use crate::switchboard::calls::history::{STEP_MIN_MS, known, rebased, unanswered};
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::output::{Output, PortShortage};
use crate::switchboard::saved_state::Restored;

impl Parts {
    /// Reports changes of two conditions: calls wait while no operator is at work, or while no operator is ready.
    pub(in crate::switchboard) fn report_staffing(&mut self) {
        let (unstaffed, none_ready) = (self.calls.acd.is_unstaffed(), self.calls.acd.is_none_ready());
        if std::mem::replace(&mut self.calls.service_state.unstaffed, unstaffed) != unstaffed {
            self.step.out.others.push(Output::Unstaffed(unstaffed));
        }
        if std::mem::replace(&mut self.calls.service_state.none_ready, none_ready) != none_ready {
            self.step.out.others.push(Output::NoneReady(none_ready));
        }
    }

    /// Shifts all times after the wall clock was set, so that no period becomes longer or shorter.
    pub(in crate::switchboard) fn follow_calendar(&mut self) {
        let now = self.step.now;
        let last = std::mem::replace(&mut self.mode.last_step, now);
        let passed = i64::try_from(now.mono.since(last.mono).as_millis()).unwrap_or(i64::MAX);
        let step = now.wall.as_millis().saturating_sub(last.wall.as_millis()).saturating_sub(passed);
        if step.saturating_abs() < STEP_MIN_MS {
            return;
        }
        self.calls.numbers.callers.shift(step);
        self.calls.numbers.call_backs.shift(step);
        self.mode.state.shift(step);
        for worked in self.calls.numbers.last_calls.values_mut() {
            worked.over_at = worked.over_at.map(|at| at.shifted(step));
        }
        self.mode.write_terms_again(&mut self.calls, &mut self.net, &mut self.step);
    }

    /// Merges the records of earlier runs.
    pub(in crate::switchboard) fn merge_history(&mut self, past: Past) {
        let now = self.step.now;
        let Some(meanwhile) = self.calls.numbers.changes_since_start.take() else { return };
        let terms = self.settings.callers.clone();
        for lost in self.calls.numbers.call_backs.take_over(unanswered(now, &past, &terms), &meanwhile.reached) {
            self.net.facts.late_fact(&mut self.step, lost, FactKind::CallBackLost);
        }
        self.calls.prune_call_backs();
        self.calls.numbers.callers.take_over(known(now, &past, &terms, &meanwhile.classed), &meanwhile.unflagged);
        self.calls.remember_worked(&mut self.net, now, &past);
        self.mode.restore_mode(&mut self.calls, &mut self.step, &past);
        self.calls.restore_stations(&mut self.net, now, &past, &meanwhile.stations);
    }

    /// Restores the state of an earlier run: at once, or as soon as the accounts are known.
    pub(in crate::switchboard) fn restore(&mut self, restored: Restored) {
        let account_states = restored.account_states.into_iter().take(OPERATORS_MAX);
        self.net.phones.recovered.waiting = account_states.map(|one| (one.account.clone(), one)).collect();
        self.restore_terms(restored.terms);
        if self.net.phones.accounts_known {
            self.calls.restore_account_states(&mut self.net, &mut self.step);
        }
    }

    /// Restores flags of callers and the operating mode. They count as set in this run, so that older ones from the database do not replace
    /// them.
    fn restore_terms(&mut self, terms: Vec<Fact>) {
        let now = self.step.now;
        let settings = self.settings.callers.clone();
        let ahead = terms.iter().any(|fact| fact.at > now.wall);
        for fact in &terms {
            let FactKind::CallerMarked { number, until, .. } = &fact.kind else { continue };
            let at = fact.at.min(now.wall);
            match until.map(|until| rebased(now.wall, fact.at, until)) {
                Some(until) if until > now.wall => self.calls.numbers.callers.mark(number, until, at, &settings),
                Some(_) => {}
                None => {
                    self.calls.numbers.callers.clear(number, at, &settings);
                    self.calls.note_unflagged(number);
                }
            }
        }
        if terms.iter().any(|fact| matches!(fact.kind, FactKind::ModeSet { .. })) {
            self.mode.restore_mode(&mut self.calls, &mut self.step, &Past { calls: Vec::new(), facts: terms });
            self.mode.state.mark_set();
        }
        if ahead {
            self.mode.write_terms_again(&mut self.calls, &mut self.net, &mut self.step);
        }
    }

    /// Reports when callers begin or cease to wait without a port, and when operators begin or cease to be idle because no port is free.
    pub(in crate::switchboard) fn report_ports(&mut self) {
        let shortage = match (self.calls.acd.is_out_of_ports(), self.calls.without_port.is_empty()) {
            (true, _) => PortShortage::Exhausted,
            (false, false) => PortShortage::Reserve,
            (false, true) => PortShortage::None,
        };
        if std::mem::replace(&mut self.calls.service_state.ports, shortage) != shortage {
            self.step.say(Output::Ports(shortage));
        }
    }
}
