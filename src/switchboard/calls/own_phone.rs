//! Click-to-call: the console places a call for an operator. The operator's phones ring first, as for any call, so that
//! every phone supports it. The answered leg becomes the caller's leg, and the target is called as if the operator had
//! dialled it.

use bytes::Bytes;

use crate::acd::Availability;
use crate::cdr::fact::{Callee, Destination, EndCause, FactKind, OfferOutcome, Side};
use crate::clock::Now;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::wire::Message;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::{CallerLeg, OriginationInvite};
use crate::switchboard::calls::state::call::{Call, Caller, CallersInvite, MAX_FORWARDS, Stage};
use crate::switchboard::calls::state::call_back::CallBack;
use crate::switchboard::calls::state::kind::CallKind;
use crate::switchboard::calls::state::times::Times;
use crate::switchboard::calls::transfer::sipfrag_status;
use crate::switchboard::ids::LegRef;
use crate::switchboard::input::Actor;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::ConsoleReply;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

impl Calls {
    /// Places a call for an operator on request of the console: to another operator, an agency, or a number that waits
    /// for a call-back.
    pub(in crate::switchboard) fn place_by(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        operator: OperatorId,
        to: &str,
    ) -> ConsoleReply {
        let now = step.now;
        if !net.phones.is_operator(&operator) {
            return ConsoleReply::UnknownOperator;
        }
        let (to, back) = match self.wanted_by(net, now, &operator, to) {
            Ok(wanted) => wanted,
            Err(reply) => return reply,
        };
        let refused = |status| ConsoleReply::Refused { status };
        if let Err(status) = self.may_place(net, &operator, &to).and_then(|()| self.can_be_had(&to)) {
            return refused(status);
        }
        let flow = net.phones.phones_to_ring(&operator).first().map(|reached| reached.addresses.first);
        let Some(flow) = flow.filter(|_| self.acd.availability(&operator) != Availability::Away) else {
            return refused(480);
        };
        let id = CallId::new(now.wall, &mut step.rng);
        if !self.acd.call_up(id, &operator) {
            return refused(486);
        }
        self.begin_own(net, step, id, (&operator, flow), (&to, back), &by.name);
        let why = format!("the operator's own phone, for a call that {} has ordered", by.name);
        let until = now.mono + self.settings.calls.ring;
        if self.ring_phones(net, step, id, &operator, &why, until) {
            return ConsoleReply::Calling { call: id };
        }
        self.end_call(net, step, id, Ending::by(Side::Service, EndCause::Normal).with_final_status(503));
        refused(503)
    }

    /// The target of a name or number, if this operator may call it.
    fn wanted_by(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        operator: &OperatorId,
        to: &str,
    ) -> Result<(Callee, Option<CallBack>), ConsoleReply> {
        let refused = |status| ConsoleReply::Refused { status };
        match net.phones.named(to) {
            Ok(Destination::Operator(colleague)) if colleague != *operator => Ok((Callee::Operator(colleague), None)),
            Ok(Destination::Number(number)) => Ok((Callee::Number(number), None)),
            Ok(Destination::Operator(_) | Destination::Queue) => Err(refused(403)),
            // The number belongs to no agency.
            Err(403) => match self.wanted_call_back(now, to, operator) {
                Ok(Some(back)) => Ok((Callee::Number(back.number.clone()), Some(back))),
                Ok(None) => Err(ConsoleReply::UnknownNumber),
                Err(status) => Err(refused(status)),
            },
            Err(status) => Err(refused(status)),
        }
    }

    /// Rejects a target operator who cannot be called now, before the operator's own phones ring.
    fn can_be_had(&self, to: &Callee) -> Result<(), u16> {
        let Callee::Operator(colleague) = to else { return Ok(()) };
        match self.acd.availability(colleague) {
            Availability::Free => Ok(()),
            Availability::Busy => Err(486),
            Availability::Away => Err(480),
            Availability::Unknown => Err(404),
        }
    }

