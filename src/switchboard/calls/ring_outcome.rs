//! Results of ring attempts, and the next stage of the call.

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::ids::{CallId, LegNo};
use crate::sip::wire::Message;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingState, outcome_of};
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::trunk::next_route;

impl Calls {
    /// Handles a response to the INVITE of an outgoing leg.
    pub(in crate::switchboard) fn offer_response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
        status: u16,
    ) {
        self.leg_responds(net, step, id, leg);
        let has_open_invite =
            self.leg_mut(LegRef::Outgoing(id, leg)).is_some_and(|leg| leg.state == OutgoingState::NoResponse);
        if has_open_invite && !self.late_response(net, step, id, leg, message, status) {
            return;
        }
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        match (status, offer.state) {
            (100, _) | (101..200, OutgoingState::Cancelling | OutgoingState::Talking | OutgoingState::NoResponse) => {}
            (101..200, OutgoingState::Ringing { ring_until, rang }) => {
                let (who, invite) = (LegRef::Outgoing(id, leg), (offer.from.as_ref(), offer.cseq));
                if !offer.session.early_response(net, step, who, invite, message) {
                    return;
                }
                offer.state = OutgoingState::Ringing { ring_until, rang: true };
                if !rang {
                    self.stir_leg(step, id, leg);
                    self.fact(net, step, id, FactKind::Ringing { leg });
                    self.report_ringing(net, step, id, leg);
                }
            }
            (200..300, OutgoingState::Ringing { .. } | OutgoingState::NoResponse) => {
                self.leg_answered(net, step, id, leg, message)
            }
            (200..300, OutgoingState::Cancelling) => {
                self.decline_late_2xx(net, step, id, leg, message);
                self.drop_leg(net, step, id, leg);
            }
            (200..300, OutgoingState::Talking) => self.retransmitted_or_forked_2xx(net, step, id, leg, message),
            _ => self.offer_refused(net, step, id, leg, status),
        }
    }

    /// Handles an INVITE without a response, or one that could not be sent.
    pub(in crate::switchboard) fn invite_unanswered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        status: u16,
    ) {
        let state = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.state);
        match state {
            Some(OutgoingState::Ringing { rang: true, .. }) => {
                self.attempt_over(net, step, id, leg, OfferOutcome::NoAnswer, Some(status));
            }
            Some(OutgoingState::Ringing { rang: false, .. }) => {
                self.note_silence(net, step, id, leg);
                self.attempt_over(net, step, id, leg, OfferOutcome::Unreachable, Some(status));
            }
            Some(OutgoingState::NoResponse) => {
                self.note_silence(net, step, id, leg);
                self.open_invite_over(net, step, id, leg, OfferOutcome::Unreachable, Some(status));
            }
            Some(OutgoingState::Cancelling) => self.drop_leg(net, step, id, leg),
            Some(OutgoingState::Talking) | None => {}
        }
    }

    /// Marks a phone that has not responded at all as unreachable, until it registers or responds.
    fn note_silence(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let leg = self.leg_mut(LegRef::Outgoing(id, leg)).filter(|leg| !leg.attempt.responded);
        if let Some(phone) = leg.and_then(|leg| leg.attempt.phone.clone()) {
            self.phone_is_silent(net, step, &phone);
        }
    }

    fn offer_refused(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo, status: u16) {
        let state = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.state);
        match state {
            Some(OutgoingState::Ringing { .. }) => {
                let to = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.to.clone());
                // A 6xx applies to all phones of the operator (RFC 3261 §21.6).
                if let Some(Callee::Operator(operator)) = to.filter(|_| status >= 600) {
                    self.cancel_other_phones(net, step, id, leg, &operator, OfferOutcome::Withdrawn);
                }
                self.attempt_over(net, step, id, leg, outcome_of(status), Some(status));
            }
            Some(OutgoingState::Cancelling) => self.drop_leg(net, step, id, leg),
            Some(OutgoingState::NoResponse | OutgoingState::Talking) | None => {}
        }
    }

    /// Ends a ring attempt: the leg is removed, and the caller keeps the queue position.
    pub(in crate::switchboard) fn attempt_over(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        let Some(to) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.to.clone()) else {
            return;
        };
        if let Some(call) = self.calls.get_mut(&id).filter(|_| matches!(to, Callee::Number(_))) {
            call.dialling.set_next_route(next_route(outcome, sip_status));
            if let Some((trunk, server)) = call.legs.get(&leg).and_then(|leg| leg.dialled) {
                call.dialling.fails_at(trunk, server);
            }
        }
        self.drop_leg(net, step, id, leg);
        self.attempt_ended(net, step, id, leg, to, (outcome, sip_status));
    }

    /// Emits the result of a ring attempt, reports it to the ACD, and selects the call's next stage.
    pub(in crate::switchboard) fn attempt_ended(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        to: Callee,
        (outcome, sip_status): (OfferOutcome, Option<u16>),
    ) {
        let now = step.now;
        self.fact(net, step, id, FactKind::OfferEnded { leg, to: to.clone(), outcome, sip_status });
        if let Callee::Operator(operator) = &to {
            self.cancel_overdue(net, step, id, leg, operator);
        }
        if self.is_participant(id, leg) {
            return self.participant_failed(net, step, id, leg, &to, (outcome, sip_status));
        }
        let Some(stage) = self.calls.get(&id).map(|call| call.stage.clone()) else { return };
        if let (Callee::Operator(operator), false) = (&to, stage == Stage::Ended || self.rings_another_phone(id, &to)) {
            // A ring attempt without any response does not count against the operator.
            let heard = self.calls.get(&id).is_some_and(|call| call.history.has_responded(operator));
            let blameless = !self.blames(id, operator) || outcome == OfferOutcome::Withdrawn;
            self.acd.offer_failed(now, id, operator, blameless);
            if !heard && outcome == OfferOutcome::Unreachable {
                self.acd.had_no_response(operator);
            }
        }
        // The operator has declined at one phone, and the other phones do not respond.
        if let Callee::Operator(operator) = &to
            && self.leave_overdue(net, step, id, operator)
        {
            return;
        }
        match stage {
            Stage::Offered if self.dial_again(net, step, id, &to, crate::switchboard::calls::outside::WHY) => {}
            Stage::Offered => self.requeue_unless_ringing(net, step, id),
            Stage::Number if self.dial_again(net, step, id, &to, self.why_fallback()) => {}
            Stage::AllPhones { .. } | Stage::Number => self.next_fallback(net, step, id),
            Stage::Transfer { .. } => self.transfer_leg_failed(net, step, id, &to, outcome, sip_status),
            Stage::OwnPhones { .. } => self.own_phone_refused(net, step, id, outcome, sip_status),
            Stage::Placed => self.placed_refused(net, step, id, &to, outcome, sip_status),
            Stage::Queued | Stage::Talking { .. } | Stage::Ended => {}
        }
    }
}
