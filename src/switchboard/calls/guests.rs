//! Guests of a call: further legs beside the one that has the caller. With one who talks the sound is a room, with none a bridge.
//! They come and go; when who has the caller leaves, a guest who talks with him takes his place: the caller is never left alone.

use std::collections::BTreeSet;

use crate::cdr::fact::{Callee, FactKind, OfferOutcome, Role};
use crate::clock::Now;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::limits::ROOM_PARTIES_MAX;
use crate::media::command::{AnchorId, Command, Party, Prompt};
use crate::switchboard::calls::call::{Call, Stage};
use crate::switchboard::calls::leg::{OfferLeg, OfferState, Sound};
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, NetworkParts, Step};

/// Besides the caller and who has him.
pub(in crate::switchboard) const GUESTS_MAX: usize = ROOM_PARTIES_MAX - 2;

/// What is known of a guest beside his leg.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Guest {
    pub(in crate::switchboard) role: Role,
    /// The dialog in which an operator has asked him in, until it is told what becomes of it.
    pub(in crate::switchboard) told: Option<Who>,
    /// A supervisor who rings, and has the caller when she answers.
    pub(in crate::switchboard) takes_over: bool,
}

/// Somebody whose sound is in the room.
struct Seat {
    anchor: AnchorId,
    /// None: the caller, or who has him.
    role: Option<Role>,
    holds: bool,
}

/// How who has the caller gives his place to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Leaves {
    /// He has hung up.
    HangsUp,
    /// He is heard no more.
    Lost,
    /// The guest takes it.
    Relieved,
}

impl Call {
    /// Guests whose legs talk.
    fn present(&self) -> impl Iterator<Item = (LegNo, Role)> + '_ {
        let talks = |leg: &LegNo| self.legs.get(leg).is_some_and(|leg| leg.state == OfferState::Talking);
        self.guests.iter().filter(move |(leg, _)| talks(leg)).map(|(leg, guest)| (*leg, guest.role))
    }

    /// True if another operator may take the place of a leg that rings. The leg of a participant or supervisor rings for a call that
    /// an operator has already.
    pub(in crate::switchboard) fn may_be_picked_up(&self, leg: LegNo) -> bool {
        self.placed_by.is_none() && !self.guests.contains_key(&leg)
    }

    /// How many guests there are: who rings at several phones is one.
    pub(in crate::switchboard) fn visitors(&self) -> usize {
        let legs = || self.guests.keys().filter_map(|leg| self.legs.get(leg));
        let operators: BTreeSet<&OperatorId> = legs().filter_map(OfferLeg::operator).collect();
        operators.len() + legs().filter(|leg| leg.operator().is_none()).count()
    }

    /// Who takes the place of the one who has the caller: an operator before an agency, who came first before others.
    fn heir(&self) -> Option<LegNo> {
        let heirs = self.present().filter(|(_, role)| role.talks()).map(|(leg, _)| leg);
        heirs.min_by_key(|leg| (self.legs.get(leg).is_some_and(|leg| leg.operator().is_none()), *leg))
    }

    /// Caller, who has him, and the guests who talk; in this order.
    fn seats(&self) -> Vec<Seat> {
        let Stage::Talking { leg: lead } = self.stage else { return Vec::new() };
        let sound = |leg: LegNo| self.legs.get(&leg).and_then(|leg| leg.line.sound.as_ref());
        let seat = |sound: &Sound, role| Seat { anchor: sound.anchor, role, holds: sound.peer_holds() };
        let (caller, lead) = (self.caller.line.sound.as_ref(), sound(lead));
        let first = [caller, lead].into_iter().flatten().map(|sound| seat(sound, None));
        let guests = self.present().filter_map(|(leg, role)| Some(seat(sound(leg)?, Some(role))));
        first.chain(guests).take(ROOM_PARTIES_MAX).collect()
    }
}

