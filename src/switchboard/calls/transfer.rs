//! Transfers: an operator transfers the caller (RFC 5589 §6, RFC 5359 §2.4). The caller always stays connected: they
//! hear the waiting tone while the target rings, and return to the operator or the queue if the target does not answer.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::refer::Transferor;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::calls::state::transfer::Transfer;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::text::clean;
use bytes::Bytes;

use crate::acd::Availability;
use crate::cdr::fact::{Callee, Destination, FactKind, OfferOutcome};
use crate::clock::Now;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::{AnchorId, Command};

/// Maximum recorded characters of a Referred-By.
const REFERRED_BY_CHARS_MAX: usize = 512;

impl Calls {
    /// Starts a blind transfer: rings the target, or returns the caller to the queue if the queue is the target.
    pub(in crate::switchboard) fn blind_transfer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        transferor: &Transferor,
        to: Destination,
        referred_by: Option<Bytes>,
    ) {
        let now = step.now;
        let (id, leg) = (transferor.call, transferor.leg);
        let notified_leg = LegRef::Outgoing(id, leg);
        self.begin_transfer(net, step, transferor, &to, None, (notified_leg, referred_by));
        let why = format!("passed on by {}", transferor.operator);
        let refused = match &to {
            Destination::Queue => return self.transfer_to_queue(net, step, id, leg),
            Destination::Operator(operator) => match self.acd.availability(operator) {
                Availability::Free => {
                    self.acd.reserve(id, operator);
                    let until = now.mono + self.settings.calls.ring;
                    if self.ring_phones(net, step, id, operator, &why, until) {
                        return self.enter_transfer(id, Some(leg));
                    }
                    self.acd.offer_failed(now, id, operator, true);
                    503
                }
                Availability::Busy => 486,
                Availability::Away => 480,
                Availability::Unknown => 404,
            },
            Destination::Number(number) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.dialling.restart();
                }
                let until = now.mono + self.settings.fallback.ring;
                if self.dial(net, step, id, number, &why, until) {
                    return self.enter_transfer(id, Some(leg));
                }
                503
            }
        };
        self.transfer_failed(net, step, id, crate::switchboard::calls::leg::outcome_of(refused), refused);
    }

    /// Records a transfer that fails before the target is rung.
    pub(in crate::switchboard) fn record_rejected_transfer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        transferor: &Transferor,
        to: Destination,
        status: u16,
    ) {
        self.begin_transfer(
            net,
            step,
            transferor,
            &to,
            None,
            (LegRef::Outgoing(transferor.call, transferor.leg), None),
        );
        self.transfer_failed(net, step, transferor.call, crate::switchboard::calls::leg::outcome_of(status), status);
    }

    /// Ends the operator's talk in the record and plays the waiting tone to the caller. The recording continues until
    /// the target answers.
    pub(in crate::switchboard) fn begin_transfer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        transferor: &Transferor,
        to: &Destination,
        consulted: Option<CallId>,
        (notified_leg, referred_by): (LegRef, Option<Bytes>),
    ) {
        let Transferor { call: id, leg, operator } = transferor.clone();
        self.end_participants(net, step, id);
        if let Some(anchor) = self.unbridge(step, id) {
            step.out.media.push(Command::Play { anchor, first: None, then: Some(self.settings.media.waiting) });
        }
        self.acd.begin_transfer(id);
        let by = referred_by.as_ref().map(|by| clean(by, REFERRED_BY_CHARS_MAX));
        let asked = FactKind::TransferAsked { leg, by: operator.clone(), to: to.clone(), consulted, referred_by: by };
        self.fact(net, step, id, asked);
        if let Some(call) = self.calls.get_mut(&id) {
            call.transfer = Some(Transfer { by: operator, to: to.clone(), referred_by, notified_leg });
        }
    }

    /// Enters the stage `Transfer`. `from`: the leg of the operator who transfers, if it still exists.
    pub(in crate::switchboard) fn enter_transfer(&mut self, id: CallId, from: Option<LegNo>) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Transfer { from };
        }
    }

    /// Handles a phone that rings. A caller without a 180 gets one, and the phone that has requested the transfer or
    /// invitation gets a NOTIFY (RFC 3515 §2.4.4).
    pub(in crate::switchboard) fn report_ringing(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
    ) {
        self.tell_caller(net, step, id, 180);
        let Some(call) = self.calls.get(&id) else { return };
        let takes_over = matches!(call.stage, Stage::Transfer { .. });
        let transferor = call.transfer.as_ref().filter(|_| takes_over).map(|transfer| transfer.notified_leg);
        let notified_leg =
            transferor.or_else(|| call.participants.get(&leg).and_then(|participant| participant.notified_leg));
        if let Some(notified_leg) = notified_leg {
            self.notify_transferor(net, step, notified_leg, 180);
        }
    }

    fn transfer_to_queue(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let now = step.now;
        self.transfer_done(net, step, id, Some(leg), None);
        self.end_leg(net, step, id, leg, OfferOutcome::LostRace, None);
        self.acd.requeue(now, id);
        self.queued(net, step, id, true);
        self.back_to_queue(net, step, id);
    }

    /// Ends a successful transfer, to a party or to the queue: the operator's phone gets a NOTIFY with 200. The calling
    /// function ends the operator's leg.
    pub(in crate::switchboard) fn transfer_done(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        from: Option<LegNo>,
        leg: Option<LegNo>,
    ) {
        let Some(transfer) = self.calls.get_mut(&id).and_then(|call| call.transfer.take()) else { return };
        if let Some(from) = from {
            step.out.media.push(Command::StopRecord { call: id, leg: from });
        }
        self.notify_transferor(net, step, transfer.notified_leg, 200);
        self.fact(net, step, id, FactKind::TransferDone { by: transfer.by, to: transfer.to, leg });
    }

    /// Handles a leg of the target that has ended without an answer. The transfer continues while another phone of the
    /// target rings. A number is dialled again over the next server or trunk.
    pub(in crate::switchboard) fn transfer_leg_failed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: &Callee,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Stage::Transfer { from } = call.stage else { return };
        if call.rings() {
            return;
        }
        let by = call.transfer.as_ref().map(|transfer| transfer.by.to_string()).unwrap_or_default();
        if self.dial_again(net, step, id, to, &format!("passed on by {by}")) {
            return self.enter_transfer(id, from);
        }
        self.transfer_failed(net, step, id, outcome, sipfrag_status(outcome, sip_status));
    }

    /// Handles a failed transfer: the caller returns to the operator. If the operator's leg has ended, the call is
    /// offered to this operator first, and then to free operators.
    fn transfer_failed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        why: OfferOutcome,
        sip_status: u16,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Transfer { by, to, notified_leg, .. }) = call.transfer.take() else { return };
        let from = match call.stage {
            Stage::Transfer { from } => from,
            Stage::Talking { leg } => Some(leg),
            Stage::Queued | Stage::Offered | Stage::AllPhones { .. } | Stage::Number => return,
            Stage::OwnPhones { .. } | Stage::Placed | Stage::Ended => return,
        };
        let back = from.is_some();
        self.fact(net, step, id, FactKind::TransferFailed { by: by.clone(), to, why, sip_status, back });
        let Some(leg) = from else { return self.ring_transferor_again(net, step, id, by) };
        self.notify_transferor(net, step, notified_leg, sip_status);
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Talking { leg };
        }
        if let Some(session) = self.session_mut(LegRef::Outgoing(id, leg)) {
            session.note_failure(now.mono);
        }
        self.acd.keep_with_transferor(id);
        self.bridge_audio(net, step, id, leg, false);
    }

    /// Handles the end of the operator's leg (by BYE unless `lost`) during a transfer, or shortly after a failed one,
    /// when the operator may not have noticed the failure yet. The caller stays connected.
    pub(in crate::switchboard) fn transferor_left(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        lost: bool,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        let Some(operator) = call.legs.get(&leg).and_then(|leg| leg.operator()).cloned() else {
            return self.number_left(net, step, id, leg, lost);
        };
        let transfers = match call.stage {
            Stage::Transfer { .. } => true,
            Stage::Talking { .. } => false,
            Stage::Queued | Stage::Offered | Stage::AllPhones { .. } | Stage::Number => return,
            Stage::OwnPhones { .. } | Stage::Placed | Stage::Ended => return,
        };
        if !transfers {
            self.end_participants(net, step, id);
            if let Some(anchor) = self.unbridge(step, id) {
                step.out.media.push(Command::Play { anchor, first: None, then: Some(self.settings.media.waiting) });
            }
            self.acd.begin_transfer(id);
        }
        self.fact(net, step, id, FactKind::TransferorLeft { leg, operator: operator.clone() });
        step.out.media.push(Command::StopRecord { call: id, leg });
        if lost {
            self.bye(net, step, LegRef::Outgoing(id, leg));
        }
        // The stage changes before the leg is removed, because a talking leg must exist.
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = if transfers { Stage::Transfer { from: None } } else { Stage::Queued };
        }
        self.drop_leg(net, step, id, leg);
        self.acd.leave_transfer(now, id, &operator);
        if !transfers {
            self.ring_transferor_again(net, step, id, operator);
        }
    }

    /// True if a BYE of this leg must not end the call.
    pub(in crate::switchboard) fn keeps_call_after_bye(&self, now: Now, id: CallId, leg: LegNo) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        match call.stage {
            Stage::Transfer { from } => from == Some(leg),
            Stage::Talking { leg: talks } if talks == leg && !call.kind.is_placed() => {
                call.legs.get(&leg).is_some_and(|leg| leg.session.failed_recently(now.mono))
            }
            Stage::Talking { .. } => false,
            Stage::Queued | Stage::Offered | Stage::AllPhones { .. } | Stage::Number => false,
            Stage::OwnPhones { .. } | Stage::Placed | Stage::Ended => false,
        }
    }

    /// Records that a transfer has failed because the call has ended.
    pub(in crate::switchboard) fn abort_transfer(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(Transfer { by, to, notified_leg, .. }) = self.calls.get_mut(&id).and_then(|call| call.transfer.take())
        else {
            return;
        };
        self.notify_transferor(net, step, notified_leg, 487);
        let why = OfferOutcome::CallerLeft;
        self.fact(net, step, id, FactKind::TransferFailed { by, to, why, sip_status: 487, back: false });
    }

    /// Removes the bridge or the tones of an answered call. Returns the caller's anchor.
    pub(in crate::switchboard) fn unbridge(&mut self, step: &mut Step, id: CallId) -> Option<AnchorId> {
        let call = self.calls.get_mut(&id)?;
        let Stage::Talking { leg } = call.stage else { return None };
        let caller = call.caller.session.media()?.anchor();
        let operator = call.legs.get(&leg)?.session.media()?.anchor();
        match call.audio.set_holds((false, false)) {
            (false, false) => step.out.media.push(Command::Unbridge { anchor: caller }),
            (true, _) | (_, true) => step.out.media.extend([caller, operator].map(|anchor| Command::Stop { anchor })),
        }
        Some(caller)
    }

    fn ring_transferor_again(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, operator: OperatorId) {
        let now = step.now;
        self.queued(net, step, id, true);
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Queued;
        }
        if self.acd.ring_transferor_again(id, &operator) {
            return self.ring_operator(net, step, id, operator, "the operator's transfer was not answered".to_owned());
        }
        self.acd.requeue(now, id);
        self.back_to_queue(net, step, id);
    }
}

