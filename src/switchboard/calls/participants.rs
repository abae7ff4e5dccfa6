//! Participants of a call: further legs besides the leg that has the caller. The audio is mixed while a participant talks, and bridged
//! otherwise. If the party that has the caller leaves, a participant takes over the caller.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::participant::Participant;
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

/// Why a participant takes over the caller from the party that has the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum HandOverCause {
    /// The party has hung up.
    HangsUp,
    /// The party's media has stopped.
    Lost,
    /// The participant takes over.
    TakenOver,
}

impl Call {
    /// The participants who talk.
    fn talking_participants(&self) -> impl Iterator<Item = (LegNo, Role)> + '_ {
        let talks = |leg: &LegNo| self.legs.get(leg).is_some_and(|leg| leg.state == OutgoingState::Talking);
        self.participants.iter().filter(move |(leg, _)| talks(leg)).map(|(leg, participant)| (*leg, participant.role))
    }

    /// True if another operator may pick up the call of a ringing leg. Not for legs of participants and supervisors, which ring for a call
    /// that an operator already has.
    pub(in crate::switchboard) fn may_be_picked_up(&self, leg: LegNo) -> bool {
        !self.kind.is_placed() && !self.participants.contains_key(&leg)
    }

    /// Number of participants. A participant who rings at several phones counts once.
    pub(in crate::switchboard) fn participant_count(&self) -> usize {
        let legs = || self.participants.keys().filter_map(|leg| self.legs.get(leg));
        let operators: BTreeSet<&OperatorId> = legs().filter_map(OutgoingLeg::operator).collect();
        operators.len() + legs().filter(|leg| leg.operator().is_none()).count()
    }

    /// The participant who takes over the caller: operators before agencies, and among them the one whose phone was
    /// rung first.
    fn successor(&self) -> Option<LegNo> {
        let successors = self.talking_participants().filter(|(_, role)| role.talks()).map(|(leg, _)| leg);
        successors.min_by_key(|leg| (self.legs.get(leg).is_some_and(|leg| leg.operator().is_none()), *leg))
    }

    /// The caller, the party that has the caller, and the participants who talk; in this order.
    fn conference_parties(&self) -> Vec<ConferenceParty> {
        let Stage::Talking { leg: main_party } = self.stage else { return Vec::new() };
        let media_of = |leg: LegNo| self.legs.get(&leg).and_then(|leg| leg.session.media());
        let conference_party =
            |media: &MediaSession, role| ConferenceParty { anchor: media.anchor(), role, holds: media.peer_holds() };
        let (caller, main_party) = (self.caller.session.media(), media_of(main_party));
        let first = [caller, main_party].into_iter().flatten().map(|media| conference_party(media, None));
        let participants =
            self.talking_participants().filter_map(|(leg, role)| Some(conference_party(media_of(leg)?, Some(role))));
        first.chain(participants).take(CONFERENCE_PARTIES_MAX).collect()
    }
}

impl ConferenceParty {
    /// True if this party may hear `other`. `has_caller`: this party has the caller.
    fn may_hear(&self, has_caller: bool, other: &Self) -> bool {
        if self.holds || other.holds {
            return false;
        }
        match other.role {
            None | Some(Role::Guest | Role::Barger) => true,
            Some(Role::Listener) => false,
            // Supervisors hear each other, too.
            Some(Role::Whisperer) => has_caller || self.role.is_some_and(Role::supervises),
        }
    }
}

/// The parties of a conference, with the parties that each of them hears.
fn mixer_parties(conference_parties: &[ConferenceParty]) -> Vec<Party> {
    let party = |(place, conference_party): (usize, &ConferenceParty)| {
        let heard = |(other_place, other): &(usize, &ConferenceParty)| {
            *other_place != place && conference_party.may_hear(place == 1, other)
        };
        let hears = conference_parties
            .iter()
            .enumerate()
            .filter(heard)
            .fold(0, |all, (other, _)| all | crate::media::mixer::bit(other));
        Party { anchor: conference_party.anchor, hears, recorded: conference_party.role.is_none_or(Role::talks) }
    };
    conference_parties.iter().enumerate().map(party).collect()
}

impl Calls {
    pub(in crate::switchboard) fn is_participant(&self, id: CallId, leg: LegNo) -> bool {
        self.calls.get(&id).is_some_and(|call| call.participants.contains_key(&leg))
    }

    /// True if the call has a participant who talks or was invited. A supervisor who only rings does not count.
    pub(in crate::switchboard) fn has_participants(&self, id: CallId) -> bool {
        let asked_in = |call: &Call| call.participants.values().any(|participant| !participant.role.supervises());
        self.calls.get(&id).is_some_and(|call| asked_in(call) || call.talking_participants().next().is_some())
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
        let participant =
            call.participants.entry(leg).or_insert(Participant { role, notified_leg: None, takes_over: false });
        participant.role = role;
        let Some(offer) = call.legs.get(&leg) else { return };
        let who = offer.to.clone();
        self.send_peer_address(net, step, LegRef::Outgoing(id, leg));
        self.fact(net, step, id, FactKind::GuestJoined { leg, who, role });
        self.update_media(net, step, id);
    }

