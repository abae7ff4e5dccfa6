//! Answers to outgoing INVITEs. The first answer connects the call, its retransmissions are acknowledged, all other answers are ended by
//! BYE (RFC 3261 §13.2.2.4).

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::sip::wire::Message;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OfferState;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Calls {
    /// Handles the first 200 of a leg: connects the leg with the call.
    pub(in crate::switchboard) fn leg_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
    ) {
        let who = LegRef::Outgoing(id, leg);
        let Some(offer) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)) else { return };
        let (to, cseq, dialog) = (offer.to.clone(), offer.cseq, offer.session.dialog_of(offer.invite(), message));
        let agreed = dialog.as_ref().ok().and_then(|dialog| offer.session.agreed_by(dialog, message));
        let (Some(agreed), Ok(dialog)) = (agreed, dialog) else {
            // An answer that cannot be used counts as a rejection.
            self.decline_late_2xx(net, step, id, leg, message);
            return self.attempt_over(net, step, id, leg, OfferOutcome::Rejected, Some(200));
        };
        self.stop_awaiting(step, who);
        self.not_unheard(id, leg);
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        let state = std::mem::replace(&mut offer.state, OfferState::Talking);
        state.stop_timer(step, who);
        offer.session.confirm(net, step, who, (dialog, cseq, agreed), message);
        self.fact(
            net,
            step,
            id,
            FactKind::OfferEnded { leg, to: to.clone(), outcome: OfferOutcome::Answered, sip_status: Some(200) },
        );
        if self.is_participant(id, leg) {
            return self.participant_answered(net, step, id, leg);
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
            step.alarms.remove(at, Alarm::AnnouncePosition(id));
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
        self.bridge_audio(net, step, id, leg, self.settings.record);
        self.may_be_silent(step, id, first);
        self.send_caller_identity(net, step, id, leg, to);
    }

    /// Sends the caller's identity to the phone of a colleague that rang for another operator and now has this operator's caller.
    fn send_caller_identity(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, no: LegNo, to: &Callee) {
        let leg = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&no));
        let shows_another = leg.is_some_and(|leg| std::mem::take(&mut leg.shows_another));
        if shows_another && matches!(to, Callee::Operator(_)) {
            let identity = self.shown_as(id, false);
            let who = LegRef::Outgoing(id, no);
            if let Some(session) = self.session_mut(who) {
                session.report_new_peer(net, step, who, &identity);
            }
        }
    }

    /// Joins the audio of the caller and the answered leg, as their holds allow. A recording in progress continues.
    pub(in crate::switchboard) fn bridge_audio(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        record: bool,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.holding = (false, false);
        let operator = call.legs.get(&leg).and_then(|leg| leg.session.media());
        let (Some(caller), Some(operator)) = (call.caller.session.media(), operator) else {
            return self.breach(net, step, id, "a leg without a port was connected");
        };
        let (a, b) = (caller.anchor(), operator.anchor());
        self.aim(net, step, LegRef::Caller(id));
        self.aim(net, step, LegRef::Outgoing(id, leg));
        step.out.media.push(Command::Bridge { a, b });
        if record {
            step.out.media.push(Command::Record { call: id, leg, caller: a, operator: b });
        }
        self.rejoin(net, step, id);
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
        if theirs.is_some_and(|key| offer.session.is_confirmed(&key)) {
            offer.session.ack(net, step, offer.cseq);
        } else {
            self.decline_late_2xx(net, step, id, leg, message);
        }
    }

    /// Declines a 200 that is no longer needed: ACK, then BYE (RFC 3261 §13.2.2.4, §15.1.1).
    pub(in crate::switchboard) fn decline_late_2xx(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
    ) {
        let who = LegRef::Outgoing(id, leg);
        let Some(offer) = self.leg_mut(who) else { return };
        let Ok(dialog) = offer.session.dialog_of(offer.invite(), message) else { return };
        offer.session.decline_answer(net, step, who, (dialog, offer.cseq), None);
    }
}