/// The status for the NOTIFY to the operator's phone.
pub(in crate::switchboard) fn sipfrag_status(outcome: OfferOutcome, sip_status: Option<u16>) -> u16 {
    match (outcome, sip_status) {
        // The leg was answered with unusable SDP.
        (OfferOutcome::Rejected, Some(200)) => 488,
        (_, Some(status @ 400..=699)) => status,
        (OfferOutcome::Busy, _) => 486,
        (OfferOutcome::Rejected, _) => 603,
        (OfferOutcome::Unreachable, _) => 503,
        (OfferOutcome::CallerLeft, _) => 487,
        (
            OfferOutcome::NoAnswer
            | OfferOutcome::Redirected
            | OfferOutcome::LostRace
            | OfferOutcome::Withdrawn
            | OfferOutcome::Answered,
            _,
        ) => 480,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_phone_is_told_is_always_a_failure() {
        let all = OfferOutcome::ALL.into_iter();
        for (outcome, status) in all.flat_map(|one| [None, Some(200), Some(302)].map(|status| (one, status))) {
            assert!((400..700).contains(&sipfrag_status(outcome, status)), "{outcome:?} {status:?}");
        }
        assert_eq!(sipfrag_status(OfferOutcome::Busy, Some(600)), 600);
        assert_eq!(sipfrag_status(OfferOutcome::Rejected, Some(200)), 488);
    }
}
