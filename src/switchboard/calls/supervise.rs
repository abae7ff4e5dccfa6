//! Supervision: supervisors listen to an operator's call, whisper to the operator, barge in or take the caller over.
//! They dial a feature code with the operator's name, or the console rings their phones. They can also pick up callers
//! from the queue. The phones of the caller and the operator get no requests for it.

use crate::acd::Availability;
use crate::cdr::fact::{Callee, FactKind, OfferOutcome, Role};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::calls::participants::{HandOverCause, PARTICIPANTS_MAX};
use crate::switchboard::calls::pick_up::ReplacingLeg;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::participant::Participant;
use crate::switchboard::feature_codes::{Errand, Supervision};
use crate::switchboard::ids::LegRef;
use crate::switchboard::input::Actor;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::ConsoleReply;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Calls {
    /// Handles a supervision code. Errors: 403 if the account is no supervisor, 404 if the operator is unknown, 480 if
    /// that operator has no caller, 486 if the supervisor is busy or the conference is full.
    pub(in crate::switchboard) fn supervises(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        supervisor: OperatorId,
        errand: Errand,
        whose: &str,
    ) {
        let now = step.now;
        let what = match errand {
            Errand::PickUp => return self.picks_from_queue(net, step, taken, supervisor, whose),
            Errand::Supervise(what) => what,
        };
        let id = match self.supervised(net, &supervisor, whose) {
            Ok(found) => found,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        let (leg, to, arriving) = match self.comes_in(net, step, taken, id, &supervisor) {
            Ok(found) => found,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        self.acd.attend(now, id, &supervisor);
        self.let_in(net, step, taken, (id, leg), &to, arriving);
        if what == Supervision::TakeOver {
            // The role changes at once, so no talk is recorded for the role `Listener`.
            self.add_participant(net, step, id, leg, Role::Listener);
        }
        self.becomes(net, step, id, leg, what);
    }

    /// Adds a supervisor to a call on request of the console: the supervisor's phones ring, and the answer has the
    /// effect of the dialled code. A supervisor who is in the call or rings for it changes the role.
    pub(in crate::switchboard) fn supervise_by(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        id: CallId,
        what: Supervision,
        supervisor: Option<OperatorId>,
    ) -> ConsoleReply {
        let named = supervisor.or_else(|| OperatorId::parse(&by.name).ok());
        let may = |one: &OperatorId| self.settings.operators.supervisors.contains(one) && net.phones.has_account(one);
        let Some(supervisor) = named.filter(may) else { return ConsoleReply::NoSupervisor };
        if self.calls.get(&id).is_none_or(|call| call.is_over() || call.kind.is_placed()) {
            return ConsoleReply::UnknownCall;
        }
        if self.changes_visit(net, step, id, &supervisor, what) {
            return ConsoleReply::Done;
        }
        match self.ring_supervisor(net, step, id, &supervisor, what, &by.name) {
            Ok(()) => ConsoleReply::Done,
            Err(status) => ConsoleReply::Refused { status },
        }
    }

    /// Changes the role of a supervisor who is in a call or rings for it. Returns false if the operator is not
    /// supervising this call.
    fn changes_visit(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        supervisor: &OperatorId,
        what: Supervision,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let Call { legs, participants, .. } = call;
        let hers = |leg: &LegNo| legs.get(leg).is_some_and(|leg| leg.operator() == Some(supervisor));
        let visits = participants.iter_mut().filter(|(leg, participant)| participant.role.supervises() && hers(leg));
        let mut found = false;
        for (leg, participant) in visits {
            found = true;
            if legs.get(leg).is_some_and(|leg| leg.state == OutgoingState::Talking) {
                let leg = *leg;
                self.becomes(net, step, id, leg, what);
                return true;
            }
            (participant.role, participant.takes_over) = (what.role().unwrap_or(Role::Listener), what.role().is_none());
        }
        found
    }

    fn ring_supervisor(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        supervisor: &OperatorId,
        what: Supervision,
        by: &str,
    ) -> Result<(), u16> {
        let now = step.now;
        let call = self.calls.get(&id).ok_or(480_u16)?;
        call.supervisable().ok_or(480_u16)?;
        if self.acd.availability(supervisor) == Availability::Away {
            return Err(480);
        }
        self.may_come_in(net, call, supervisor)?;
        let (before, until) = (call.counts.last_leg(), now.mono + self.settings.calls.ring);
        let why = format!("asked to {} by {by}", what.word());
        let whose = call_operator(call).map(|operator| format!(" {operator}")).unwrap_or_default();
        let to = format!("{}{whose}:", what.word().to_uppercase());
        self.show_purpose(id, Some(to));
        let rings = self.acd.invite(id, supervisor) && self.ring_phones(net, step, id, supervisor, &why, until);
        self.show_purpose(id, None);
        if !rings {
            self.acd.release_participant(now, id, supervisor);
            return Err(503);
        }
        let participant = Participant {
            role: what.role().unwrap_or(Role::Listener),
            notified_leg: None,
            takes_over: what.role().is_none(),
        };
        if let Some(call) = self.calls.get_mut(&id) {
            let Call { legs, participants, .. } = call;
            participants.extend(legs.keys().filter(|leg| leg.0 > before).map(|leg| (*leg, participant)));
        }
        Ok(())
    }

    /// Sets the text that the phones which are rung next for the call display first.
    pub(in crate::switchboard) fn show_purpose(&mut self, id: CallId, purpose: Option<String>) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.shown.rung_to = purpose;
        }
    }

    /// Applies a role to a supervisor in a call.
    pub(in crate::switchboard) fn becomes(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        what: Supervision,
    ) {
        let Some(Stage::Talking { leg: main_party }) = self.calls.get(&id).map(|call| call.stage.clone()) else {
            return;
        };
        match what.role() {
            Some(role) => self.add_participant(net, step, id, leg, role),
            None => self.promote_participant(net, step, id, (main_party, leg), HandOverCause::TakenOver),
        }
    }

    /// Connects a supervisor with an unanswered caller. Errors: 403 if the account is no supervisor, 404 if the queue
    /// position is invalid, 480 if no call waits there, 486 if the supervisor is busy. Operators whose phones ring for
    /// the call are released.
    fn picks_from_queue(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        supervisor: OperatorId,
        place: &str,
    ) {
        let now = step.now;
        let (id, why) = match self.picked(&supervisor, place) {
            Ok(found) => found,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        let came_in = if self.lend_to_caller(net, step, id) {
            self.comes_in(net, step, taken, id, &supervisor)
        } else {
            Err(503)
        };
        let (leg, to, arriving) = match came_in {
            Ok(found) => found,
            Err(status) => {
                self.take_port_back(net, step, id);
                return net.wire.reply(step, taken, status, &[]);
            }
        };
        self.fact(net, step, id, FactKind::Offered { leg, to: to.clone(), why });
        self.acd.take(now, id, &supervisor, self.entry_of(id));
        self.let_in(net, step, taken, (id, leg), &to, arriving);
        let (outcome, sip_status) = (OfferOutcome::Answered, None);
        self.fact(net, step, id, FactKind::OfferEnded { leg, to: to.clone(), outcome, sip_status });
        self.connect(net, step, id, leg, &to);
        self.fact(net, step, id, FactKind::Answered { leg, by: to });
    }

    /// Reads a supervisor's INVITE as a new leg of a call. On error, returns the status of the rejection.
    fn comes_in(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        id: CallId,
        supervisor: &OperatorId,
    ) -> Result<(LegNo, Callee, ReplacingLeg), u16> {
        let call = self.calls.get_mut(&id).ok_or(480_u16)?;
        let (leg, to) = (call.counts.next_leg(), Callee::Operator(supervisor.clone()));
        let arriving = ReplacingLeg::read(&mut net.media, step, taken, LegRef::Outgoing(id, leg), &to)?;
        Ok((leg, to, arriving))
    }

    /// The waiting call at this queue position, from 1, and the recorded reason. Without a position: the first waiting
    /// call or, if none waits, the first ringing one. On error, returns the status of the rejection.
    fn picked(&self, supervisor: &OperatorId, place: &str) -> Result<(CallId, String), u16> {
        if !self.settings.operators.supervisors.contains(supervisor) {
            return Err(403);
        }
        let place = match place {
            "" => None,
            place => Some(place.parse::<usize>().ok().and_then(|place| place.checked_sub(1)).ok_or(404_u16)?),
        };
        if self.acd.availability(supervisor) != Availability::Free {
            return Err(486);
        }
        let waits = self.acd.waiting().nth(place.unwrap_or(0));
        let (id, where_from) = match (waits, place) {
            (Some(id), _) => (id, "from the queue"),
            (None, None) => (self.acd.first_unanswered().ok_or(480_u16)?, "while it rang"),
            (None, Some(_)) => return Err(480),
        };
        Ok((id, format!("picked up {where_from} by {supervisor}")))
    }

    /// The emergency call of an operator, if the supervisor may join it.
    fn supervised(&self, net: &NetworkParts, supervisor: &OperatorId, whose: &str) -> Result<CallId, u16> {
        if !self.settings.operators.supervisors.contains(supervisor) {
            return Err(403);
        }
        let operator = OperatorId::parse(whose).map_err(|_| 404_u16)?;
        if !net.phones.has_account(&operator) {
            return Err(404);
        }
        let id = self.acd.view(&operator).and_then(|view| view.call).ok_or(480_u16)?;
        let call = self.calls.get(&id).ok_or(480_u16)?;
        if call.supervisable() != Some(&operator) {
            return Err(480);
        }
        self.may_come_in(net, call, supervisor).map(|()| id)
    }

    /// Checks that the supervisor is free and the call has capacity.
    fn may_come_in(&self, net: &NetworkParts, call: &Call, supervisor: &OperatorId) -> Result<(), u16> {
        if self.acd.availability(supervisor) != Availability::Free || call.participant_count() >= PARTICIPANTS_MAX {
            return Err(486);
        }
        if self.has_pair_to_spare_for(net, supervisor) { Ok(()) } else { Err(503) }
    }

    /// Handles a supervisor's key in a call: 1 listens, 2 whispers, 3 barges in, 4 takes over. Returns false for other
    /// keys and other parties.
    pub(in crate::switchboard) fn changes_role(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        digit: char,
    ) -> bool {
        let supervises =
            |call: &Call| call.participants.get(&leg).is_some_and(|participant| participant.role.supervises());
        // Digits of a phone that still rings are ignored.
        let talks = |call: &Call| call.legs.get(&leg).is_some_and(|leg| leg.state == OutgoingState::Talking);
        if !self.calls.get(&id).is_some_and(|call| supervises(call) && talks(call)) {
            return false;
        }
        let what = match digit {
            '1' => Supervision::Listen,
            '2' => Supervision::Whisper,
            '3' => Supervision::Barge,
            '4' => Supervision::TakeOver,
            _ => return false,
        };
        self.becomes(net, step, id, leg, what);
        true
    }
}

impl Call {
    /// The operator who has the caller, if the call can be supervised.
    fn supervisable(&self) -> Option<&OperatorId> {
        let Stage::Talking { leg } = self.stage else { return None };
        self.legs.get(&leg).filter(|_| !self.kind.is_placed()).and_then(|leg| leg.operator())
    }
}

/// The operator who has the caller.
pub(in crate::switchboard) fn call_operator(call: &Call) -> Option<&OperatorId> {
    let Stage::Talking { leg } = &call.stage else { return None };
    call.legs.get(leg).and_then(OutgoingLeg::operator)
}
