//! Cancels ringing legs.

use bytes::Bytes;

use crate::cdr::fact::{FactKind, OfferOutcome};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

/// The Reason for a phone whose call was answered elsewhere, so that it shows no missed call (RFC 3326 §3.1).
const ELSEWHERE: &[u8] = b"SIP;cause=200;text=\"Call completed elsewhere\"";

impl Calls {
    /// Cancels a ringing leg of a call that continues.
    pub(in crate::switchboard) fn cancel_attempt(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        outcome: OfferOutcome,
    ) {
        let Some(offer) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)) else { return };
        if !offer.is_ringing() {
            return;
        }
        let to = offer.to.clone();
        self.release_leg(net, step, id, leg);
        self.attempt_ended(net, step, id, leg, to, (outcome, None));
    }

    /// Cancels a leg that its call no longer needs, because the call has ended or another leg was answered.
    pub(in crate::switchboard) fn cancel_leg(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        outcome: OfferOutcome,
    ) {
        let Some(to) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.to.clone()) else {
            return;
        };
        if outcome == OfferOutcome::LostRace {
            self.set_reason(LegRef::Outgoing(id, leg), Some(Bytes::from_static(ELSEWHERE)));
        }
        self.release_leg(net, step, id, leg);
        self.fact(net, step, id, FactKind::OfferEnded { leg, to, outcome, sip_status: None });
    }

    /// Sends the CANCEL. The leg waits, without media, for its final response.
    fn release_leg(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let who = LegRef::Outgoing(id, leg);
        if let Some(session) = self.session_mut(who) {
            session.close(net, step, who);
            session.drop_early(net);
        }
        self.stop_awaiting(step, who);
        self.cancel_second_invite(net, step, who);
        self.remove_open_invite(id, leg);
        // The final response may arrive late, so the channel is released now.
        net.trunks.channels.release(who);
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        let state = std::mem::replace(&mut offer.state, OutgoingState::Cancelling);
        let (client, reason) = (offer.client, offer.session.reason());
        let to = offer.to.clone();
        step.mark_changed(&to);
        state.stop_timer(step, who);
        if let Some(client) = client {
            net.wire.cancel(step, client, reason);
        }
    }

    /// Cancels an operator's ringing legs, except `leg`.
    pub(in crate::switchboard) fn cancel_other_phones(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        operator: &OperatorId,
        outcome: OfferOutcome,
    ) {
        let Some(call) = self.calls.get(&id) else { return };
        let his = |(no, other): &(&LegNo, &OutgoingLeg)| {
            **no != leg && other.is_ringing() && other.operator() == Some(operator)
        };
        let others: Vec<LegNo> = call.legs.iter().filter(his).map(|(no, _)| *no).collect();
        for other in others {
            if let Some(call) = self.calls.get_mut(&id) {
                call.participants.remove(&other);
            }
            self.cancel_leg(net, step, id, other, outcome);
        }
    }

    /// Cancels the legs of an operator who logged out or was removed while their phones ring.
    pub(in crate::switchboard) fn withdraw(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: &OperatorId,
    ) {
        let Some(leg) = self.calls.get(&id).and_then(|call| call.leg_of(operator)) else { return };
        self.cancel_other_phones(net, step, id, leg, operator, OfferOutcome::Withdrawn);
        self.cancel_attempt(net, step, id, leg, OfferOutcome::Withdrawn);
    }

    /// Schedules the notification of the subscribers of a leg's operator.
    pub(in crate::switchboard) fn stir_leg(&mut self, step: &mut Step, id: CallId, leg: LegNo) {
        if let Some(whose) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.to.clone()) {
            step.mark_changed(&whose);
        }
    }
}
