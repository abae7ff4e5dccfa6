//! Conferences: an operator asks a colleague or an agency in, by passing on to the feature code with that name behind it. He and
//! the caller talk on while it rings; his phone hears what becomes of it as it does of a transfer (RFC 3515 §2.4).

use crate::acd::Standing;
use crate::cdr::fact::{Callee, Destination, EndCause, OfferOutcome, Role, Side};
use crate::ids::{CallId, LegNo};
use crate::sip::refer::Refer;
use crate::switchboard::calls::call::{Call, Stage};
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::guests::{GUESTS_MAX, Guest};
use crate::switchboard::calls::join::Consulted;
use crate::switchboard::calls::leg::OfferLeg;
use crate::switchboard::calls::refer::Referor;
use crate::switchboard::calls::supervise::call_operator;
use crate::switchboard::calls::transfer::told_as;
use crate::switchboard::ids::Who;
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Calls, NetworkParts, Step, Supervision};

impl Calls {
    /// The operator who has the caller asks somebody in. While one rings the next has to wait: 491; a full room is busy.
    pub(in crate::switchboard) fn confers(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        referor: &Referor,
        refer: &Refer<'_>,
        whom: Result<Destination, u16>,
    ) {
        let to = match self.wanted_guest(referor, whom) {
            Ok(to) => to,
            Err(status) => return net.wire.reject_refer(step, taken, status),
        };
        let told = Who::Offer(referor.call, referor.leg);
        self.accept_refer(net, step, taken, told, refer.wants_notify);
        let why = format!("asked in by {}", referor.operator);
        if let Err(status) = self.ring_guest(net, step, referor.call, to, why, Some(told)) {
            self.tell_referrer(net, step, told, status);
        }
    }

    /// Who may be asked in now; else the status that whoever asks gets.
    pub(in crate::switchboard) fn wanted_guest(
        &self,
        referor: &Referor,
        whom: Result<Destination, u16>,
    ) -> Result<Callee, u16> {
        let to = match whom? {
            Destination::Operator(operator) if operator != referor.operator => Callee::Operator(operator),
            Destination::Number(number) => Callee::Number(number),
            Destination::Operator(_) | Destination::Queue => return Err(403),
        };
        self.room_for_guest(referor.call).map(|()| to)
    }

    /// Rings him beside the talk; `told` hears what becomes of it.
    pub(in crate::switchboard) fn ring_guest(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: Callee,
        why: String,
        told: Option<Who>,
    ) -> Result<(), u16> {
        let now = step.now;
        let has_pair = match &to {
            Callee::Operator(operator) => self.has_pair_to_spare_for(net, operator),
            Callee::Number(_) => self.has_pair_to_spare(net, None),
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
                        self.acd.dismiss_guest(now, id, operator);
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
        self.rings_as_guest(id, before, told);
        Ok(())
    }

    /// The legs after number `before` ring beside the talk.
    fn rings_as_guest(&mut self, id: CallId, before: u32, told: Option<Who>) {
        let Some(Call { legs, guests, .. }) = self.calls.get_mut(&id) else { return };
        let guest = Guest { role: Role::Guest, told, takes_over: false };
        guests.extend(legs.keys().filter(|leg| leg.0 > before).map(|leg| (*leg, guest)));
    }

    /// Whom an operator has asked in has answered, or a supervisor has: her other phones ring no more.
    pub(in crate::switchboard) fn guest_answered(
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
        self.guest_joins(net, step, id, leg, role);
        if takes_over {
            self.becomes(net, step, id, leg, Supervision::TakeOver);
        }
        if let Some(told) = told {
            self.tell_referrer(net, step, told, 200);
        }
    }

    /// A leg of a participant who was asked in is over without an answer. While another phone of theirs rings, nothing is lost. A number is
    /// tried over the next server, and the next trunk, as ever.
    pub(in crate::switchboard) fn guest_refused(
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
            Callee::Operator(operator) => self.acd.dismiss_guest(now, id, operator),
            Callee::Number(_) if self.dial_again(net, step, id, to, "asked in, again") => {
                return self.rings_as_guest(id, before, told);
            }
            Callee::Number(_) => {}
        }
        if let Some(told) = told {
            self.tell_referrer(net, step, told, told_as(outcome, sip_status));
        }
    }

    /// The operator leaves while one whom he has asked in rings: that is a transfer then. False when nobody rings.
    pub(in crate::switchboard) fn passes_on_instead(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        lost: bool,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        // Not a supervisor: she would come to hear, and not to have a caller.
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
        self.send_guests_away(net, step, id);
        let referor = Referor { call: id, leg, operator };
        self.begin_transfer(net, step, &referor, &to.clone().into(), None, (told.unwrap_or(Who::Offer(id, leg)), None));
        if let Callee::Operator(operator) = &to {
            self.acd.guest_is_passed(id, operator);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Transfer { from: Some(leg) };
        }
        self.transferor_left(net, step, id, leg, lost);
        true
    }

    /// The operator has spoken with somebody, in a call that he placed with the code of conferences: the two calls become one, and he
    /// stays in it. One who rings still goes on ringing.
    pub(in crate::switchboard) fn merges(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        referor: &Referor,
        placed: CallId,
        asked_in: Who,
    ) {
        let id = referor.call;
        let Some(before) = self.calls.get(&id).map(|call| call.next_leg) else { return };
        let Some(Consulted { to, talks, legs }) = self.consulted(placed) else {
            return self.tell_referrer(net, step, asked_in, 481);
        };
        self.part(step, placed);
        let legs = self.move_legs(net, step, placed, legs, id);
        if let Callee::Operator(operator) = &to {
            self.acd.guest_comes_over(id, placed, operator);
        }
        if !talks {
            self.rings_as_guest(id, before, Some(asked_in));
        }
        for (old, leg, rang) in legs {
            if talks {
                self.guest_joins(net, step, id, leg, Role::Guest);
                // Told while the dialog in which he has asked is there.
                self.tell_referrer(net, step, asked_in, 200);
            } else {
                let why = format!("asked in by {} while it rang", referor.operator);
                self.rings_elsewhere(net, step, (placed, old), (id, leg), (to.clone(), why), rang);
            }
        }
        self.end_call(net, step, placed, Ending::by(Side::Operator, EndCause::Normal).refusing(487));
    }

    /// Whether one more may be asked into a call.
    pub(in crate::switchboard) fn room_for_guest(&self, id: CallId) -> Result<(), u16> {
        let call = self.calls.get(&id).ok_or(481_u16)?;
        let supervises = |leg: &LegNo| call.guests.get(leg).is_some_and(|guest| guest.role.supervises());
        if call.legs.iter().any(|(no, leg)| leg.is_ringing() && !supervises(no)) {
            return Err(491);
        }
        if call.visitors() >= GUESTS_MAX { Err(486) } else { Ok(()) }
    }
}
