//! Conferences: an operator invites a colleague or an agency by a transfer to the feature code with the name behind it. The operator and
//! the caller talk on while the invited phone rings. The operator's phone gets the result by NOTIFY, as for a transfer (RFC 3515 §2.4).

use crate::acd::Standing;
use crate::cdr::fact::{Callee, Destination, EndCause, OfferOutcome, Role, Side};
use crate::ids::{CallId, LegNo};
use crate::sip::refer::Refer;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::guests::PARTICIPANTS_MAX;
use crate::switchboard::calls::join::Consulted;
use crate::switchboard::calls::leg::OfferLeg;
use crate::switchboard::calls::refer::Transferor;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::participant::Guest;
use crate::switchboard::calls::supervise::call_operator;
use crate::switchboard::calls::transfer::sipfrag_status;
use crate::switchboard::ids::LegRef;
use crate::switchboard::input::Supervision;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::taken::Taken;

impl Calls {
    /// Handles the invitation of a participant by the operator who has the caller. Rejected with 491 while another participant rings, and
    /// with 486 if the conference is full.
    pub(in crate::switchboard) fn confers(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        transferor: &Transferor,
        refer: &Refer<'_>,
        whom: Result<Destination, u16>,
    ) {
        let to = match self.invited_party(transferor, whom) {
            Ok(to) => to,
            Err(status) => return net.wire.reject_refer(step, taken, status),
        };
        let told = LegRef::Outgoing(transferor.call, transferor.leg);
        self.accept_refer(net, step, taken, told, refer.wants_notify);
        let why = format!("asked in by {}", transferor.operator);
        if let Err(status) = self.ring_participant(net, step, transferor.call, to, why, Some(told)) {
            self.notify_transferor(net, step, told, status);
        }
    }

    /// The party to invite, or the status of the rejection.
    pub(in crate::switchboard) fn invited_party(
        &self,
        transferor: &Transferor,
        whom: Result<Destination, u16>,
    ) -> Result<Callee, u16> {
        let to = match whom? {
            Destination::Operator(operator) if operator != transferor.operator => Callee::Operator(operator),
            Destination::Number(number) => Callee::Number(number),
            Destination::Operator(_) | Destination::Queue => return Err(403),
        };
        self.check_conference_limit(transferor.call).map(|()| to)
    }

    /// Rings a participant besides the conversation. `told` is the dialog that gets the result by NOTIFY.
    pub(in crate::switchboard) fn ring_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: Callee,
        why: String,
        told: Option<LegRef>,
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
        let before = self.calls.get(&id).map_or(0, |call| call.next_leg);
        match &to {
            Callee::Operator(operator) => match self.acd.standing(operator) {
                Standing::Free => {
                    let until = now.mono + self.settings.ring;
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
                Standing::Busy => return Err(486),
                Standing::Away => return Err(480),
                Standing::Unknown => return Err(404),
            },
            Callee::Number(number) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.tried.clear();
                }
                let until = now.mono + self.settings.fallback_ring;
                if !self.dial(net, step, id, number, &why, until) {
                    return Err(503);
                }
            }
        }
        self.mark_participants(id, before, told);
        Ok(())
    }

    /// Makes the legs after number `before` ringing participants.
    fn mark_participants(&mut self, id: CallId, before: u32, told: Option<LegRef>) {
        let Some(Call { legs, guests, .. }) = self.calls.get_mut(&id) else { return };
        let guest = Guest { role: Role::Guest, told, takes_over: false };
        guests.extend(legs.keys().filter(|leg| leg.0 > before).map(|leg| (*leg, guest)));
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
        let Some(guest) = call.guests.get_mut(&leg) else { return };
        let (role, told) = (guest.role, guest.told.take());
        let takes_over = std::mem::take(&mut guest.takes_over);
        let operator = call.legs.get(&leg).and_then(OfferLeg::operator).cloned();
        if let Some(operator) = operator {
            self.cancel_other_phones(net, step, id, leg, &operator, OfferOutcome::LostRace);
            self.acd.attend(now, id, &operator);
        }
        self.add_participant(net, step, id, leg, role);
        if takes_over {
            self.becomes(net, step, id, leg, Supervision::TakeOver);
        }
        if let Some(told) = told {
            self.notify_transferor(net, step, told, 200);
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
        let guest = self.calls.get_mut(&id).and_then(|call| call.guests.remove(&leg));
        let told = guest.and_then(|guest| guest.told);
        let before = self.calls.get(&id).map_or(0, |call| call.next_leg);
        match to {
            Callee::Operator(_) if self.rings_another_phone(id, to) => return,
            Callee::Operator(operator) => self.acd.release_participant(now, id, operator),
            Callee::Number(_) if self.dial_again(net, step, id, to, "asked in, again") => {
                return self.mark_participants(id, before, told);
            }
            Callee::Number(_) => {}
        }
        if let Some(told) = told {
            self.notify_transferor(net, step, told, sipfrag_status(outcome, sip_status));
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
        let asked_in = |(no, guest): &(&LegNo, &Guest)| {
            !guest.role.supervises() && call.legs.get(no).is_some_and(OfferLeg::is_ringing)
        };
        let Some(ringing) = call.guests.iter().find(asked_in).map(|(no, _)| *no) else { return false };
        let offers = (call.legs.get(&leg), call.legs.get(&ringing));
        let (Some(operator), Some(to)) = (offers.0.and_then(OfferLeg::operator), offers.1.map(|leg| leg.to.clone()))
        else {
            return false;
        };
        let (operator, told) = (operator.clone(), call.guests.get(&ringing).and_then(|guest| guest.told));
        let legs = &call.legs;
        call.guests.retain(|no, _| legs.get(no).is_none_or(|leg| !leg.is_ringing() || leg.to != to));
        self.end_participants(net, step, id);
        let transferor = Transferor { call: id, leg, operator };
        self.begin_transfer(
            net,
            step,
            &transferor,
            &to.clone().into(),
            None,
            (told.unwrap_or(LegRef::Outgoing(id, leg)), None),
        );
        if let Callee::Operator(operator) = &to {
            self.acd.guest_is_passed(id, operator);
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
        let Some(before) = self.calls.get(&id).map(|call| call.next_leg) else { return };
        let Some(Consulted { to, talks, legs }) = self.consulted(placed) else {
            return self.notify_transferor(net, step, asked_in, 481);
        };
        self.part(step, placed);
        let legs = self.move_legs(net, step, placed, legs, id);
        if let Callee::Operator(operator) = &to {
            self.acd.guest_comes_over(id, placed, operator);
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
        self.end_call(net, step, placed, Ending::by(Side::Operator, EndCause::Normal).refusing(487));
    }

    /// Checks that another participant may be invited. Errors: 481 if the call is unknown, 491 while a participant rings, 486 if the
    /// conference is full.
    pub(in crate::switchboard) fn check_conference_limit(&self, id: CallId) -> Result<(), u16> {
        let call = self.calls.get(&id).ok_or(481_u16)?;
        let supervises = |leg: &LegNo| call.guests.get(leg).is_some_and(|guest| guest.role.supervises());
        if call.legs.iter().any(|(no, leg)| leg.is_ringing() && !supervises(no)) {
            return Err(491);
        }
        if call.participant_count() >= PARTICIPANTS_MAX { Err(486) } else { Ok(()) }
    }
}