impl Seat {
    /// True when this seat may hear `other`; `of_lead`: it is that of the one who has the caller.
    fn may_hear(&self, of_lead: bool, other: &Self) -> bool {
        if self.holds || other.holds {
            return false;
        }
        match other.role {
            None | Some(Role::Guest | Role::Barger) => true,
            Some(Role::Listener) => false,
            // His fellow supervisors hear what he says, too.
            Some(Role::Whisperer) => of_lead || self.role.is_some_and(Role::supervises),
        }
    }
}

/// Who hears whom.
fn parties(seats: &[Seat]) -> Vec<Party> {
    let party = |(place, seat): (usize, &Seat)| {
        let heard = |(other_place, other): &(usize, &Seat)| *other_place != place && seat.may_hear(place == 1, other);
        let hears =
            seats.iter().enumerate().filter(heard).fold(0, |all, (other, _)| all | crate::media::mixer::bit(other));
        Party { anchor: seat.anchor, hears, taped: seat.role.is_none_or(Role::talks) }
    };
    seats.iter().enumerate().map(party).collect()
}

impl Calls {
    pub(in crate::switchboard) fn is_guest(&self, id: CallId, leg: LegNo) -> bool {
        self.calls.get(&id).is_some_and(|call| call.guests.contains_key(&leg))
    }

    /// Somebody is there beside whom the caller talks with, or is asked in. A supervisor who only rings is in nobody's way.
    pub(in crate::switchboard) fn has_guests(&self, id: CallId) -> bool {
        let asked_in = |call: &Call| call.guests.values().any(|guest| !guest.role.supervises());
        self.calls.get(&id).is_some_and(|call| asked_in(call) || call.present().next().is_some())
    }

    /// A leg that talks is a guest from now on.
    pub(in crate::switchboard) fn guest_joins(
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
        self.aim(net, step, Who::Offer(id, leg));
        self.fact(net, step, id, FactKind::GuestJoined { leg, who, role });
        self.arrange(net, step, id);
    }

    /// A guest's leg is over, or is to end by our BYE. The others talk on.
    pub(in crate::switchboard) fn guest_leaves(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        bye: bool,
    ) {
        self.guest_gone(net, step, id, leg);
        if bye {
            self.bye(net, step, Who::Offer(id, leg));
        }
        self.drop_leg(net, step, id, leg);
        self.arrange(net, step, id);
    }