    /// Creates the placed call, whose caller is not connected yet.
    fn begin_own(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        (by, flow): (&OperatorId, Flow),
        (to, back): (&Callee, Option<CallBack>),
        ordered_by: &str,
    ) {
        let now = step.now;
        let caller = CallerLeg::new(Session::new(flow, false));
        // The operator's own phone shows the target.
        let number = match to {
            Callee::Operator(operator) => operator.to_string(),
            Callee::Number(number) => number.clone(),
        };
        let notice = back.as_ref().map(|back| back.about.clone()).filter(|about| !about.is_empty());
        let shown = Caller { number: Some(number), notice, ..Caller::default() };
        // The call has no INVITE, so no merged INVITE can match it.
        let [tag, call_id] = [(); 2].map(|()| Bytes::copy_from_slice(step.rng.token().as_str().as_bytes()));
        let key = (tag, call_id, 0);
        let times = Times::new(now, now.mono + self.settings.calls.long_call);
        let mut call = Call::new(times, caller, shown, CallersInvite { merge_key: key, hops: MAX_FORWARDS });
        call.stage = Stage::OwnPhones { to: to.clone() };
        let of = back.as_ref().map(|back| back.of);
        if let Some(back) = &back {
            self.numbers.call_backs.hold(&back.number, id);
        }
        call.kind = CallKind::placed(by.clone(), false, back);
        step.timers.insert(call.times.over_at(), TimerKind::TooLong(id));
        self.add_call(id, call);
        self.placed.insert(id, by);
        let (by, to, ordered_by) = (by.clone(), to.clone(), Some(ordered_by.to_owned()));
        self.fact(net, step, id, FactKind::Placed { by, to, sip_call_id: String::new(), of, ordered_by });
    }

    /// Handles the answer at one of the operator's phones: it becomes the caller's leg and hears the waiting tone, and
    /// the target is called.
    pub(in crate::switchboard) fn own_phone_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        let (Stage::OwnPhones { to }, Some(by)) = (call.stage.clone(), call.kind.placed_by().cloned()) else { return };
        let others: Vec<LegNo> = call.legs.keys().copied().filter(|other| *other != leg).collect();
        for other in others {
            self.end_leg(net, step, id, other, OfferOutcome::LostRace, None);
        }
        self.becomes_caller(net, step, id, leg);
        self.acd.comes(now, id, &by);
        let shown = self.settings.numbers.placed_as(&by, &to);
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Placed;
            call.shown.number = Some(shown);
        }
        self.play_tone(net, step, id);
        self.begin_call_back(id);
        self.ring_placed(net, step, id, &by, &to);
    }

    /// Turns an outgoing leg into the caller's leg, with its dialogs and timers.
    fn becomes_caller(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, no: LegNo) {
        let now = step.now;
        let (was, is) = (LegRef::Outgoing(id, no), LegRef::Caller(id));
        if let Some(session) = self.session_mut(was) {
            session.drop_early(net);
        }
        let second = self.leg_mut(was).and_then(|leg| leg.attempt.second.flow());
        self.drop_second_invite(net, step, was);
        let Some(leg) = self.calls.get_mut(&id).and_then(|call| call.legs.remove(&no)) else { return };
        leg.move_to(net, step, was, is);
        net.wire.hold_stream(id, leg.session.flow());
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (from, call_id, cseq) = (leg.from.clone(), leg.call_id.clone(), leg.cseq);
        call.caller.origination_invite =
            leg.client.map(|client| OriginationInvite { client, cseq: leg.cseq, from: leg.from });
        call.caller.session = leg.session;
        self.remember_invite(now, is, (&from, &call_id), cseq, second);
    }

    /// Handles one of the operator's phones that stops ringing without an answer. The call ends when no other phone
    /// rings.
    pub(in crate::switchboard) fn own_phone_refused(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        if self.calls.get(&id).is_some_and(Call::rings) {
            return;
        }
        let ending = Ending::by(Side::Caller, EndCause::Abandoned);
        self.end_call(net, step, id, ending.with_final_status(sipfrag_status(outcome, sip_status)));
    }

    /// Handles a repeated 2xx of the operator's phone, whose ACK was lost, or a 2xx of a fork, which gets a BYE.
    pub(in crate::switchboard) fn own_phone_repeats(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        message: &Message<'_>,
        status: u16,
    ) {
        let Some(call) = self.calls.get_mut(&id).filter(|_| (200..300).contains(&status)) else { return };
        let Some(OriginationInvite { cseq, from, .. }) = &call.caller.origination_invite else { return };
        let (cseq, session) = (*cseq, &mut call.caller.session);
        if DialogKey::of_response(message).is_some_and(|key| session.is_confirmed(&key)) {
            session.ack(net, step, cseq);
        } else if let Ok(dialog) = Dialog::as_caller(from, cseq, message) {
            session.decline_answer(net, step, LegRef::Caller(id), (dialog, cseq), None);
        }
    }
}
