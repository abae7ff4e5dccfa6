//! Console commands for live calls: invite or disconnect a participant, transfer the caller, or ring a chosen operator
//! for a waiting call. The conditions are those for the same request by the operator's phone; facts report the result.

use crate::acd::Availability;
use crate::cdr::fact::{Callee, ConsoleRole, Destination, OfferOutcome};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingState;
use crate::switchboard::calls::refer::Transferor;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::ids::LegRef;
use crate::switchboard::input::Actor;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{ConsoleReply, ParticipantView};
use crate::switchboard::step::Step;

impl Calls {
    /// Invites a participant to a call, as the operator's phone does with the conference code.
    pub(in crate::switchboard) fn ask_in(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        call: CallId,
        target: &str,
    ) -> ConsoleReply {
        let transferor = match self.commands(by, call) {
            Ok(transferor) => transferor,
            Err(reply) => return reply,
        };
        let rings = self
            .invited_party(&transferor, net.phones.named(target))
            .and_then(|to| self.ring_participant(net, step, call, to, format!("asked in by {}", by.name), None));
        match rings {
            Ok(()) => ConsoleReply::Done,
            Err(status) => ConsoleReply::Refused { status },
        }
    }

    /// Disconnects a participant or cancels its ringing. An operator may not disconnect a supervisor.
    pub(in crate::switchboard) fn send_away(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        call: CallId,
        leg: LegNo,
    ) -> ConsoleReply {
        if let Err(reply) = self.commands(by, call) {
            return reply;
        }
        let Some(role) =
            self.calls.get(&call).and_then(|call| call.participants.get(&leg)).map(|participant| participant.role)
        else {
            return ConsoleReply::Refused { status: 404 };
        };
        if role.supervises() && by.role == ConsoleRole::Operator {
            return ConsoleReply::NotOwner;
        }
        self.disconnect_participant(net, step, call, leg);
        ConsoleReply::Done
    }

    /// Transfers the caller, as a blind transfer by the operator's phone does.
    pub(in crate::switchboard) fn transfer_by(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        call: CallId,
        to: &str,
    ) -> ConsoleReply {
        let transferor = match self.commands(by, call) {
            Ok(transferor) => transferor,
            Err(reply) => return reply,
        };
        let to = match net.phones.named(to) {
            Ok(Destination::Operator(operator)) if operator == transferor.operator => Err(403),
            Ok(_) if self.has_participants(call) => Err(491),
            named => named,
        };
        match to {
            Ok(to) => {
                self.blind_transfer(net, step, &transferor, to, None);
                ConsoleReply::Done
            }
            Err(status) => ConsoleReply::Refused { status },
        }
    }

    /// Rings a chosen operator for a waiting or ringing call, even if other calls have waited longer or other operators
    /// would be rung first.
    pub(in crate::switchboard) fn offer_to(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        id: CallId,
        operator: OperatorId,
    ) -> ConsoleReply {
        let now = step.now;
        let live = self.calls.get(&id).filter(|live| !live.is_over() && !live.kind.is_placed());
        let Some(call) = live else { return ConsoleReply::UnknownCall };
        match call.stage {
            Stage::Queued | Stage::Offered => {}
            Stage::AllPhones { .. }
            | Stage::Number
            | Stage::Talking { .. }
            | Stage::Transfer { .. }
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => return ConsoleReply::NotWaiting,
        }
        if !net.phones.is_operator(&operator) {
            return ConsoleReply::UnknownOperator;
        }
        match self.acd.availability(&operator) {
            Availability::Free => {}
            Availability::Busy => return ConsoleReply::Refused { status: 486 },
            Availability::Away => return ConsoleReply::Refused { status: 480 },
            Availability::Unknown => return ConsoleReply::UnknownOperator,
        }
        let place = self.acd.waiting().position(|waits| waits == id);
        let place = place.map_or_else(|| "while it rang".to_owned(), |ahead| format!("{ahead} waited before it"));
        if !self.acd.offer_out_of_turn(now, id, &operator) {
            return ConsoleReply::Refused { status: 503 };
        }
        self.ring_operator(net, step, id, operator.clone(), format!("out of turn by {}: {place}", by.name));
        match self.calls.get(&id).and_then(|call| call.leg_of(&operator)) {
            Some(_) => ConsoleReply::Done,
            None => ConsoleReply::Refused { status: 503 },
        }
    }

    /// True if, by the data of this run, an operator has or had a call.
    pub(in crate::switchboard) fn has_worked(&self, call: CallId, operator: &OperatorId) -> bool {
        let live = self.calls.get(&call).filter(|live| !live.kind.is_placed());
        live.is_some_and(|live| live.history.worked_by().contains(operator))
            || self.numbers.last_calls.get(operator).is_some_and(|worked| worked.call == call)
    }

    /// The leg of the operator who has the caller, if `by` may command the call: that operator, or a console user with
    /// another role.
    fn commands(&self, by: &Actor, call: CallId) -> Result<Transferor, ConsoleReply> {
        let live = self.calls.get(&call).filter(|live| !live.is_over() && !live.kind.is_placed());
        let live = live.ok_or(ConsoleReply::UnknownCall)?;
        let leg = match live.stage {
            Stage::Talking { leg } | Stage::Transfer { from: Some(leg) } => leg,
            Stage::Queued
            | Stage::Offered
            | Stage::AllPhones { .. }
            | Stage::Number
            | Stage::Transfer { from: None }
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => {
                // The call has no operator yet, so an operator gets no details.
                let his = by.role != ConsoleRole::Operator;
                return Err(if his { ConsoleReply::Refused { status: 480 } } else { ConsoleReply::NotOwner });
            }
        };
        let main_party = live.legs.get(&leg).and_then(|leg| leg.operator());
        if by.role == ConsoleRole::Operator && main_party.map(OperatorId::as_str) != Some(by.name.as_str()) {
            return Err(ConsoleReply::NotOwner);
        }
        self.transferor(LegRef::Outgoing(call, leg)).map_err(|status| ConsoleReply::Refused { status })
    }
}

impl Call {
    /// The connected and ringing participants.
    pub(in crate::switchboard) fn participant_views(&self) -> Vec<ParticipantView> {
        let view = |(leg, participant): (&LegNo, &crate::switchboard::calls::state::participant::Participant)| {
            let offer = self.legs.get(leg)?;
            let (operator, number) = match &offer.to {
                Callee::Operator(operator) => (Some(operator.clone()), None),
                Callee::Number(number) => (None, Some(number.clone())),
            };
            let state = match offer.state {
                OutgoingState::Talking => "talking",
                OutgoingState::Ringing { .. } | OutgoingState::NoResponse => "ringing",
                OutgoingState::Cancelling => return None,
            };
            Some(ParticipantView { leg: leg.0, operator, number, role: participant.role, state })
        };
        self.participants.iter().filter_map(view).collect()
    }
}

impl Calls {
    /// Disconnects one participant and cancels its other ringing phones. The other parties keep talking.
    fn disconnect_participant(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let operator = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).and_then(|leg| leg.operator()).cloned();
        if let Some(operator) = operator {
            self.cancel_other_phones(net, step, id, leg, &operator, OfferOutcome::Withdrawn);
        }
        let notified_leg = self.remove_participant(net, step, id, leg).and_then(|participant| participant.notified_leg);
        if let Some(notified_leg) = notified_leg {
            self.notify_transferor(net, step, notified_leg, 487);
        }
        self.end_leg(net, step, id, leg, OfferOutcome::Withdrawn, None);
        self.update_media(net, step, id);
    }
}