    /// A leg is no guest any more; what it is to be instead is the caller's matter.
    pub(in crate::switchboard) fn guest_gone(
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
            self.acd.dismiss_guest(now, id, operator);
        }
        if talks {
            self.fact(net, step, id, FactKind::GuestLeft { leg, who });
        }
        Some(guest)
    }

    /// The call goes on without its guests: those who ring are cancelled, those who talk hung up.
    pub(in crate::switchboard) fn send_guests_away(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let legs: Vec<LegNo> = call.guests.keys().copied().collect();
        self.guests_go(net, step, id);
        for leg in &legs {
            self.end_leg(net, step, id, *leg, OfferOutcome::Withdrawn, None);
        }
        if !legs.is_empty() {
            self.arrange(net, step, id);
        }
    }

    /// No leg is a guest any more; they are to end.
    pub(in crate::switchboard) fn guests_go(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let legs: Vec<LegNo> = call.guests.keys().copied().collect();
        // Several legs may be those of one participant.
        let told = |leg| self.guest_gone(net, step, id, leg).and_then(|guest| guest.told);
        let told: BTreeSet<Who> = legs.into_iter().filter_map(told).collect();
        for told in told {
            self.tell_referrer(net, step, told, 487);
        }
    }

    /// Who has the caller leaves. One who rings is passed the caller when nobody else talks with him. False when no guest can take
    /// his place: then nothing changes.
    pub(in crate::switchboard) fn leaves_heir(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        lost: bool,
    ) -> bool {
        let Some(call) = self.calls.get(&id).filter(|call| call.stage == Stage::Talking { leg }) else { return false };
        let Some(heir) = call.heir() else { return self.passes_on_instead(net, step, id, leg, lost) };
        self.succeed(net, step, id, (leg, heir), if lost { Leaves::Lost } else { Leaves::HangsUp });
        true
    }

    /// A guest takes the place of the one who has the caller, who leaves.
    pub(in crate::switchboard) fn succeed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        (old, new): (LegNo, LegNo),
        how: Leaves,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        let callee = |leg: &LegNo| call.legs.get(leg).map(|leg| leg.to.clone());
        let (Some(was), Some(is)) = (callee(&old), callee(&new)) else { return };
        match (how, &is) {
            (Leaves::Relieved, Callee::Operator(by)) => {
                self.fact(net, step, id, FactKind::TakenOver { leg: old, by: by.clone() });
            }
            (Leaves::Relieved | Leaves::HangsUp | Leaves::Lost, _) => {
                self.fact(net, step, id, FactKind::LeadLeft { leg: old, who: was.clone(), lost: how == Leaves::Lost });
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
        if how != Leaves::HangsUp {
            self.bye(net, step, Who::Offer(id, old));
        }
        self.lead_of_guests_gone(id, old);
        self.drop_leg(net, step, id, old);
        // While both are in the room still: what is recorded is together.
        self.record_anew(net, step, id, new);
        self.arrange(net, step, id);
    }

    /// In the ACD, the call is the new one's.
    fn hand_over(&mut self, now: Now, id: CallId, was: &Callee, is: &Callee) {
        match (was, is) {
            (_, Callee::Operator(operator)) => self.acd.guest_leads(now, id, operator, self.entry_of(id)),
            (Callee::Operator(operator), Callee::Number(_)) => {
                self.keep_place(id);
                self.acd.finished(now, id, operator);
            }
            (Callee::Number(_), Callee::Number(_)) => {}
        }
    }

    /// Nobody is told any more what becomes of those whom the one who has left had asked in; they ring on.
    fn lead_of_guests_gone(&mut self, id: CallId, old: LegNo) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        for guest in call.guests.values_mut() {
            guest.told = guest.told.filter(|told| *told != Who::Offer(id, old));
        }
    }

    /// Who has the caller now is recorded with him; his holds are his own.
    fn record_anew(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let record = self.settings.record;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let sounds = (call.caller.line.sound.as_ref(), call.legs.get(&leg).and_then(|leg| leg.line.sound.as_ref()));
        let (Some(caller), Some(operator)) = sounds else { return };
        let is = (caller.peer_holds(), operator.peer_holds());
        call.holding = is;
        let (caller, operator) = (caller.anchor, operator.anchor);
        if record {
            step.out.media.push(Command::Record { call: id, leg, caller, operator });
        }
        for leg in [(is.0, LegNo::CALLER), (is.1, leg)].into_iter().filter(|(holds, _)| *holds).map(|(_, leg)| leg) {
            self.fact(net, step, id, FactKind::Held { leg });
        }
    }

    /// Gives the sound of a call that talks the form that its guests and its holds ask for.
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
        // Whom nobody speaks to because the other has put him on hold hears that.
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

    /// What is not right about the guests of a call (`verify`).
    pub(in crate::switchboard) fn verify_guests(&self, id: CallId, call: &Call) -> Result<(), &'static str> {
        let talks = matches!(call.stage, Stage::Talking { leg } if !call.guests.contains_key(&leg));
        if !call.guests.is_empty() && (!talks || call.placed_by.is_some()) {
            return Err("it has guests, and nobody whose they are");
        }
        if call.visitors() > GUESTS_MAX {
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
        self.acd.guest_of(operator) == Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(roles: &[Option<Role>], holds: &[usize]) -> Vec<u8> {
        let seat = |(place, role): (usize, &Option<Role>)| Seat {
            anchor: AnchorId { slot: u32::try_from(place).unwrap(), generation: 1 },
            role: *role,
            holds: holds.contains(&place),
        };
        let seats: Vec<Seat> = roles.iter().enumerate().map(seat).collect();
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
