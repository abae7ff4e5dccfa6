//! Outside numbers: those of an escalation (an agency, a neighbouring city), which are dialled while the call keeps its
//! queue position, and those that have the caller and whose leg ends before the call.

use std::time::Duration;

use crate::cdr::fact::{Callee, FactKind};
use crate::clock::Now;
use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

/// Minimum time until a number for which no port was free is dialled again.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// The recorded reason of a ring attempt to a number of the escalation.
pub(in crate::switchboard) const WHY: &str = "no answer for long: number of the escalation";

impl Calls {
    /// Schedules the outside numbers of a new call's desk.
    pub(in crate::switchboard) fn plan_outside(&mut self, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.waiting.outside.is_empty()) else { return };
        let Some(desk) = self.settings.numbers.desks.get(usize::from(call.waiting.desk().0)) else { return };
        let steps = desk.outside.iter().rev();
        call.waiting.outside.plan(steps.map(|(after, number)| (now.mono + *after, number.clone())));
        self.await_outside(step, id);
    }

    fn await_outside(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get(&id).and_then(|call| call.waiting.outside.next_at()) {
            step.timers.insert(at, TimerKind::Outside(id));
        }
    }

    /// Removes the schedule of a call that has ended.
    pub(in crate::switchboard) fn stop_outside_timer(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.waiting.outside.clear()) {
            step.timers.remove(at, TimerKind::Outside(id));
        }
    }

    /// Dials the next outside number for an unanswered caller, in addition to the ringing phones. Nothing is dialled
    /// while another number rings, or while the fallback runs, which has its own number.
    pub(in crate::switchboard) fn try_outside(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(number) = self.calls.get_mut(&id).and_then(|call| call.waiting.outside.take_next()) else { return };
        self.await_outside(step, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let rings = call.legs.values().any(|leg| leg.is_ringing() && matches!(leg.to, Callee::Number(_)));
        if rings || !matches!(call.stage, Stage::Queued | Stage::Offered) {
            return;
        }
        call.dialling.restart();
        self.acd.set_free_pairs(net.media.ports.free());
        if !self.acd.has_pairs_for(id) {
            return self.try_outside_later(step, id, number);
        }
        self.dial_outside(net, step, id, &number);
    }

    /// Removes a call from the queue when an outside number has the caller. The call keeps its queue position.
    pub(in crate::switchboard) fn leaves_queue(&mut self, now: Now, id: CallId) {
        self.keep_place(id);
        self.acd.leave(now, id);
    }

    pub(in crate::switchboard) fn keep_place(&mut self, id: CallId) {
        let place = self.acd.place_of(id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.waiting.keep_arrival(place.map(|(_, arrival)| arrival));
        }
    }

    /// Requeues the caller if the outside number is `lost`, or has hung up because its REFER was rejected. The call is
    /// queued before all later ones.
    pub(in crate::switchboard) fn number_left(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        lost: bool,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get(&id).filter(|call| call.stage == (Stage::Talking { leg })) else { return };
        let Some(who) = call.legs.get(&leg).map(|leg| leg.to.clone()) else { return };
        self.end_participants(net, step, id);
        self.fact(net, step, id, FactKind::LeadLeft { leg, who, lost });
        self.unbridge(step, id);
        step.out.media.push(Command::StopRecord { call: id, leg });
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Queued;
        }
        if lost {
            self.bye(net, step, LegRef::Outgoing(id, leg));
        }
        self.drop_leg(net, step, id, leg);
        self.acd.enter(now, id, self.entry_of(id));
        self.queued(net, step, id, true);
        self.announcements_due.push(id);
    }

    /// Schedules another attempt to dial a number for which no port is free, before the next number.
    fn try_outside_later(&mut self, step: &mut Step, id: CallId, number: String) {
        let now = step.now;
        let at = now.mono + self.settings.fallback_retry.max(RETRY_MIN);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(next) = call.waiting.outside.next_at() {
            step.timers.remove(next, TimerKind::Outside(id));
        }
        call.waiting.outside.put_first(at, number);
        self.await_outside(step, id);
    }

    fn dial_outside(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, number: &str) -> bool {
        let now = step.now;
        let until = now.mono + self.settings.fallback.ring;
        let rings = self.dial(net, step, id, number, WHY, until);
        if let Some(call) = self.calls.get_mut(&id).filter(|_| rings) {
            call.stage = Stage::Offered;
        }
        rings
    }
}
