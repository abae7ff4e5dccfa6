//! Answers to outgoing INVITEs. The first answer connects the call, its retransmissions are acknowledged, all other answers are ended by
//! BYE (RFC 3261 §13.2.2.4).

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::sip::wire::Message;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingState;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

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
        self.remove_open_invite(id, leg);
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        let state = std::mem::replace(&mut offer.state, OutgoingState::Talking);
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
        let announce_at = call.waiting.end_announcements();
        let first = call.history.begin_talk();
        let others: Vec<LegNo> = call.legs.keys().copied().filter(|other| *other != leg).collect();
        let placed = call.kind.is_placed();
        if let Some(at) = announce_at {
            step.timers.remove(at, TimerKind::AnnouncePosition(id));
        }
        match stage {
            Stage::AllPhones { until } => {
                step.timers.remove(until, TimerKind::AllPhonesOver(id));
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
        self.bridge_audio(net, step, id, leg, self.settings.calls.record);
        self.start_silent_detection(step, id, first);
        self.send_caller_identity(net, step, id, leg, to);
    }

    /// After a consultation, a colleague's phone still shows the operator who called it. Sends it the identity of the
    /// caller who is now connected.
    fn send_caller_identity(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, no: LegNo, to: &Callee) {
        let leg = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&no));
        let identity_outdated = leg.is_some_and(|leg| std::mem::take(&mut leg.identity_outdated));
        if identity_outdated && matches!(to, Callee::Operator(_)) {
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
        call.audio.set_holds((false, false));
        let operator = call.legs.get(&leg).and_then(|leg| leg.session.media());
        let (Some(caller), Some(operator)) = (call.caller.session.media(), operator) else {
            return self.breach(net, step, id, "a leg without a port was connected");
        };
        let (a, b) = (caller.anchor(), operator.anchor());
        self.send_peer_address(net, step, LegRef::Caller(id));
        self.send_peer_address(net, step, LegRef::Outgoing(id, leg));
        step.out.media.push(Command::Bridge { a, b });
        if record {
            step.out.media.push(Command::Record { call: id, leg, caller: a, operator: b });
        }
        self.apply_holds(net, step, id);
    }

    /// Handles a further 200. If it belongs to the confirmed dialog, the ACK was lost and is sent again. If it belongs
    /// to another dialog (a fork), it gets ACK and BYE.
    pub(in crate::switchboard) fn retransmitted_or_forked_2xx(
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
