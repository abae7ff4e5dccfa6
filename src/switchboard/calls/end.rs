//! Ends calls and legs. Every call ends through `end_call`, once.

use bytes::Bytes;

use crate::cdr::fact::{EndCause, FactKind, OfferOutcome, Side};
use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::sip::sdp::SdpError;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::state::closing::Bye;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

/// How a call ends, for the fact `Ended`.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Ending {
    by: Side,
    cause: EndCause,
    /// The final response for a caller whose INVITE has none yet.
    final_status: u16,
    q850: Option<u8>,
    /// The Warning about the caller's SDP.
    warning: Option<&'static [u8]>,
    /// The leg that has sent BYE, and therefore gets none.
    bye_from: Option<LegRef>,
}

impl Ending {
    pub(in crate::switchboard) fn by(by: Side, cause: EndCause) -> Self {
        let final_status = match cause {
            EndCause::Abandoned => 487,
            EndCause::NoCapacity | EndCause::ServiceFault | EndCause::Interrupted | EndCause::Unknown => 503,
            EndCause::NoCodec => 488,
            EndCause::Normal | EndCause::CallerSilent | EndCause::CallerLost | EndCause::OperatorLost => 480,
        };
        Self { by, cause, final_status, q850: None, warning: None, bye_from: None }
    }

    /// The end of a call whose caller's SDP cannot be used.
    pub(in crate::switchboard) fn unusable_sdp(why: SdpError) -> Self {
        Self { warning: Some(why.warning()), ..Self::by(Side::Service, EndCause::NoCodec) }
    }

    /// Sets the final response for a caller whose INVITE has none yet.
    pub(in crate::switchboard) fn with_final_status(self, final_status: u16) -> Self {
        Self { final_status, ..self }
    }

    pub(in crate::switchboard) fn with_bye(self, from: LegRef, q850: Option<u8>) -> Self {
        Self { bye_from: Some(from), q850, ..self }
    }
}

impl Calls {
    /// Ends a call: ends all legs, returns their ports, frees the operator and emits the fact.
    pub(in crate::switchboard) fn end_call(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        ending: Ending,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.is_over() {
            return;
        }
        self.abort_transfer(net, step, id);
        self.stop_announcements(step, id);
        self.remove_all_participants(net, step, id);
        self.stop_outside_timer(step, id);
        self.without_port.remove(&id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let stage = std::mem::replace(&mut call.stage, Stage::Ended);
        self.live_calls -= 1;
        if call.audio.unmix() {
            step.out.media.push(Command::Unmix { room: id });
        }
        let (answered, placed, talked) = (call.caller.is_answered(), call.kind.is_placed(), call.has_talked());
        let originated = call.caller.origination_invite.is_some() && !talked;
        if let Stage::AllPhones { until } = stage {
            step.timers.remove(until, TimerKind::AllPhonesOver(id));
        }
        step.timers.remove(call.times.over_at(), TimerKind::TooLong(id));
        if let Some(at) = call.times.take_expires_at() {
            step.timers.remove(at, TimerKind::InviteExpires(id));
        }
        let legs: Vec<LegNo> = call.legs.keys().copied().collect();
        let talking = match stage {
            Stage::Talking { leg } => call.legs.get(&leg).and_then(OutgoingLeg::operator).cloned(),
            Stage::Queued
            | Stage::Offered
            | Stage::AllPhones { .. }
            | Stage::Number
            | Stage::Transfer { .. }
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => None,
        };
        let reason = ending.q850.map(|cause| Bytes::from(format!("Q.850;cause={cause}")));
        for leg in legs {
            self.set_reason(LegRef::Outgoing(id, leg), reason.clone());
            self.end_leg(net, step, id, leg, OfferOutcome::CallerLeft, ending.bye_from);
        }
        // In click-to-call, siaga has sent the INVITE to the operator, and so cannot send a final response to it: the
        // BYE or CANCEL has the status in its Reason.
        let cause = originated.then(|| Bytes::from(format!("SIP;cause={}", ending.final_status)));
        self.set_reason(LegRef::Caller(id), reason.or(cause));
        let sip_status = if answered && !originated { None } else { Some(ending.final_status) };
        self.end_caller(net, step, id, &ending);
        self.remove_internal_call(id);
        self.stop_long_call_timer(step, id);
        match talking {
            Some(operator) if !placed => self.acd.finished(now, id, &operator),
            Some(_) | None if placed && !talked => self.acd.end_unanswered_placed_call(now, id),
            Some(_) | None => self.acd.leave(now, id),
        }
        self.placed.remove(id);
        self.remove_number_in_call(id);
        let (by, cause, q850) = (ending.by, ending.cause, ending.q850);
        self.fact(net, step, id, FactKind::Ended { by, cause, sip_status, q850 });
        self.remove_if_finished(net, step, id);
    }

    /// Ends a call because of an internal error.
    pub(in crate::switchboard) fn end_for_fault(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        self.end_call(net, step, id, Ending::by(Side::Service, EndCause::ServiceFault));
    }

    /// Ends all calls, because a drain ran out of time.
    pub(in crate::switchboard) fn hang_up_all(&mut self, net: &mut NetworkParts, step: &mut Step) {
        self.service_state.draining = true;
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.end_for_fault(net, step, call);
        }
        let service_calls: Vec<u64> = self.service_calls.keys().copied().collect();
        for service_call in service_calls {
            self.end_service_call(net, step, service_call, true);
        }
    }

