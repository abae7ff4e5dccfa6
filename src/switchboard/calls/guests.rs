//! Participants of a call: further legs besides the leg that has the caller. The audio is mixed while a participant talks, and bridged
//! otherwise. If the party that has the caller leaves, a participant takes over the caller.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OfferLeg, OfferState};
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::participant::Guest;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use std::collections::BTreeSet;

use crate::cdr::fact::{Callee, FactKind, OfferOutcome, Role};
use crate::clock::Now;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::limits::CONFERENCE_PARTIES_MAX;
use crate::media::command::{AnchorId, Command, Party, Prompt};

/// Maximum number of participants, besides the caller and the party that has the caller.
pub(in crate::switchboard) const PARTICIPANTS_MAX: usize = CONFERENCE_PARTIES_MAX - 2;

/// A party of the conference.
struct ConferenceParty {
    anchor: AnchorId,
    /// None: the caller, or the party that has the caller.
    role: Option<Role>,
    holds: bool,
}

/// How the party that has the caller hands it over to a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum LeadDeparture {
    /// The party has hung up.
    HangsUp,
    /// The party's media has stopped.
    Lost,
    /// The participant takes over.
    TakenOver,
}

impl Call {
    /// The participants who talk.
    fn present(&self) -> impl Iterator<Item = (LegNo, Role)> + '_ {
        let talks = |leg: &LegNo| self.legs.get(leg).is_some_and(|leg| leg.state == OfferState::Talking);
        self.guests.iter().filter(move |(leg, _)| talks(leg)).map(|(leg, guest)| (*leg, guest.role))
    }

    /// True if another operator may pick up the call of a ringing leg. Not for legs of participants and supervisors, which ring for a call
    /// that an operator already has.
    pub(in crate::switchboard) fn may_be_picked_up(&self, leg: LegNo) -> bool {
        self.placed_by.is_none() && !self.guests.contains_key(&leg)
    }

    /// Number of participants. A participant who rings at several phones counts once.
    pub(in crate::switchboard) fn participant_count(&self) -> usize {
        let legs = || self.guests.keys().filter_map(|leg| self.legs.get(leg));
        let operators: BTreeSet<&OperatorId> = legs().filter_map(OfferLeg::operator).collect();
        operators.len() + legs().filter(|leg| leg.operator().is_none()).count()
    }

    /// The participant who takes over the caller: operators before agencies, the earliest first.
    fn successor(&self) -> Option<LegNo> {
        let heirs = self.present().filter(|(_, role)| role.talks()).map(|(leg, _)| leg);
        heirs.min_by_key(|leg| (self.legs.get(leg).is_some_and(|leg| leg.operator().is_none()), *leg))
    }

    /// The caller, the party that has the caller, and the participants who talk; in this order.
    fn seats(&self) -> Vec<ConferenceParty> {
        let Stage::Talking { leg: lead } = self.stage else { return Vec::new() };
        let sound = |leg: LegNo| self.legs.get(&leg).and_then(|leg| leg.session.media());
        let seat =
            |sound: &MediaSession, role| ConferenceParty { anchor: sound.anchor(), role, holds: sound.peer_holds() };
        let (caller, lead) = (self.caller.session.media(), sound(lead));
        let first = [caller, lead].into_iter().flatten().map(|sound| seat(sound, None));
        let guests = self.present().filter_map(|(leg, role)| Some(seat(sound(leg)?, Some(role))));
        first.chain(guests).take(CONFERENCE_PARTIES_MAX).collect()
    }
}

impl ConferenceParty {
    /// True if this party may hear `other`. `of_lead`: this party has the caller.
    fn may_hear(&self, of_lead: bool, other: &Self) -> bool {
        if self.holds || other.holds {
            return false;
        }
        match other.role {
            None | Some(Role::Guest | Role::Barger) => true,
            Some(Role::Listener) => false,
            // Supervisors hear each other, too.
            Some(Role::Whisperer) => of_lead || self.role.is_some_and(Role::supervises),
        }
    }
}

