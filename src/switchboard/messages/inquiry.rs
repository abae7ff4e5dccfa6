//! Sends OPTIONS to a silent party, to find out whether it is still present before its call or leg ends. If the configuration says that
//! silence ends no call, only the parties of an unusually long call get OPTIONS; the call ends if all of them are gone.

use crate::cdr::fact::{EndCause, FactKind, Side};
use crate::ids::{LegNo, OperatorId};
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::inquiry::Found;
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, ConsoleReply, Messages, NetworkParts, Step};

impl Messages {
    /// Handles the final response to the inquiry; 408 if none came. Any status other than 408 and 481 shows that the party still has the
    /// dialog (RFC 3261 §12.2.1.2). A party that is heard again and has not responded gets OPTIONS again at its next silence.
    pub(in crate::switchboard) fn inquiry_answered(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        status: u16,
    ) {
        calls.stop_inquiry(net, step, who);
        let silent = calls.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.silent);
        if !silent {
            return calls.responded(step, who, status);
        }
        let gone = matches!(status, 408 | 481);
        if !self.settings.silence_ends_call {
            return calls.found_in_long_call(net, step, who, if gone { Found::Gone } else { Found::Present });
        }
        if !gone {
            return self.stays_silent(calls, net, step, who, status);
        }
        match who {
            Who::Caller(id) => calls.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerSilent)),
            Who::Offer(id, leg) => calls.leg_lost(net, step, id, leg),
            Who::Phone(_) => {}
        }
    }

    /// The party is present and sends no audio: media starts to measure its silence again. If the party should send, operator and supervisors
    /// are notified.
    fn stays_silent(&mut self, calls: &mut Calls, net: &mut NetworkParts, step: &mut Step, who: Who, status: u16) {
        let (id, leg) = match who {
            Who::Caller(id) => (id, LegNo::CALLER),
            Who::Offer(id, leg) => (id, leg),
            Who::Phone(_) => return,
        };
        calls.trust(step, who);
        calls.aim(net, step, who);
        if let Some(line) = calls.line_mut(who) {
            line.found = Found::Present;
        }
        if !calls.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.peer_sends()) {
            return;
        }
        calls.fact(net, step, id, FactKind::SilentLegPresent { leg, sip_status: status });
        let text = calls.silence_notice(id, leg);
        let operator = calls.calls.get(&id).and_then(|call| call.lead()).map(|(_, operator)| operator.clone());
        let supervisors = self.settings.supervisors.iter();
        let others: Vec<OperatorId> = supervisors.filter(|name| Some(*name) != operator.as_ref()).cloned().collect();
        for to in operator.into_iter().chain(others) {
            let _sent: ConsoleReply = self.announce_text(net, step, Some(to), &text);
        }
    }
}
