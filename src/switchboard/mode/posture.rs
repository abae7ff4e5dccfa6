//! The posture of the house: who sets it, for how long, and who is told. What it means to the queue, `acd::posture` says.

use std::time::Duration;

use crate::acd::Posture;
use crate::cdr::fact::FactKind;
use crate::cdr::past::Past;
use crate::clock::{Instant, Timestamp, earliest};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::memory::rebased;
use crate::switchboard::{Calls, ConsoleReply, Mode, NetworkParts, Output, Step};

/// So often it is told again that the posture is not the normal one.
const REMINDER: Duration = Duration::from_secs(3_600);
/// Who returns to normal when its time is over.
const TIME: &str = "time";

/// What the configuration says of postures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostureTerms {
    /// A posture lasts so many hours where nobody says for how long; 0: until somebody ends it.
    pub hours: u32,
    /// What those are told who are on a break when a major incident begins; empty: nothing.
    pub incident_text: String,
}

/// The posture as it was set.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct Stance {
    posture: Posture,
    since: Timestamp,
    until: Option<Timestamp>,
    by: String,
    /// When it is over, on the clock of timers.
    over_at: Option<Instant>,
    /// When it is over, or told of again; None: it is the normal one.
    pub(in crate::switchboard) due: Option<Instant>,
    /// Somebody has set it in this run.
    set: bool,
}

impl Stance {
    /// Marks the mode as set in this run, so that an older one of the database does not replace it.
    pub(in crate::switchboard) const fn is_set(&mut self) {
        self.set = true;
    }

    /// The operating mode with its end and who set it, unless it is the normal one.
    pub(in crate::switchboard) fn term(&self) -> Option<(Posture, Option<Timestamp>, String)> {
        (!self.posture.is_normal()).then(|| (self.posture, self.until, self.by.clone()))
    }

    /// Shifts all times after the wall clock was set forward, or back, by this many milliseconds.
    pub(in crate::switchboard) fn shift(&mut self, by_ms: i64) {
        self.since = self.since.shifted(by_ms);
        self.until = self.until.map(|until| until.shifted(by_ms));
    }
}

impl Mode {
    /// Sets the posture, for so many hours or, without, for the usual time; 0: until somebody ends it. Where there is no fallback number
    /// it is not `Fallback`.
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
            Stance { posture, since: now.wall, until, by: by.clone(), set: true, ..Stance::default() },
        );
        net.facts.service_fact(step, FactKind::PostureSet { posture, until, by });
        if begins && posture == Posture::MajorIncident {
            calls.call_back_to_work(step);
        }
        self.posture_view()
    }
}

impl Mode {
    /// For the console.
    pub(in crate::switchboard) fn posture_view(&self) -> ConsoleReply {
        let Stance { posture, since, until, by, .. } = self.stance.clone();
        ConsoleReply::Posture { posture, since, until, by }
    }

    /// Takes over the posture of an earlier run, unless somebody has set one since, or its time is over.
    pub(in crate::switchboard) fn remember_posture(&mut self, calls: &mut Calls, step: &mut Step, past: &Past) {
        let now = step.now;
        let last = past.facts.iter().rfind(|fact| matches!(fact.kind, FactKind::PostureSet { .. }));
        let Some(last) = last else { return };
        let FactKind::PostureSet { posture, until, by } = last.kind.clone() else { return };
        let (since, until) = (last.at.min(now.wall), until.map(|until| rebased(now.wall, last.at, until)));
        if !self.stance.set && !posture.is_normal() && until.is_none_or(|until| now.wall < until) {
            self.assume(calls, step, Stance { posture, since, until, by, ..Stance::default() });
        }
    }

    fn assume(&mut self, calls: &mut Calls, step: &mut Step, stance: Stance) {
        let now = step.now;
        if let Some(due) = self.stance.due {
            step.alarms.remove(due, Alarm::Posture);
        }
        let left = |until: Timestamp| Duration::from_millis(until.millis_since(now.wall));
        let over_at = stance.until.map(|until| now.mono + left(until));
        self.stance = Stance { over_at, due: None, ..stance };
        calls.acd.set_posture(now, self.stance.posture);
        self.await_posture(step);
        self.tell_posture(step, false);
    }

    fn await_posture(&mut self, step: &mut Step) {
        let now = step.now;
        let remind = (!self.stance.posture.is_normal()).then(|| now.mono + REMINDER);
        self.stance.due = remind.and_then(|remind| earliest(Some(remind), self.stance.over_at));
        if let Some(due) = self.stance.due {
            step.alarms.insert(due, Alarm::Posture);
        }
    }

    fn tell_posture(&mut self, step: &mut Step, reminder: bool) {
        let now = step.now;
        let lasts_ms = now.wall.millis_since(self.stance.since);
        step.out.others.push(Output::Posture { posture: self.stance.posture, lasts_ms, reminder });
    }

    /// Its time is over, or it is told again.
    pub(in crate::switchboard) fn posture_due(&mut self, calls: &mut Calls, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        self.stance.due = None;
        if self.stance.over_at.is_some_and(|at| at <= now.mono) {
            self.set_posture(calls, net, step, Posture::Normal, None, TIME.to_owned());
            return;
        }
        self.await_posture(step);
        self.tell_posture(step, true);
    }
}

impl Mode {
    /// What is not right about it (`verify`).
    pub(in crate::switchboard) fn verify_posture(&self, calls: &Calls, step: &Step) -> Result<(), String> {
        let stance = &self.stance;
        let awaited = stance.due.is_some_and(|due| step.alarms.contains(due, Alarm::Posture));
        if stance.posture != calls.acd.posture() || awaited == stance.posture.is_normal() {
            return Err(format!("the posture {} is not that of the queue, or is forgotten", stance.posture.word()));
        }
        Ok(())
    }
}
