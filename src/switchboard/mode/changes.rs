//! Changes of the operating mode, its end and its reminders.

use crate::acd::OperatingMode;
use crate::cdr::fact::FactKind;
use crate::cdr::past::Past;
use crate::clock::{Timestamp, earliest};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::history::rebased;
use crate::switchboard::mode::Mode;
use crate::switchboard::mode::state::ModeState;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{ConsoleReply, Output};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use std::time::Duration;

/// Interval of reminders while the operating mode is not normal.
const REMINDER: Duration = Duration::from_secs(3_600);

/// The name in facts for a return to normal mode after the time has expired.
const TIME: &str = "time";

impl Mode {
    /// Sets the operating mode for this many hours, or for the default duration; 0 means until it is changed.
    /// `Fallback` needs a fallback number.
    pub(in crate::switchboard) fn set_mode(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        mode: OperatingMode,
        hours: Option<u32>,
        by: String,
    ) -> ConsoleReply {
        let now = step.now;
        if mode == OperatingMode::Fallback && self.settings.fallback.number.is_none() {
            return ConsoleReply::NoFallback;
        }
        let hours = hours.unwrap_or(self.settings.mode.hours);
        let span = Some(hours).filter(|hours| *hours > 0 && !mode.is_normal());
        let until = span.map(|hours| now.after(Duration::from_secs(u64::from(hours) * 3_600)).wall);
        let begins = self.state.mode != mode;
        self.apply(
            calls,
            step,
            ModeState { mode, since: now.wall, until, by: by.clone(), set: true, ..ModeState::default() },
        );
        net.facts.service_fact(step, FactKind::ModeSet { mode, until, by });
        if begins && mode == OperatingMode::MajorIncident {
            calls.text_operators_on_break(step);
        }
        self.mode_view()
    }

    /// The operating mode for the console.
    pub(in crate::switchboard) fn mode_view(&self) -> ConsoleReply {
        let ModeState { mode, since, until, by, .. } = self.state.clone();
        ConsoleReply::Mode { mode, since, until, by }
    }

    /// Restores the operating mode of an earlier run, unless it was set in this run or has expired.
    pub(in crate::switchboard) fn restore_mode(&mut self, calls: &mut Calls, step: &mut Step, past: &Past) {
        let now = step.now;
        let last = past.facts.iter().rfind(|fact| matches!(fact.kind, FactKind::ModeSet { .. }));
        let Some(last) = last else { return };
        let FactKind::ModeSet { mode, until, by } = last.kind.clone() else { return };
        let (since, until) = (last.at.min(now.wall), until.map(|until| rebased(now.wall, last.at, until)));
        if !self.state.set && !mode.is_normal() && until.is_none_or(|until| now.wall < until) {
            self.apply(calls, step, ModeState { mode, since, until, by, ..ModeState::default() });
        }
    }

    fn apply(&mut self, calls: &mut Calls, step: &mut Step, state: ModeState) {
        let now = step.now;
        if let Some(due) = self.state.due {
            step.timers.remove(due, TimerKind::Mode);
        }
        let left = |until: Timestamp| Duration::from_millis(until.millis_since(now.wall));
        let over_at = state.until.map(|until| now.mono + left(until));
        self.state = ModeState { over_at, due: None, ..state };
        calls.acd.set_mode(now, self.state.mode);
        self.arm_mode_timer(step);
        self.report_mode(step, false);
    }

    fn arm_mode_timer(&mut self, step: &mut Step) {
        let now = step.now;
        let remind = (!self.state.mode.is_normal()).then(|| now.mono + REMINDER);
        self.state.due = remind.and_then(|remind| earliest(Some(remind), self.state.over_at));
        if let Some(due) = self.state.due {
            step.timers.insert(due, TimerKind::Mode);
        }
    }

    fn report_mode(&mut self, step: &mut Step, reminder: bool) {
        let now = step.now;
        let lasts_ms = now.wall.millis_since(self.state.since);
        step.out.others.push(Output::Mode { mode: self.state.mode, lasts_ms, reminder });
    }

    /// Ends the operating mode if its time has expired, otherwise sends the reminder.
    pub(in crate::switchboard) fn mode_due(&mut self, calls: &mut Calls, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        self.state.due = None;
        if self.state.over_at.is_some_and(|at| at <= now.mono) {
            self.set_mode(calls, net, step, OperatingMode::Normal, None, TIME.to_owned());
            return;
        }
        self.arm_mode_timer(step);
        self.report_mode(step, true);
    }

    /// Checks the operating mode and its timer (`verify`).
    pub(in crate::switchboard) fn verify_mode(&self, calls: &Calls, step: &Step) -> Result<(), String> {
        let state = &self.state;
        let awaited = state.due.is_some_and(|due| step.timers.contains(due, TimerKind::Mode));
        if state.mode != calls.acd.mode() || awaited == state.mode.is_normal() {
            return Err(format!("the mode {} is not that of the queue, or is forgotten", state.mode.word()));
        }
        Ok(())
    }
}