/// The parties of a conference, with the parties that each of them hears.
fn parties(seats: &[ConferenceParty]) -> Vec<Party> {
    let party = |(place, seat): (usize, &ConferenceParty)| {
        let heard = |(other_place, other): &(usize, &ConferenceParty)| {
            *other_place != place && seat.may_hear(place == 1, other)
        };
        let hears =
            seats.iter().enumerate().filter(heard).fold(0, |all, (other, _)| all | crate::media::mixer::bit(other));
        Party { anchor: seat.anchor, hears, taped: seat.role.is_none_or(Role::talks) }
    };
    seats.iter().enumerate().map(party).collect()
}

impl Calls {
    pub(in crate::switchboard) fn is_participant(&self, id: CallId, leg: LegNo) -> bool {
        self.calls.get(&id).is_some_and(|call| call.guests.contains_key(&leg))
    }

    /// True if the call has a participant who talks or was invited. A supervisor who only rings does not count.
    pub(in crate::switchboard) fn has_participants(&self, id: CallId) -> bool {
        let asked_in = |call: &Call| call.guests.values().any(|guest| !guest.role.supervises());
        self.calls.get(&id).is_some_and(|call| asked_in(call) || call.present().next().is_some())
    }

    /// Makes a talking leg a participant.
    pub(in crate::switchboard) fn add_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        role: Role,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let guest = call.guests.entry(leg).or_insert(Guest { role, told: None, takes_over: false });
        guest.role = role;
        let Some(offer) = call.legs.get(&leg) else { return };
        let who = offer.to.clone();
        self.aim(net, step, LegRef::Outgoing(id, leg));
        self.fact(net, step, id, FactKind::GuestJoined { leg, who, role });
        self.arrange(net, step, id);
    }

    /// Removes a participant whose leg has ended, or ends the leg with BYE. The other parties talk on.
    pub(in crate::switchboard) fn end_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        bye: bool,
    ) {
        self.remove_participant(net, step, id, leg);
        if bye {
            self.bye(net, step, LegRef::Outgoing(id, leg));
        }
        self.drop_leg(net, step, id, leg);
        self.arrange(net, step, id);
    }

    /// Removes a leg from the participants. The calling function decides what happens to the leg.
    pub(in crate::switchboard) fn remove_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
    ) -> Option<Guest> {
        let now = step.now;
        let call = self.calls.get_mut(&id)?;
        let guest = call.guests.remove(&leg)?;
        let offer = call.legs.get(&leg)?;
        let (who, talks) = (offer.to.clone(), offer.state == OfferState::Talking);
        if let Callee::Operator(operator) = &who {
            self.acd.release_participant(now, id, operator);
        }
        if talks {
            self.fact(net, step, id, FactKind::GuestLeft { leg, who });
        }
        Some(guest)
    }

    /// Ends all participants of a call that continues: ringing legs are cancelled, talking legs get BYE.
    pub(in crate::switchboard) fn end_participants(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let legs: Vec<LegNo> = call.guests.keys().copied().collect();
        self.remove_all_participants(net, step, id);
        for leg in &legs {
            self.end_leg(net, step, id, *leg, OfferOutcome::Withdrawn, None);
        }
        if !legs.is_empty() {
            self.arrange(net, step, id);
        }
    }

    /// Removes all legs from the participants. The calling function ends them.
    pub(in crate::switchboard) fn remove_all_participants(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let legs: Vec<LegNo> = call.guests.keys().copied().collect();
        // Several legs may belong to one participant.
        let told = |leg| self.remove_participant(net, step, id, leg).and_then(|guest| guest.told);
        let told: BTreeSet<LegRef> = legs.into_iter().filter_map(told).collect();
        for told in told {
            self.notify_transferor(net, step, told, 487);
        }
    }

    /// Handles the leaving of the party that has the caller. If no participant talks, a ringing participant gets the caller by transfer.
    /// Returns false, and changes nothing, if no participant can take over.
    pub(in crate::switchboard) fn hand_over_to_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        lost: bool,
    ) -> bool {
        let Some(call) = self.calls.get(&id).filter(|call| call.stage == Stage::Talking { leg }) else { return false };
        let Some(successor) = call.successor() else { return self.convert_to_transfer(net, step, id, leg, lost) };
        self.succeed(net, step, id, (leg, successor), if lost { LeadDeparture::Lost } else { LeadDeparture::HangsUp });
        true
    }

    /// Replaces the party that has the caller by a participant.
    pub(in crate::switchboard) fn succeed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        (old, new): (LegNo, LegNo),
        how: LeadDeparture,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        let callee = |leg: &LegNo| call.legs.get(leg).map(|leg| leg.to.clone());
        let (Some(was), Some(is)) = (callee(&old), callee(&new)) else { return };
        match (how, &is) {
            (LeadDeparture::TakenOver, Callee::Operator(by)) => {
                self.fact(net, step, id, FactKind::TakenOver { leg: old, by: by.clone() });
            }
            (LeadDeparture::TakenOver | LeadDeparture::HangsUp | LeadDeparture::Lost, _) => {
                self.fact(
                    net,
                    step,
                    id,
                    FactKind::LeadLeft { leg: old, who: was.clone(), lost: how == LeadDeparture::Lost },
                );
            }
        }
        step.out.media.push(Command::StopRecord { call: id, leg: old });
        self.hand_over(now, id, &was, &is);
        if let Some(call) = self.calls.get_mut(&id) {
            let told = call.guests.remove(&new).and_then(|guest| guest.told);
            debug_assert!(told.is_none(), "he talks, and that was told");
            call.stage = Stage::Talking { leg: new };
        }
        self.fact(net, step, id, FactKind::GuestLeft { leg: new, who: is.clone() });
        self.fact(net, step, id, FactKind::Answered { leg: new, by: is });
        if how != LeadDeparture::HangsUp {
            self.bye(net, step, LegRef::Outgoing(id, old));
        }
        self.clear_refer_dialogs(id, old);
        self.drop_leg(net, step, id, old);
        // The new recording starts before the audio is rearranged.
        self.record_anew(net, step, id, new);
        self.arrange(net, step, id);
    }

    /// Assigns the call to its new party in the ACD.
    fn hand_over(&mut self, now: Now, id: CallId, was: &Callee, is: &Callee) {
        match (was, is) {
            (_, Callee::Operator(operator)) => self.acd.participant_takes_over(now, id, operator, self.entry_of(id)),
            (Callee::Operator(operator), Callee::Number(_)) => {
                self.keep_place(id);
                self.acd.finished(now, id, operator);
            }
            (Callee::Number(_), Callee::Number(_)) => {}
        }
    }

    /// Stops notifying the party that has left about the participants that it invited. The invited participants keep ringing.
    fn clear_refer_dialogs(&mut self, id: CallId, old: LegNo) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        for guest in call.guests.values_mut() {
            guest.told = guest.told.filter(|told| *told != LegRef::Outgoing(id, old));
        }
    }

    /// Starts the recording of the caller with the new party, and applies the holds of both.
    fn record_anew(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let record = self.settings.record;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let sounds = (call.caller.session.media(), call.legs.get(&leg).and_then(|leg| leg.session.media()));
        let (Some(caller), Some(operator)) = sounds else { return };
        let is = (caller.peer_holds(), operator.peer_holds());
        call.holding = is;
        let (caller, operator) = (caller.anchor(), operator.anchor());
        if record {
            step.out.media.push(Command::Record { call: id, leg, caller, operator });
        }
        for leg in [(is.0, LegNo::CALLER), (is.1, leg)].into_iter().filter(|(holds, _)| *holds).map(|(_, leg)| leg) {
            self.fact(net, step, id, FactKind::Held { leg });
        }
    }

    /// Mixes or bridges the audio of a talking call, according to its participants and holds.
    pub(in crate::switchboard) fn arrange(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let seats = call.seats();
        let [caller, lead, ..] = seats.as_slice() else { return };
        let (pair, holding) = ((caller.anchor, lead.anchor), (caller.holds, lead.holds));
        let mixes = seats.len() > 2;
        if !mixes {
            if std::mem::take(&mut call.mixed) {
                step.out.media.push(Command::Unmix { room: id });
                step.out.media.extend([pair.0, pair.1].map(|anchor| Command::Stop { anchor }));
                net.media.bridge(step, pair, holding);
            }
            return;
        }
        call.mixed = true;
        let parties = parties(&seats);
        let alone = |place: usize| parties.get(place).is_some_and(|party| party.hears == 0);
        // A party that hears no other party, because the other side has put it on hold, hears a tone.
        let tones = [
            (pair.0, holding == (false, true) && alone(0), self.settings.waiting),
            (pair.1, holding == (true, false) && alone(1), Prompt::HoldTone),
        ];
        step.out.media.push(Command::Mix { room: id, parties });
        for (anchor, waits, sound) in tones {
            step.out.media.push(match waits {
                true => Command::Play { anchor, first: None, then: Some(sound) },
                false => Command::Stop { anchor },
            });
        }
    }

    /// Checks the participants of a call (`verify`).
    pub(in crate::switchboard) fn verify_guests(&self, id: CallId, call: &Call) -> Result<(), &'static str> {
        let talks = matches!(call.stage, Stage::Talking { leg } if !call.guests.contains_key(&leg));
        if !call.guests.is_empty() && (!talks || call.placed_by.is_some()) {
            return Err("it has guests, and nobody whose they are");
        }
        if call.participant_count() > PARTICIPANTS_MAX {
            return Err("it has too many guests");
        }
        if call.mixed != call.present().next().is_some() {
            return Err("its sound is not what its guests ask for");
        }
        for leg in call.guests.keys() {
            let Some(offer) = call.legs.get(leg).filter(|leg| leg.state != OfferState::Cancelling) else {
                return Err("a guest has no leg");
            };
            if offer.operator().is_some_and(|operator| !self.is_known_guest(operator, id)) {
                return Err("a guest may be offered other calls");
            }
        }
        Ok(())
    }

    fn is_known_guest(&self, operator: &OperatorId, id: CallId) -> bool {
        self.acd.participant_call_of(operator) == Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(roles: &[Option<Role>], holds: &[usize]) -> Vec<u8> {
        let seat = |(place, role): (usize, &Option<Role>)| ConferenceParty {
            anchor: AnchorId { slot: u32::try_from(place).unwrap(), generation: 1 },
            role: *role,
            holds: holds.contains(&place),
        };
        let seats: Vec<ConferenceParty> = roles.iter().enumerate().map(seat).collect();
        parties(&seats).into_iter().map(|party| party.hears).collect()
    }

    #[test]
    fn who_hears_whom_follows_from_the_roles() {
        let with = |role| matrix(&[None, None, Some(role)], &[]);
        assert_eq!(with(Role::Guest), [0b110, 0b101, 0b011]);
        assert_eq!(with(Role::Barger), [0b110, 0b101, 0b011]);
        assert_eq!(with(Role::Whisperer), [0b010, 0b101, 0b011]);
        assert_eq!(with(Role::Listener), [0b010, 0b001, 0b011]);
    }

    #[test]
    fn a_guest_does_not_hear_who_whispers_and_supervisors_hear_each_other() {
        let roles = [None, None, Some(Role::Guest), Some(Role::Whisperer), Some(Role::Listener)];
        assert_eq!(matrix(&roles, &[]), [0b00110, 0b01101, 0b00011, 0b00111, 0b01111]);
    }

    #[test]
    fn who_has_put_us_on_hold_neither_hears_nor_is_heard() {
        assert_eq!(matrix(&[None, None, Some(Role::Guest)], &[1]), [0b100, 0, 0b001]);
        assert_eq!(matrix(&[None, None, Some(Role::Listener)], &[1]), [0, 0, 0b001]);
    }
}