    /// Emits the end of every wrap-up, because the service ends. The ACD is not changed.
    pub(in crate::switchboard) fn end_wrap_ups(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let wrapping: Vec<_> = self.acd.wrapping_up().map(|(operator, call)| (operator.clone(), call)).collect();
        for (operator, call) in wrapping {
            net.facts.late_fact(step, call, FactKind::WrappedUp { operator });
        }
    }

    /// Sets the Reason for the BYE or CANCEL of a leg (RFC 3326 §2).
    pub(in crate::switchboard) fn set_reason(&mut self, who: LegRef, reason: Option<Bytes>) {
        if let Some(session) = self.session_mut(who) {
            session.set_reason(reason);
        }
    }

    fn end_caller(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, ending: &Ending) {
        let who = LegRef::Caller(id);
        let Some(session) = self.session_mut(who) else { return };
        let bye = match (ending.bye_from == Some(who), ending.cause == EndCause::CallerLost) {
            (true, _) => Bye::Received,
            (false, true) => Bye::AtOnce,
            (false, false) => Bye::AfterAck,
        };
        session.end(net, step, who, (ending.final_status, ending.warning), bye);
        // The channel is released here, and not with the call, which may still wait for its cancelled legs.
        net.trunks.channels.release(who);
    }

    /// Ends one outgoing leg: cancels it if it rings, sends BYE if it talks.
    pub(in crate::switchboard) fn end_leg(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        outcome: OfferOutcome,
        bye_from: Option<LegRef>,
    ) {
        let who = LegRef::Outgoing(id, leg);
        let state = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.state);
        match state {
            Some(OutgoingState::Ringing { .. } | OutgoingState::NoResponse) => {
                self.cancel_leg(net, step, id, leg, outcome)
            }
            Some(OutgoingState::Talking) => {
                if bye_from != Some(who) {
                    self.bye(net, step, who);
                }
                self.drop_leg(net, step, id, leg);
            }
            Some(OutgoingState::Cancelling) | None => {}
        }
    }

    /// Removes an outgoing leg and all of its state.
    pub(in crate::switchboard) fn drop_leg(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let now = step.now;
        let who = LegRef::Outgoing(id, leg);
        if let Some(offer) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).filter(|leg| leg.client.is_some())
        {
            let (from, call_id, cseq) = (offer.from.clone(), offer.call_id.clone(), offer.cseq);
            let second = offer.attempt.second.flow();
            self.remember_invite(now, who, (&from, &call_id), cseq, second);
        }
        if let Some(session) = self.session_mut(who) {
            session.discard(net, step, who);
        }
        net.trunks.release_channel(who);
        net.wire.lookups.forget(who);
        self.stop_awaiting(step, who);
        self.drop_second_invite(net, step, who);
        self.remove_open_invite(id, leg);
        let Some(gone) = self.calls.get_mut(&id).and_then(|call| call.legs.remove(&leg)) else { return };
        step.mark_changed(&gone.to);
        gone.state.stop_timer(step, who);
        if let Some(client) = gone.client {
            net.wire.drop_client(client);
        }
        net.wire.drop_dialog(gone.session.dialog());
        self.remove_if_finished(net, step, id);
    }

    /// Removes a call that has ended, if no leg and no transaction of the caller is left.
    pub(in crate::switchboard) fn remove_if_finished(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let done = self.calls.get(&id).is_some_and(|call| {
            let caller = &call.caller.session;
            let caller_done = !caller.invite_is_pending() && caller.media().is_none() && !caller.awaits_ack();
            call.is_over() && call.legs.is_empty() && caller_done
        });
        if !done {
            return;
        }
        // The trunk of the caller's leg is stored until here: if a BYE that has waited for the ACK is challenged, siaga
        // needs the trunk's password.
        net.trunks.release_channel(LegRef::Caller(id));
        net.wire.lookups.forget(LegRef::Caller(id));
        if let Some(call) = self.calls.remove(&id) {
            net.wire.drop_disconnected(step, id, call.caller.disconnected);
            net.wire.drop_call(&call.invite.merge_key);
            net.wire.release_stream(id, call.caller.session.flow());
            net.wire.drop_dialog(call.caller.session.dialog());
            if let Some(originated) = call.caller.origination_invite {
                net.wire.drop_client(originated.client);
            }
        }
    }

    /// Handles a CANCEL of the caller, with its Q.850 cause if it has one.
    pub(in crate::switchboard) fn caller_cancels(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        q850: Option<u8>,
    ) {
        match who {
            LegRef::Caller(id) => {
                let ending = Ending::by(Side::Caller, EndCause::Abandoned);
                self.end_call(net, step, id, Ending { q850, ..ending });
            }
            LegRef::Service(service_call) => self.end_service_call(net, step, service_call, false),
            LegRef::Outgoing(..) => {}
        }
    }
}
