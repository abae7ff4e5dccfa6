//! Answers to outgoing INVITEs. The first answer connects the call, its retransmissions are acknowledged, all other answers are ended by
//! BYE (RFC 3261 §13.2.2.4).

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::sip::dialog::Dialog;
use crate::sip::flow::{Flow, Transmit};
use crate::sip::wire::Message;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OfferState;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Calls {
    /// Handles the first 200 of a leg: connects the leg with the call.
    pub(in crate::switchboard) fn offer_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
    ) {
        let who = Who::Offer(id, leg);
        let Some(offer) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)) else { return };
        let (to, cseq, dialog) = (offer.to.clone(), offer.cseq, offer.dialog_of(message));
        let agreed = dialog.as_ref().ok().and_then(|dialog| offer.agreed_by(dialog, message));
        let (Some(agreed), Ok(dialog)) = (agreed, dialog) else {
            // An answer that cannot be used counts as a rejection.
            self.refuse_late_answer(net, step, id, leg, message);
            return self.offer_over(net, step, id, leg, OfferOutcome::Rejected, Some(200));
        };
        net.wire.bind(dialog.key().clone(), who);
        self.stop_awaiting(step, who);
        self.not_unheard(id, leg);
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        let state = std::mem::replace(&mut offer.state, OfferState::Talking);
        offer.line.dialog = Some(dialog);
        offer.line.learn(message);
        if let Some(sound) = &mut offer.line.sound {
            sound.agree(agreed);
        }
        step.drop_offer_alarm(who, state);
        self.look_up(net, step, who);
        self.ack(step, who, cseq);
        self.begin_session(step, who, Self::session_of_answer(message));
        self.fact(
            net,
            step,
            id,
            FactKind::OfferEnded { leg, to: to.clone(), outcome: OfferOutcome::Answered, sip_status: Some(200) },
        );
        if self.is_guest(id, leg) {
            return self.guest_answered(net, step, id, leg);
        }
        if self.calls.get(&id).is_some_and(|call| matches!(call.stage, Stage::OwnPhones { .. })) {
            return self.own_phone_answered(net, step, id, leg);
        }
        self.connect(net, step, id, leg, &to);
        self.fact(net, step, id, FactKind::Answered { leg, by: to });
    }

    /// Connects the caller with the party that answered: ends all other legs, answers the caller and joins the audio.
    pub(in crate::switchboard) fn connect(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        to: &Callee,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let stage = std::mem::replace(&mut call.stage, Stage::Talking { leg });
        call.announced = false;
        let told_at = call.place_told_at.take();
        let first = !std::mem::replace(&mut call.talked, true);
        let others: Vec<LegNo> = call.legs.keys().copied().filter(|other| *other != leg).collect();
        let placed = call.placed_by.is_some();
        if let Some(at) = told_at {
            step.alarms.remove(at, Alarm::TellPlace(id));
        }
        match stage {
            Stage::AllPhones { until } => {
                step.alarms.remove(until, Alarm::PhonesOver(id));
            }
            Stage::Transfer { from } => self.transfer_done(net, step, id, from, Some(leg)),
            Stage::Queued | Stage::Offered | Stage::Number | Stage::Talking { .. } => {}
            Stage::OwnPhones { .. } | Stage::Placed | Stage::Ended => {}
        }
        for other in others {
            self.end_leg(net, step, id, other, OfferOutcome::LostRace, None);
        }
        match to {
            Callee::Operator(operator) => self.acd.answered(now, id, operator),
            Callee::Number(_) if placed => {}
            Callee::Number(_) => self.leaves_queue(now, id),
        }
        self.answer_caller(net, step, id);
        self.join_sound(net, step, id, leg, self.settings.record);
        self.may_be_silent(step, id, first);
        self.tell_colleague(net, step, id, leg, to);
    }

    /// Sends the caller's identity to the phone of a colleague that rang for another operator and now has this operator's caller.
    fn tell_colleague(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, no: LegNo, to: &Callee) {
        let leg = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&no));
        let shows_another = leg.is_some_and(|leg| std::mem::take(&mut leg.shows_another));
        if shows_another && matches!(to, Callee::Operator(_)) {
            let identity = self.shown_as(id, false);
            self.tell_party(net, step, Who::Offer(id, no), &identity);
        }
    }

    /// Joins the audio of the caller and the answered leg, as their holds allow. A recording in progress continues.
    pub(in crate::switchboard) fn join_sound(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        record: bool,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.holding = (false, false);
        let operator = call.legs.get(&leg).and_then(|leg| leg.line.sound.as_ref());
        let (Some(caller), Some(operator)) = (call.caller.line.sound.as_ref(), operator) else {
            return self.breach(net, step, id, "a leg without a port was connected");
        };
        let (a, b) = (caller.anchor, operator.anchor);
        self.aim(net, step, Who::Caller(id));
        self.aim(net, step, Who::Offer(id, leg));
        step.out.media.push(Command::Bridge { a, b });
        if record {
            step.out.media.push(Command::Record { call: id, leg, caller: a, operator: b });
        }
        self.rejoin(net, step, id);
    }

    /// Sends the ACK to a 2xx of a leg's phone (RFC 3261 §13.2.2.4).
    pub(in crate::switchboard) fn ack(&mut self, step: &mut Step, who: Who, cseq: u32) {
        let ack = self.ack_of(step, who, cseq);
        step.out.transmits.extend(ack);
    }

    /// Writes the ACK for the 2xx to the INVITE with this CSeq in a leg's dialog.
    pub(in crate::switchboard) fn ack_of(&mut self, step: &mut Step, who: Who, cseq: u32) -> Option<Transmit> {
        let flow = self.line_mut(who)?.next_flow();
        let branch = format!("z9hG4bK{}", step.rng.token());
        let sent_by = self.settings.advertised(flow).to_owned();
        let line = self.line_mut(who)?;
        let ack = line.ack(line.dialog.as_ref()?, cseq);
        Some(Transmit { flow, bytes: ack.via(flow.transport, &sent_by, &branch).encode() })
    }

    /// Handles a further 200. In the same dialog the ACK was lost and is sent again; a 200 of another dialog (a fork) is declined.
    pub(in crate::switchboard) fn repeated_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
    ) {
        let Some(offer) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)) else { return };
        let theirs = crate::sip::dialog::DialogKey::of_response(message);
        let same = offer.line.dialog.as_ref().is_some_and(|dialog| Some(dialog.key()) == theirs.as_ref());
        let cseq = offer.cseq;
        if same {
            self.ack(step, Who::Offer(id, leg), cseq);
        } else {
            self.refuse_late_answer(net, step, id, leg, message);
        }
    }

    /// Declines a 200 that is no longer needed: ACK, then BYE (RFC 3261 §13.2.2.4, §15.1.1).
    pub(in crate::switchboard) fn refuse_late_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
    ) {
        let Some(offer) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)) else { return };
        let Ok(dialog) = offer.dialog_of(message) else { return };
        let cseq = offer.cseq;
        self.decline_answer(net, step, Who::Offer(id, leg), dialog, cseq, None);
    }

    /// Acknowledges an unwanted 2xx to the INVITE with this CSeq, and ends its dialog, unless it is the leg's own dialog. `flow` is the
    /// address that has answered, if it is not the leg's.
    pub(in crate::switchboard) fn decline_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        dialog: Dialog,
        cseq: u32,
        flow: Option<Flow>,
    ) {
        let Some(line) = self.line_mut(who) else { return };
        let (flow, ack) = (flow.unwrap_or_else(|| line.flow_in(&dialog)), line.ack(&dialog, cseq));
        let hangs_up = line.hangs_up(&dialog);
        net.trunks.decline_over(&mut net.wire, step, who, flow, (ack, hangs_up), dialog);
    }
}
