//! Unusually long calls, whose end may have been missed.

use crate::cdr::fact::{EndCause, Side};
use crate::ids::CallId;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

impl Calls {
    /// Handles an unusually long call. If audio arrives from any side, or a silent side has responded to OPTIONS, the
    /// call continues and the alarm is raised until it ends. Otherwise its end was missed, and it ends now.
    pub(in crate::switchboard) fn lasts_long(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let next = now.mono + self.settings.calls.long_call;
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.caller.session.is_live() && !call.legs.values().any(|leg| leg.session.is_live()) {
            return self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerLost));
        }
        call.times.prolong(next);
        let lasts_ms = call.times.lasts_ms(now);
        step.timers.insert(next, TimerKind::TooLong(id));
        step.out.others.push(Output::LongCall { call: id, lasts_ms, over: false });
        if !self.settings.session.silence_ends_call
            && let Some(call) = self.calls.get_mut(&id)
        {
            let legs = call.legs.values_mut().map(|leg| &mut leg.session);
            legs.chain([&mut call.caller.session]).for_each(|session| session.await_silence(step));
        }
    }

    /// Ends the alarm of an unusually long call that has ended.
    pub(in crate::switchboard) fn stop_long_call_timer(&mut self, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.times.take_long() {
            return;
        }
        let lasts_ms = call.times.lasts_ms(now);
        step.out.others.push(Output::LongCall { call: id, lasts_ms, over: true });
    }

    /// Ends an unusually long call if all its parties are gone, although silence ends no call.
    pub(in crate::switchboard) fn end_if_all_gone(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.caller.session.is_gone() && call.legs.values().all(|leg| leg.session.is_gone()) {
            self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerLost));
        }
    }
}
