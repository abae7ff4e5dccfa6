//! The fallback while the centre is unstaffed, or during an evacuation: rings all phones, then calls the fallback
//! number, and repeats both after some time.

use crate::acd::OperatingMode;
use crate::cdr::fact::{FactKind, OfferOutcome};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

impl Calls {
    /// Starts the fallback of a call: rings the phones of `operators`, or calls the fallback number if none rings.
    pub(in crate::switchboard) fn fall_back(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operators: Vec<OperatorId>,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else { return self.acd.leave(now, id) };
        let until = now.mono + self.settings.fallback.ring;
        if self.acd.staffed() == 0 && call.waiting.note_unstaffed() {
            self.fact(net, step, id, FactKind::NobodyOnShift);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::AllPhones { until };
        }
        step.timers.insert(until, TimerKind::AllPhonesOver(id));
        self.announcements_due.push(id);
        let why = self.why_all_phones();
        for operator in operators {
            let why = why.to_owned();
            // While a phone rings, further phones use only spare port pairs, so that the fallbacks of other calls can call the number.
            let rings = self.calls.get(&id).is_some_and(Call::rings);
            if rings && !self.has_pair_to_spare_for(net, &operator) {
                self.acd.no_port_pair(now, id, &operator, None);
            } else if !self.ring_phones(net, step, id, &operator, &why, until) {
                self.ring_attempt_impossible(net, now, id, &operator);
            }
        }
        self.next_fallback(net, step, id);
    }

    /// Ends the ringing of all phones, if its time is over.
    pub(in crate::switchboard) fn all_phones_over(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        let Stage::AllPhones { until } = call.stage else { return };
        if until > now.mono {
            return;
        }
        let ringing: Vec<LegNo> = self.fallback_legs(id, call).collect();
        for leg in ringing {
            self.cancel_attempt(net, step, id, leg, OfferOutcome::NoAnswer);
        }
        self.next_fallback(net, step, id);
    }

    /// The legs that ring for the fallback of a call: all except those to operators who became ready during the
    /// fallback.
    fn fallback_legs<'a>(&'a self, id: CallId, call: &'a Call) -> impl Iterator<Item = LegNo> + 'a {
        let ringing = call.legs.iter().filter(|(_, leg)| leg.is_ringing());
        let of_fallback =
            ringing.filter(move |(_, leg)| leg.operator().is_none_or(|operator| !self.acd.is_in_turn(id, operator)));
        of_fallback.map(|(no, _)| *no)
    }

    /// Starts the next stage of the fallback if none of its legs rings: the number, or the queue. The phones of an
    /// operator who has become ready continue to ring.
    pub(in crate::switchboard) fn next_fallback(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        if self.fallback_legs(id, call).next().is_some() {
            return;
        }
        let was_phones = match call.stage {
            Stage::AllPhones { until } => {
                step.timers.remove(until, TimerKind::AllPhonesOver(id));
                true
            }
            Stage::Number => false,
            Stage::Queued
            | Stage::Offered
            | Stage::Talking { .. }
            | Stage::Transfer { .. }
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => return,
        };
        if let Some(number) = self.settings.fallback.number.clone().filter(|_| was_phones) {
            if let Some(call) = self.calls.get_mut(&id) {
                call.stage = Stage::Number;
                call.dialling.restart();
            }
            let until = now.mono + self.settings.fallback.ring;
            if self.dial(net, step, id, &number, self.why_fallback(), until) {
                return;
            }
        }
        self.acd.fallback_failed(now, id);
        match self.calls.get_mut(&id).filter(|call| call.rings()) {
            Some(call) => call.stage = Stage::Offered,
            None => self.back_to_queue(net, step, id),
        }
    }

    /// The reason for which all phones ring.
    fn why_all_phones(&self) -> &'static str {
        match self.acd.mode() {
            OperatingMode::Fallback => "evacuation: all phones",
            OperatingMode::Normal | OperatingMode::MajorIncident | OperatingMode::Drill if self.acd.staffed() == 0 => {
                "no operator staffed: all phones"
            }
            OperatingMode::Normal | OperatingMode::MajorIncident | OperatingMode::Drill => {
                "no operator ready: all phones"
            }
        }
    }

    /// The reason for which the fallback number is called.
    pub(in crate::switchboard) fn why_fallback(&self) -> &'static str {
        match self.acd.mode() {
            OperatingMode::Fallback => "evacuation: fallback number",
            OperatingMode::Normal | OperatingMode::MajorIncident | OperatingMode::Drill if self.acd.staffed() == 0 => {
                "no operator staffed: fallback number"
            }
            OperatingMode::Normal | OperatingMode::MajorIncident | OperatingMode::Drill => {
                "no operator ready: fallback number"
            }
        }
    }
}
