//! Changes of the operating mode, its end and its reminders.

use crate::acd::Posture;
use crate::cdr::fact::FactKind;
use crate::cdr::past::Past;
use crate::clock::{Timestamp, earliest};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::memory::rebased;
use crate::switchboard::mode::Mode;
use crate::switchboard::mode::posture::ModeState;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{ConsoleReply, Output};
use crate::switchboard::step::Step;
use std::time::Duration;

/// Interval of reminders while the operating mode is not normal.
const REMINDER: Duration = Duration::from_secs(3_600);

/// The name in facts for a return to normal mode after the time has expired.
const TIME: &str = "time";

impl Mode {
    /// Sets the operating mode for this many hours, or for the default duration; 0 means until it is changed.
    /// `Fallback` needs a fallback number.
    pub(in crate::switchboard) fn set_posture(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        posture: Posture,
        hours: Option<u32>,
        by: String,
    ) -> ConsoleReply {
        let now = step.now;
        if posture == Posture::Fallback && self.settings.fallback_number.is_none() {
            return ConsoleReply::NoFallback;
        }
        let hours = hours.unwrap_or(self.settings.posture.hours);
        let span = Some(hours).filter(|hours| *hours > 0 && !posture.is_normal());
        let until = span.map(|hours| now.after(Duration::from_secs(u64::from(hours) * 3_600)).wall);
        let begins = self.stance.posture != posture;
        self.assume(
            calls,
            step,
            ModeState { posture, since: now.wall, until, by: by.clone(), set: true, ..ModeState::default() },
        );
        net.facts.service_fact(step, FactKind::PostureSet { posture, until, by });
        if begins && posture == Posture::MajorIncident {
            calls.text_operators_on_break(step);
        }
        self.mode_view()
    }
}

impl Mode {
    /// The operating mode for the console.
    pub(in crate::switchboard) fn mode_view(&self) -> ConsoleReply {
        let ModeState { posture, since, until, by, .. } = self.stance.clone();
        ConsoleReply::Posture { posture, since, until, by }
    }

    /// Restores the operating mode of an earlier run, unless it was set in this run or has expired.
    pub(in crate::switchboard) fn remember_posture(&mut self, calls: &mut Calls, step: &mut Step, past: &Past) {
        let now = step.now;
        let last = past.facts.iter().rfind(|fact| matches!(fact.kind, FactKind::PostureSet { .. }));
        let Some(last) = last else { return };
        let FactKind::PostureSet { posture, until, by } = last.kind.clone() else { return };
        let (since, until) = (last.at.min(now.wall), until.map(|until| rebased(now.wall, last.at, until)));
        if !self.stance.set && !posture.is_normal() && until.is_none_or(|until| now.wall < until) {
            self.assume(calls, step, ModeState { posture, since, until, by, ..ModeState::default() });
        }
    }

    fn assume(&mut self, calls: &mut Calls, step: &mut Step, stance: ModeState) {
        let now = step.now;
        if let Some(due) = self.stance.due {
            step.alarms.remove(due, Alarm::Posture);
        }
        let left = |until: Timestamp| Duration::from_millis(until.millis_since(now.wall));
        let over_at = stance.until.map(|until| now.mono + left(until));
        self.stance = ModeState { over_at, due: None, ..stance };
        calls.acd.set_posture(now, self.stance.posture);
        self.arm_mode_timer(step);
        self.report_mode(step, false);
    }

    fn arm_mode_timer(&mut self, step: &mut Step) {
        let now = step.now;
        let remind = (!self.stance.posture.is_normal()).then(|| now.mono + REMINDER);
        self.stance.due = remind.and_then(|remind| earliest(Some(remind), self.stance.over_at));
        if let Some(due) = self.stance.due {
            step.alarms.insert(due, Alarm::Posture);
        }
    }

    fn report_mode(&mut self, step: &mut Step, reminder: bool) {
        let now = step.now;
        let lasts_ms = now.wall.millis_since(self.stance.since);
        step.out.others.push(Output::Posture { posture: self.stance.posture, lasts_ms, reminder });
    }

    /// Ends the operating mode if its time has expired, otherwise sends the reminder.
    pub(in crate::switchboard) fn posture_due(&mut self, calls: &mut Calls, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        self.stance.due = None;
        if self.stance.over_at.is_some_and(|at| at <= now.mono) {
            self.set_posture(calls, net, step, Posture::Normal, None, TIME.to_owned());
            return;
        }
        self.arm_mode_timer(step);
        self.report_mode(step, true);
    }
}

impl Mode {
    /// Checks the operating mode and its timer (`verify`).
    pub(in crate::switchboard) fn verify_posture(&self, calls: &Calls, step: &Step) -> Result<(), String> {
        let stance = &self.stance;
        let awaited = stance.due.is_some_and(|due| step.alarms.contains(due, Alarm::Posture));
        if stance.posture != calls.acd.posture() || awaited == stance.posture.is_normal() {
            return Err(format!("the posture {} is not that of the queue, or is forgotten", stance.posture.word()));
        }
        Ok(())
    }
}
