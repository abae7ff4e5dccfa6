//! REFER in a dialog (RFC 3515, RFC 5589): who may transfer callers, and to which targets.

use crate::cdr::fact::Destination;
use crate::clock::Now;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::dialog::DialogKey;
use crate::sip::refer::Refer;
use crate::sip::replaces::Replaces;
use crate::sip::wire::Message;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// The leg of an operator who talks with a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::switchboard) struct Transferor {
    pub(in crate::switchboard) call: CallId,
    pub(in crate::switchboard) leg: LegNo,
    pub(in crate::switchboard) operator: OperatorId,
}

impl Calls {
    /// Handles a REFER: an operator transfers the caller. The caller and outside numbers get 403.
    pub(in crate::switchboard) fn referred(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        who: LegRef,
    ) {
        let refer = match Refer::read(taken.message) {
            Ok(refer) => refer,
            Err(fault) => return net.wire.reject_refer(step, taken, fault.status),
        };
        if let Some(replaces) = &refer.replaces {
            return self.joins(net, step, taken, who, &refer, replaces);
        }
        let transferor = match self.transferor(who) {
            Ok(transferor) => transferor,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        if let Some(target) = net.phones.asked_in(&refer.to) {
            return self.invite_by_refer(net, step, taken, &transferor, &refer, target);
        }
        if self.has_participants(transferor.call) {
            return net.wire.reply(step, taken, 491, &[]);
        }
        let to = match net.phones.destination_of(&refer.to) {
            Ok(Destination::Operator(operator)) if operator == transferor.operator => {
                return net.wire.reply(step, taken, 403, &[]);
            }
            Ok(to) => to,
            Err(status) => return net.wire.reject_refer(step, taken, status),
        };
        self.accept_refer(net, step, taken, who, refer.wants_notify);
        self.blind_transfer(net, step, &transferor, to, refer.referred_by);
    }

    /// Handles a REFER with Replaces: two dialogs of one operator become one call. The REFER may arrive in either of
    /// them.
    fn joins(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        who: LegRef,
        refer: &Refer<'_>,
        replaces: &Replaces,
    ) {
        let other = replaces.keys().find_map(|key| net.wire.leg_in(&key));
        let (with_caller, with_colleague) = match (who, other) {
            (LegRef::Outgoing(..), Some(LegRef::Caller(placed))) => (who, Some(placed)),
            (LegRef::Caller(placed), Some(caller @ LegRef::Outgoing(..))) => (caller, Some(placed)),
            (LegRef::Outgoing(..), None) => (who, None),
            (_, _) => return net.wire.reply(step, taken, 403, &[]),
        };
        let transferor = match self.transferor(with_caller) {
            Ok(transferor) => transferor,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        let confers =
            with_colleague.and_then(|placed| self.calls.get(&placed)).is_some_and(|call| call.kind.joins_the_call());
        if confers && let Err(status) = self.check_conference_limit(transferor.call) {
            return net.wire.reply(step, taken, status, &[]);
        }
        if !confers && self.has_participants(transferor.call) {
            return net.wire.reply(step, taken, 491, &[]);
        }
        let Some(placed) = with_colleague else {
            // The dialog to replace has ended or never existed. The transfer target would reject it with 481
            // (RFC 3891 §3).
            self.accept_refer(net, step, taken, who, refer.wants_notify);
            let to = net.phones.destination_of(&refer.to).unwrap_or(Destination::Queue);
            return self.record_rejected_transfer(net, step, &transferor, to, 481);
        };
        let his = self.calls.get(&placed).is_some_and(|call| {
            let asks_early = who == LegRef::Caller(placed) && !matches!(call.stage, Stage::Talking { .. });
            call.kind.placed_by() == Some(&transferor.operator) && !asks_early
        });
        if !his {
            return net.wire.reply(step, taken, 403, &[]);
        }
        self.accept_refer(net, step, taken, who, refer.wants_notify);
        if confers {
            return self.join_as_participant(net, step, &transferor, placed, who);
        }
        self.join(net, step, &transferor, placed, who, refer.referred_by.clone());
    }

    /// The operator of this leg, if the leg talks with a caller. On error, returns the status for the REFER.
    pub(in crate::switchboard) fn transferor(&self, who: LegRef) -> Result<Transferor, u16> {
        let LegRef::Outgoing(call, leg) = who else { return Err(403) };
        let live = self.calls.get(&call).filter(|live| !live.kind.is_placed()).ok_or(403_u16)?;
        let operator = live.legs.get(&leg).and_then(|leg| leg.operator()).cloned().ok_or(403_u16)?;
        match live.stage {
            Stage::Talking { leg: talks } if talks == leg => Ok(Transferor { call, leg, operator }),
            Stage::Transfer { .. } => Err(491),
            Stage::Talking { .. }
            | Stage::Queued
            | Stage::Offered
            | Stage::AllPhones { .. }
            | Stage::Number
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => Err(403),
        }
    }

    /// Records that a REFER, or a retransmission of it, has arrived in an operator's dialog. Its response may be a
    /// rejection, after which some phones hang up. If the dialog is that of a consultation, the phone may hang up both
    /// of its calls.
    pub(in crate::switchboard) fn note_refer(&mut self, net: &mut NetworkParts, now: Now, message: &Message<'_>) {
        let Some(who) = DialogKey::of_request(message).and_then(|key| net.wire.leg_in(&key)) else {
            return;
        };
        let with_caller = match who {
            LegRef::Caller(placed) => self.leg_with_caller(placed),
            LegRef::Outgoing(..) | LegRef::Service(_) => None,
        };
        for who in [Some(who), with_caller].into_iter().flatten() {
            if let Some(session) = self.session_mut(who) {
                session.note_failure(now.mono);
            }
        }
    }

    /// The leg of the operator who placed this call in an emergency call.
    fn leg_with_caller(&self, placed: CallId) -> Option<LegRef> {
        let operator = self.calls.get(&placed)?.kind.placed_by()?;
        let id = self.acd.view(operator)?.call?;
        let Stage::Talking { leg } = self.calls.get(&id)?.stage else { return None };
        Some(LegRef::Outgoing(id, leg))
    }
}
