//! Attended transfers: an operator has consulted the target in a placed call, and the two calls become one
//! (RFC 5589 §7). Each leg keeps its port, so only the bridge changes and no leg gets a re-INVITE.

use bytes::Bytes;

use crate::cdr::fact::{Callee, Destination, EndCause, FactKind, OfferOutcome, Side};
use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::calls::refer::Transferor;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

/// The called party of a placed call: the leg that talks, or all legs that ring, each with whether it has sent 180.
pub(in crate::switchboard) struct Consulted {
    pub(in crate::switchboard) to: Callee,
    pub(in crate::switchboard) talks: bool,
    pub(in crate::switchboard) legs: Vec<(LegNo, bool)>,
}

impl Calls {
    /// Joins an operator's caller with the called party of the operator's placed call. A phone that still rings then
    /// rings for the caller. `asked_in` is the dialog of the REFER.
    pub(in crate::switchboard) fn join(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        transferor: &Transferor,
        placed: CallId,
        asked_in: LegRef,
        referred_by: Option<Bytes>,
    ) {
        let now = step.now;
        let id = transferor.call;
        let consulted = self.consulted(placed).filter(|_| self.calls.contains_key(&id));
        let Some(Consulted { to, talks, legs }) = consulted else {
            return self.record_rejected_transfer(net, step, transferor, Destination::Queue, 481);
        };
        self.begin_transfer(net, step, transferor, &to.clone().into(), Some(placed), (asked_in, referred_by));
        self.unbridge(step, placed);
        let legs = self.move_legs(net, step, placed, legs, id);
        if let Callee::Operator(operator) = &to {
            self.acd.join(now, id, placed, operator);
        }
        self.enter_transfer(id, Some(transferor.leg));
        for (old, leg, rang) in legs {
            if talks {
                // The NOTIFY is sent while the dialog of the REFER still exists.
                self.notify_transferor(net, step, asked_in, 200);
                self.connect(net, step, id, leg, &to);
                self.fact(net, step, id, FactKind::Answered { leg, by: to.clone() });
            } else {
                let why = format!("passed on by {} while it rang", transferor.operator);
                self.rings_elsewhere(net, step, (placed, old), (id, leg), (to.clone(), why), rang);
            }
        }
        self.end_call(net, step, placed, Ending::by(Side::Operator, EndCause::Normal).with_final_status(487));
    }

    /// The called party of a placed call.
    pub(in crate::switchboard) fn consulted(&self, placed: CallId) -> Option<Consulted> {
        let legs = || self.calls.get(&placed).into_iter().flat_map(|call| &call.legs);
        if let Some((no, leg)) = legs().find(|(_, leg)| leg.state == OutgoingState::Talking) {
            return Some(Consulted { to: leg.to.clone(), talks: true, legs: vec![(*no, true)] });
        }
        let rang = |leg: &OutgoingLeg| matches!(leg.state, OutgoingState::Ringing { rang: true, .. });
        let ringing = || legs().filter(|(_, leg)| leg.is_ringing());
        let (_, first) = ringing().next()?;
        let legs = ringing().map(|(no, leg)| (*no, rang(leg))).collect();
        Some(Consulted { to: first.to.clone(), talks: false, legs })
    }

    /// Moves legs of a placed call to another call. Returns the old number and the new number of each, and whether it
    /// has sent 180.
    pub(in crate::switchboard) fn move_legs(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        placed: CallId,
        legs: Vec<(LegNo, bool)>,
        to: CallId,
    ) -> Vec<(LegNo, LegNo, bool)> {
        let moves = |(old, rang): (LegNo, bool)| {
            step.out.media.push(Command::StopRecord { call: placed, leg: old });
            Some((old, self.move_leg(net, step, (placed, old), to)?, rang))
        };
        legs.into_iter().filter_map(moves).collect()
    }

    /// Emits the facts of a leg that has moved to another call and still rings.
    pub(in crate::switchboard) fn rings_elsewhere(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (placed, old): (CallId, LegNo),
        (id, leg): (CallId, LegNo),
        (to, why): (Callee, String),
        rang: bool,
    ) {
        let outcome = OfferOutcome::Withdrawn;
        self.fact(net, step, placed, FactKind::OfferEnded { leg: old, to: to.clone(), outcome, sip_status: None });
        self.fact(net, step, id, FactKind::Offered { leg, to, why });
        if rang {
            self.fact(net, step, id, FactKind::Ringing { leg });
            self.report_ringing(net, step, id, leg);
        }
    }

    /// Moves a leg with its dialogs and timers to another call. Returns its number in that call.
    pub(in crate::switchboard) fn move_leg(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (from, old): (CallId, LegNo),
        to: CallId,
    ) -> Option<LegNo> {
        let old_call = self.calls.get_mut(&from)?;
        let mut leg: OutgoingLeg = old_call.legs.remove(&old)?;
        let way = old_call.dialling.clone();
        let Some(call) = self.calls.get_mut(&to) else {
            self.calls.get_mut(&from)?.legs.insert(old, leg);
            return None;
        };
        leg.identity_outdated = true;
        // Keeps the trunk and the server over which a number was dialled, so that a failure does not count against
        // another server.
        if let Callee::Number(_) = leg.to {
            call.dialling.follow(way);
        }
        call.history.responded(leg.operator().filter(|_| leg.attempt.responded));
        let new = call.counts.next_leg();
        let (was, is) = (LegRef::Outgoing(from, old), LegRef::Outgoing(to, new));
        leg.move_to(net, step, was, is);
        self.calls.get_mut(&to)?.legs.insert(new, leg);
        Some(new)
    }
}

impl OutgoingLeg {
    /// Moves the leg's session, requests and timers to its new owner.
    pub(in crate::switchboard) fn move_to(&self, net: &mut NetworkParts, step: &mut Step, was: LegRef, is: LegRef) {
        self.session.move_to(net, step, was, is);
        let attempt = &self.attempt;
        for (at, timer) in [
            (attempt.second.due(), TimerKind::SecondInvite as fn(LegRef) -> TimerKind),
            (attempt.respond_by, TimerKind::NoResponse),
            (attempt.ends_at, TimerKind::BindingGone),
        ] {
            if let Some(at) = at.filter(|at| step.timers.remove(*at, timer(was))) {
                step.timers.insert(at, timer(is));
            }
        }
        if let OutgoingState::Ringing { ring_until, .. } = self.state
            && step.timers.remove(ring_until, TimerKind::RingOver(was))
        {
            step.timers.insert(ring_until, TimerKind::RingOver(is));
        }
        net.trunks.channels.move_to(was, is);
        step.mark_changed(&self.to);
    }
}
