//! Conferences: an operator invites a colleague or an agency by a transfer to the feature code followed by the name.
//! The operator and the caller continue to talk while the invited phone rings. The operator's phone gets the result by
//! NOTIFY, as for a transfer (RFC 3515 §2.4).

use crate::acd::Availability;
use crate::cdr::fact::{Callee, Destination, EndCause, OfferOutcome, Role, Side};
use crate::ids::{CallId, LegNo};
use crate::sip::refer::Refer;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::join::Consulted;
use crate::switchboard::calls::leg::OutgoingLeg;
use crate::switchboard::calls::participants::PARTICIPANTS_MAX;
use crate::switchboard::calls::refer::Transferor;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::participant::Participant;
use crate::switchboard::calls::supervise::call_operator;
use crate::switchboard::calls::transfer::sipfrag_status;
use crate::switchboard::feature_codes::Supervision;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Calls {
    /// Handles the invitation of a participant by the operator who has the caller. Rejected with 491 while another participant rings, and
    /// with 486 if the conference is full.
    pub(in crate::switchboard) fn invite_by_refer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        transferor: &Transferor,
        refer: &Refer<'_>,
        target: Result<Destination, u16>,
    ) {
        let to = match self.invited_party(transferor, target) {
            Ok(to) => to,
            Err(status) => return net.wire.reject_refer(step, taken, status),
        };
        let notified_leg = LegRef::Outgoing(transferor.call, transferor.leg);
        self.accept_refer(net, step, taken, notified_leg, refer.wants_notify);
        let why = format!("asked in by {}", transferor.operator);
        if let Err(status) = self.ring_participant(net, step, transferor.call, to, why, Some(notified_leg)) {
            self.notify_transferor(net, step, notified_leg, status);
        }
    }

    /// The party to invite, or the status of the rejection.
    pub(in crate::switchboard) fn invited_party(
        &self,
        transferor: &Transferor,
        target: Result<Destination, u16>,
    ) -> Result<Callee, u16> {
        let to = match target? {
            Destination::Operator(operator) if operator != transferor.operator => Callee::Operator(operator),
            Destination::Number(number) => Callee::Number(number),
            Destination::Operator(_) | Destination::Queue => return Err(403),
        };
        self.check_conference_limit(transferor.call).map(|()| to)
    }

    /// Rings a participant while the conversation continues. `notified_leg` is the dialog that gets the result by NOTIFY.
    pub(in crate::switchboard) fn ring_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: Callee,
        why: String,
        notified_leg: Option<LegRef>,
    ) -> Result<(), u16> {
        let now = step.now;
        let has_pair = match &to {
            Callee::Operator(operator) => self.has_pair_to_spare_for(net, operator),
            Callee::Number(_) => {
                self.families_to_numbers(net).into_iter().any(|family| self.has_pair_to_spare(net, family))
            }
        };
        if !has_pair {
            return Err(503);
        }
        let before = self.calls.get(&id).map_or(0, |call| call.counts.last_leg());
        match &to {
            Callee::Operator(operator) => match self.acd.availability(operator) {
                Availability::Free => {
                    let until = now.mono + self.settings.calls.ring;
                    let whose = self.calls.get(&id).and_then(call_operator).map(|operator| format!(" {operator}"));
                    let shown = format!("CONFERENCE{}:", whose.unwrap_or_default());
                    self.show_purpose(id, Some(shown));
                    let rings = self.acd.invite(id, operator) && self.ring_phones(net, step, id, operator, &why, until);
                    self.show_purpose(id, None);
                    if !rings {
                        self.acd.release_participant(now, id, operator);
                        return Err(503);
                    }
                }
                Availability::Busy => return Err(486),
                Availability::Away => return Err(480),
                Availability::Unknown => return Err(404),
            },
            Callee::Number(number) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.dialling.restart();
                }
                let until = now.mono + self.settings.fallback.ring;
                if !self.dial(net, step, id, number, &why, until) {
                    return Err(503);
                }
            }
        }
        self.mark_participants(id, before, notified_leg);
        Ok(())
    }

    /// Makes the call's legs with numbers above `before` ringing participants.
    fn mark_participants(&mut self, id: CallId, before: u32, notified_leg: Option<LegRef>) {
        let Some(Call { legs, participants, .. }) = self.calls.get_mut(&id) else { return };
        let participant = Participant { role: Role::Guest, notified_leg, takes_over: false };
        participants.extend(legs.keys().filter(|leg| leg.0 > before).map(|leg| (*leg, participant)));
    }

    /// Handles the answer of an invited participant or a supervisor, and cancels their other phones.
    pub(in crate::switchboard) fn participant_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(participant) = call.participants.get_mut(&leg) else { return };
        let (role, notified_leg) = (participant.role, participant.notified_leg.take());
        let takes_over = std::mem::take(&mut participant.takes_over);
        let operator = call.legs.get(&leg).and_then(OutgoingLeg::operator).cloned();
        if let Some(operator) = operator {
            self.cancel_other_phones(net, step, id, leg, &operator, OfferOutcome::LostRace);
            self.acd.attend(now, id, &operator);
        }
        self.add_participant(net, step, id, leg, role);
        if takes_over {
            self.becomes(net, step, id, leg, Supervision::TakeOver);
        }
        if let Some(notified_leg) = notified_leg {
            self.notify_transferor(net, step, notified_leg, 200);
        }
    }

    /// Handles a leg of an invited participant that ends without an answer. If another phone of the participant rings, nothing else
    /// changes. A number is tried over the next server and the next trunk first.
    pub(in crate::switchboard) fn participant_failed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        to: &Callee,
        (outcome, sip_status): (OfferOutcome, Option<u16>),
    ) {
        let now = step.now;
        let participant = self.calls.get_mut(&id).and_then(|call| call.participants.remove(&leg));
        let notified_leg = participant.and_then(|participant| participant.notified_leg);
        let before = self.calls.get(&id).map_or(0, |call| call.counts.last_leg());
        match to {
            Callee::Operator(_) if self.rings_another_phone(id, to) => return,
            Callee::Operator(operator) => self.acd.release_participant(now, id, operator),
            Callee::Number(_) if self.dial_again(net, step, id, to, "asked in, again") => {
                return self.mark_participants(id, before, notified_leg);
            }
            Callee::Number(_) => {}
        }
        if let Some(notified_leg) = notified_leg {
            self.notify_transferor(net, step, notified_leg, sipfrag_status(outcome, sip_status));
        }
    }

    /// Handles an operator who leaves while an invited participant rings: begins a transfer to this participant. Returns false if no
    /// participant rings.
    pub(in crate::switchboard) fn convert_to_transfer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        lost: bool,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        // A supervisor only joins to listen, and must not get the caller.
        let asked_in = |(no, participant): &(&LegNo, &Participant)| {
            !participant.role.supervises() && call.legs.get(no).is_some_and(OutgoingLeg::is_ringing)
        };
        let Some(ringing) = call.participants.iter().find(asked_in).map(|(no, _)| *no) else { return false };
        let offers = (call.legs.get(&leg), call.legs.get(&ringing));
        let (Some(operator), Some(to)) = (offers.0.and_then(OutgoingLeg::operator), offers.1.map(|leg| leg.to.clone()))
        else {
            return false;
        };
        let (operator, notified_leg) =
            (operator.clone(), call.participants.get(&ringing).and_then(|participant| participant.notified_leg));
        let legs = &call.legs;
        call.participants.retain(|no, _| legs.get(no).is_none_or(|leg| !leg.is_ringing() || leg.to != to));
        self.end_participants(net, step, id);
        let transferor = Transferor { call: id, leg, operator };
        self.begin_transfer(
            net,
            step,
            &transferor,
            &to.clone().into(),
            None,
            (notified_leg.unwrap_or(LegRef::Outgoing(id, leg)), None),
        );
        if let Callee::Operator(operator) = &to {
            self.acd.participant_becomes_target(id, operator);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Transfer { from: Some(leg) };
        }
        self.transferor_left(net, step, id, leg, lost);
        true
    }

    /// Merges the operator's consultation call `placed`, made with the conference code, into the emergency call. The called party becomes a
    /// participant, and the operator stays. A called party that still rings becomes a ringing participant.
    pub(in crate::switchboard) fn join_as_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        transferor: &Transferor,
        placed: CallId,
        asked_in: LegRef,
    ) {
        let id = transferor.call;
        let Some(before) = self.calls.get(&id).map(|call| call.counts.last_leg()) else { return };
        let Some(Consulted { to, talks, legs }) = self.consulted(placed) else {
            return self.notify_transferor(net, step, asked_in, 481);
        };
        self.unbridge(step, placed);
        let legs = self.move_legs(net, step, placed, legs, id);
        if let Callee::Operator(operator) = &to {
            self.acd.join_from_placed_call(id, placed, operator);
        }
        if !talks {
            self.mark_participants(id, before, Some(asked_in));
        }
        for (old, leg, rang) in legs {
            if talks {
                self.add_participant(net, step, id, leg, Role::Guest);
                // Notified while the dialog of the request exists.
                self.notify_transferor(net, step, asked_in, 200);
            } else {
                let why = format!("asked in by {} while it rang", transferor.operator);
                self.rings_elsewhere(net, step, (placed, old), (id, leg), (to.clone(), why), rang);
            }
        }
        self.end_call(net, step, placed, Ending::by(Side::Operator, EndCause::Normal).with_final_status(487));
    }

    /// Checks that another participant may be invited. Errors: 481 if the call is unknown, 491 while a participant rings, 486 if the
    /// conference is full.
    pub(in crate::switchboard) fn check_conference_limit(&self, id: CallId) -> Result<(), u16> {
        let call = self.calls.get(&id).ok_or(481_u16)?;
        let supervises =
            |leg: &LegNo| call.participants.get(leg).is_some_and(|participant| participant.role.supervises());
        if call.legs.iter().any(|(no, leg)| leg.is_ringing() && !supervises(no)) {
            return Err(491);
        }
        if call.participant_count() >= PARTICIPANTS_MAX { Err(486) } else { Ok(()) }
    }
}