    /// Removes a participant whose leg has ended, or ends the leg with BYE. The other parties continue to talk.
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
        self.update_media(net, step, id);
    }

    /// Removes a leg from the participants. The calling function decides what happens to the leg.
    pub(in crate::switchboard) fn remove_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
    ) -> Option<Participant> {
        let now = step.now;
        let call = self.calls.get_mut(&id)?;
        let participant = call.participants.remove(&leg)?;
        let offer = call.legs.get(&leg)?;
        let (who, talks) = (offer.to.clone(), offer.state == OutgoingState::Talking);
        if let Callee::Operator(operator) = &who {
            self.acd.release_participant(now, id, operator);
        }
        if talks {
            self.fact(net, step, id, FactKind::GuestLeft { leg, who });
        }
        Some(participant)
    }

    /// Ends all participants of a call that continues: ringing legs are cancelled, talking legs get BYE.
    pub(in crate::switchboard) fn end_participants(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let legs: Vec<LegNo> = call.participants.keys().copied().collect();
        self.remove_all_participants(net, step, id);
        for leg in &legs {
            self.end_leg(net, step, id, *leg, OfferOutcome::Withdrawn, None);
        }
        if !legs.is_empty() {
            self.update_media(net, step, id);
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
        let legs: Vec<LegNo> = call.participants.keys().copied().collect();
        // Several legs may belong to one participant.
        let notified_leg =
            |leg| self.remove_participant(net, step, id, leg).and_then(|participant| participant.notified_leg);
        let notified_leg: BTreeSet<LegRef> = legs.into_iter().filter_map(notified_leg).collect();
        for notified_leg in notified_leg {
            self.notify_transferor(net, step, notified_leg, 487);
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
        self.promote_participant(
            net,
            step,
            id,
            (leg, successor),
            if lost { HandOverCause::Lost } else { HandOverCause::HangsUp },
        );
        true
    }

    /// Replaces the party that has the caller by a participant.
    pub(in crate::switchboard) fn promote_participant(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        (old, new): (LegNo, LegNo),
        how: HandOverCause,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        let callee = |leg: &LegNo| call.legs.get(leg).map(|leg| leg.to.clone());
        let (Some(old_party), Some(new_party)) = (callee(&old), callee(&new)) else { return };
        match (how, &new_party) {
            (HandOverCause::TakenOver, Callee::Operator(by)) => {
                self.fact(net, step, id, FactKind::TakenOver { leg: old, by: by.clone() });
            }
            (HandOverCause::TakenOver | HandOverCause::HangsUp | HandOverCause::Lost, _) => {
                self.fact(
                    net,
                    step,
                    id,
                    FactKind::LeadLeft { leg: old, who: old_party.clone(), lost: how == HandOverCause::Lost },
                );
            }
        }
        step.out.media.push(Command::StopRecord { call: id, leg: old });
        self.hand_over(now, id, &old_party, &new_party);
        if let Some(call) = self.calls.get_mut(&id) {
            let notified_leg = call.participants.remove(&new).and_then(|participant| participant.notified_leg);
            debug_assert!(notified_leg.is_none(), "the participant talks, and that was reported");
            call.stage = Stage::Talking { leg: new };
        }
        self.fact(net, step, id, FactKind::GuestLeft { leg: new, who: new_party.clone() });
        self.fact(net, step, id, FactKind::Answered { leg: new, by: new_party });
        if how != HandOverCause::HangsUp {
            self.bye(net, step, LegRef::Outgoing(id, old));
        }
        self.stop_notifying(id, old);
        self.drop_leg(net, step, id, old);
        // The new recording starts before the audio is rearranged.
        self.record_anew(net, step, id, new);
        self.update_media(net, step, id);
    }

    /// Assigns the call to its new party in the ACD.
    fn hand_over(&mut self, now: Now, id: CallId, old_party: &Callee, new_party: &Callee) {
        match (old_party, new_party) {
            (_, Callee::Operator(operator)) => self.acd.participant_takes_over(now, id, operator, self.entry_of(id)),
            (Callee::Operator(operator), Callee::Number(_)) => {
                self.keep_place(id);
                self.acd.finished(now, id, operator);
            }
            (Callee::Number(_), Callee::Number(_)) => {}
        }
    }

    /// Stops notifying the party that has left about the participants that it invited. The invited participants keep ringing.
    fn stop_notifying(&mut self, id: CallId, old: LegNo) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        for participant in call.participants.values_mut() {
            participant.notified_leg =
                participant.notified_leg.filter(|notified_leg| *notified_leg != LegRef::Outgoing(id, old));
        }
    }

    /// Starts the recording of the caller with the new party, and applies the holds of both.
    fn record_anew(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let record = self.settings.calls.record;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let sessions = (call.caller.session.media(), call.legs.get(&leg).and_then(|leg| leg.session.media()));
        let (Some(caller), Some(operator)) = sessions else { return };
        let holds = (caller.peer_holds(), operator.peer_holds());
        call.audio.set_holds(holds);
        let (caller, operator) = (caller.anchor(), operator.anchor());
        if record {
            step.out.media.push(Command::Record { call: id, leg, caller, operator });
        }
        for leg in
            [(holds.0, LegNo::CALLER), (holds.1, leg)].into_iter().filter(|(holds, _)| *holds).map(|(_, leg)| leg)
        {
            self.fact(net, step, id, FactKind::Held { leg });
        }
    }

    /// Mixes or bridges the audio of a talking call, according to its participants and holds.
    pub(in crate::switchboard) fn update_media(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let conference_parties = call.conference_parties();
        let [caller, main_party, ..] = conference_parties.as_slice() else { return };
        let (pair, holding) = ((caller.anchor, main_party.anchor), (caller.holds, main_party.holds));
        let mixes = conference_parties.len() > 2;
        if !mixes {
            if call.audio.unmix() {
                step.out.media.push(Command::Unmix { room: id });
                step.out.media.extend([pair.0, pair.1].map(|anchor| Command::Stop { anchor }));
                net.media.bridge(step, pair, holding);
            }
            return;
        }
        call.audio.mix();
        let parties = mixer_parties(&conference_parties);
        let alone = |place: usize| parties.get(place).is_some_and(|party| party.hears == 0);
        // A party that hears no other party, because the other side has put it on hold, hears a tone.
        let tones = [
            (pair.0, holding == (false, true) && alone(0), self.settings.media.waiting),
            (pair.1, holding == (true, false) && alone(1), Prompt::HoldTone),
        ];
        step.out.media.push(Command::Mix { room: id, parties });
        for (anchor, waits, tone) in tones {
            step.out.media.push(match waits {
                true => Command::Play { anchor, first: None, then: Some(tone) },
                false => Command::Stop { anchor },
            });
        }
    }

    /// Checks the participants of a call (`verify`).
    pub(in crate::switchboard) fn verify_participants(&self, id: CallId, call: &Call) -> Result<(), &'static str> {
        let talks = matches!(call.stage, Stage::Talking { leg } if !call.participants.contains_key(&leg));
        if !call.participants.is_empty() && (!talks || call.kind.is_placed()) {
            return Err("it has participants, but no operator");
        }
        if call.participant_count() > PARTICIPANTS_MAX {
            return Err("it has too many participants");
        }
        if call.audio.is_mixed() != call.talking_participants().next().is_some() {
            return Err("its audio does not match its participants");
        }
        for leg in call.participants.keys() {
            let Some(offer) = call.legs.get(leg).filter(|leg| leg.state != OutgoingState::Cancelling) else {
                return Err("a participant has no leg");
            };
            if offer.operator().is_some_and(|operator| !self.is_participant_of(operator, id)) {
                return Err("a participant may be rung for other calls");
            }
        }
        Ok(())
    }

    fn is_participant_of(&self, operator: &OperatorId, id: CallId) -> bool {
        self.acd.participant_call_of(operator) == Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(roles: &[Option<Role>], holds: &[usize]) -> Vec<u8> {
        let conference_party = |(place, role): (usize, &Option<Role>)| ConferenceParty {
            anchor: AnchorId { slot: u32::try_from(place).unwrap(), generation: 1 },
            role: *role,
            holds: holds.contains(&place),
        };
        let conference_parties: Vec<ConferenceParty> = roles.iter().enumerate().map(conference_party).collect();
        mixer_parties(&conference_parties).into_iter().map(|party| party.hears).collect()
    }

    #[test]
    fn the_roles_define_which_parties_hear_each_other() {
        let with = |role| matrix(&[None, None, Some(role)], &[]);
        assert_eq!(with(Role::Guest), [0b110, 0b101, 0b011]);
        assert_eq!(with(Role::Barger), [0b110, 0b101, 0b011]);
        assert_eq!(with(Role::Whisperer), [0b010, 0b101, 0b011]);
        assert_eq!(with(Role::Listener), [0b010, 0b001, 0b011]);
    }

    #[test]
    fn a_participant_does_not_hear_a_whisperer_and_supervisors_hear_each_other() {
        let roles = [None, None, Some(Role::Guest), Some(Role::Whisperer), Some(Role::Listener)];
        assert_eq!(matrix(&roles, &[]), [0b00110, 0b01101, 0b00011, 0b00111, 0b01111]);
    }

    #[test]
    fn a_party_that_holds_us_neither_hears_nor_is_heard() {
        assert_eq!(matrix(&[None, None, Some(Role::Guest)], &[1]), [0b100, 0, 0b001]);
        assert_eq!(matrix(&[None, None, Some(Role::Listener)], &[1]), [0, 0, 0b001]);
    }
}
