//! Ring attempts to which no phone responds. After five seconds without a provisional response the next operator is
//! rung. The INVITE stays open until its transaction ends (RFC 3261 §17.1.1.2, timer B): a late response counts as long
//! as the caller waits. The operator is free during this time: a ring attempt for another call cancels the open INVITE,
//! and one for the same call reuses it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::acd::Family;
use crate::cdr::fact::{FactKind, OfferOutcome};
use crate::clock::Instant;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::wire::Message;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState, outcome_of};
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::ids::{BoundPhone, LegRef};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::settings::media::family;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

/// Time for the first response of a ringing phone.
pub(in crate::switchboard) const RESPONSE_WITHIN: Duration = Duration::from_secs(5);
/// Maximum operators whose open INVITEs are searched for a port pair.
const OPEN_INVITES_SEARCHED_MAX: usize = 64;
/// A ring attempt without a response ends this long after its binding was removed.
const BINDING_GONE_AFTER: Duration = Duration::from_secs(2);

impl OutgoingLeg {
    /// True if the leg rings and its phone has not responded in time.
    pub(in crate::switchboard) fn is_overdue(&self) -> bool {
        self.is_ringing() && !self.attempt.responded && self.attempt.respond_by.is_none()
    }

    pub(in crate::switchboard) fn has_open_invite(&self) -> bool {
        self.state == OutgoingState::NoResponse
    }
}

impl Call {
    /// True if the call waits for an operator or rings operators.
    const fn is_waiting(&self) -> bool {
        match self.stage {
            Stage::Queued | Stage::Offered | Stage::AllPhones { .. } | Stage::Number => true,
            Stage::Talking { .. } | Stage::Transfer { .. } | Stage::OwnPhones { .. } | Stage::Placed | Stage::Ended => {
                false
            }
        }
    }

    /// An open leg to which no phone has responded.
    pub(in crate::switchboard) fn first_open_invite(&self) -> Option<LegNo> {
        self.legs.iter().find(|(_, leg)| leg.has_open_invite()).map(|(no, _)| *no)
    }

    /// True if phones of this operator ring and none of them has responded in time.
    fn is_overdue_at(&self, operator: &OperatorId) -> bool {
        let ringing = || self.legs_to(operator).map(|(_, leg)| leg).filter(|leg| leg.is_ringing());
        ringing().next().is_some() && ringing().all(OutgoingLeg::is_overdue)
    }

    fn legs_to<'a>(&'a self, operator: &'a OperatorId) -> impl Iterator<Item = (LegNo, &'a OutgoingLeg)> {
        self.legs.iter().filter(move |(_, leg)| leg.operator() == Some(operator)).map(|(no, leg)| (*no, leg))
    }
}

impl Calls {
    /// Starts the timer for the first response of a ringing phone.
    pub(in crate::switchboard) fn await_response(&mut self, step: &mut Step, who: LegRef, by: Instant) {
        if let Some(leg) = self.leg_mut(who) {
            leg.attempt.respond_by = Some(by);
            step.timers.insert(by, TimerKind::NoResponse(who));
        }
    }

    /// Cancels the response timer of a leg, and the timer of its removed binding.
    pub(in crate::switchboard) fn stop_awaiting(&mut self, step: &mut Step, who: LegRef) {
        let Some(leg) = self.leg_mut(who) else { return };
        let (by, ends_at) = (leg.attempt.respond_by.take(), leg.attempt.ends_at.take());
        if let Some(at) = by {
            step.timers.remove(at, TimerKind::NoResponse(who));
        }
        if let Some(at) = ends_at {
            step.timers.remove(at, TimerKind::BindingGone(who));
        }
    }

    /// Handles the first response of a leg's phone.
    pub(in crate::switchboard) fn leg_responds(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        no: LegNo,
    ) {
        let who = LegRef::Outgoing(id, no);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(leg) = call.legs.get_mut(&no) else { return };
        if !std::mem::replace(&mut leg.attempt.responded, true) {
            call.history.responded(leg.operator());
            self.stop_awaiting(step, who);
        }
        let phone = self.leg_mut(who).and_then(|leg| leg.attempt.phone.clone());
        if let Some(phone) = phone {
            self.phone_responds(net, step, &phone);
        }
    }

    /// Handles the expiry of the response timer.
    pub(in crate::switchboard) fn response_overdue(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let LegRef::Outgoing(id, no) = who else { return };
        let Some(leg) = self.leg_mut(who) else { return };
        leg.attempt.respond_by = None;
        let (phone, operator) = (leg.attempt.phone.clone(), leg.operator().cloned());
        if let Some(phone) = phone {
            self.phone_is_silent(net, step, &phone);
        }
        let (Some(operator), Some(call)) = (operator, self.calls.get(&id)) else { return };
        let (waits, is_overdue) = (call.is_waiting(), call.is_overdue_at(&operator));
        if is_overdue && waits {
            self.leave_invite_open(net, step, id, &operator);
        } else if is_overdue {
            self.cancel_attempt(net, step, id, no, OfferOutcome::Unreachable);
        }
    }

    /// Proceeds to the next operator if no ringing phone of this one has responded in time. Returns false, and changes
    /// nothing, if a phone may still respond, no phone rings or the call does not wait.
    pub(in crate::switchboard) fn leave_overdue(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: &OperatorId,
    ) -> bool {
        let is_overdue = self.calls.get(&id).is_some_and(|call| call.is_waiting() && call.is_overdue_at(operator));
        if is_overdue {
            self.leave_invite_open(net, step, id, operator);
        }
        is_overdue
    }

    /// True if a failed ring attempt counts against the operator: a phone has responded to it, and the operator was not
    /// rung only because the fallback rings all phones.
    pub(in crate::switchboard) fn blames(&self, id: CallId, operator: &OperatorId) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        call.history.has_responded(operator) && self.acd.answers_for(id, operator)
    }

    /// Called after one leg of a transfer, a placed call or a participant has ended without an answer. Cancels the
    /// operator's other phones, if none of those that ring has responded in time.
    pub(in crate::switchboard) fn cancel_overdue(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        operator: &OperatorId,
    ) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.is_waiting()) else { return };
        if call.is_overdue_at(operator) {
            self.cancel_other_phones(net, step, id, leg, operator, OfferOutcome::Unreachable);
        }
    }

    /// Handles a ring attempt without a response: its INVITEs stay open, and the call proceeds to the next operator.
    fn leave_invite_open(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, operator: &OperatorId) {
        let now = step.now;
        let blamed = self.blames(id, operator);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let heard = call.history.has_responded(operator);
        let (mut legs, mut open) = (BTreeSet::new(), BTreeSet::new());
        for (no, leg) in call.legs.iter_mut().filter(|(_, leg)| leg.operator() == Some(operator)) {
            if let OutgoingState::Ringing { ring_until, .. } = leg.state {
                leg.state = OutgoingState::NoResponse;
                step.timers.remove(ring_until, TimerKind::RingOver(LegRef::Outgoing(id, *no)));
            }
            if leg.has_open_invite() {
                legs.insert(*no);
                open.extend(leg.attempt.phone.clone());
            }
        }
        self.open_invites.insert(operator.clone(), (id, legs));
        let phones = net.phones.phones_to_ring(operator);
        let other = phones.iter().any(|one| {
            !open.contains(&one.phone)
                && net.phones.binding_of(&one.phone).is_some_and(|binding| !binding.reach.unreachable)
        });
        // If one phone was busy and the others did not respond, the attempt counts against the operator.
        if heard {
            self.acd.offer_failed(now, id, operator, !blamed);
        } else {
            self.acd.no_response(now, id, operator, !other);
        }
        match self.calls.get(&id).map(|call| &call.stage) {
            Some(Stage::Offered) => self.requeue_unless_ringing(net, step, id),
            Some(Stage::AllPhones { .. } | Stage::Number) => self.next_fallback(net, step, id),
            Some(
                Stage::Queued
                | Stage::Talking { .. }
                | Stage::Transfer { .. }
                | Stage::OwnPhones { .. }
                | Stage::Placed
                | Stage::Ended,
            )
            | None => {}
        }
    }

    /// Removes a leg from the index of unanswered legs: its INVITE has ended, or it rings again.
    pub(in crate::switchboard) fn remove_open_invite(&mut self, id: CallId, no: LegNo) {
        let leg = self.calls.get(&id).and_then(|call| call.legs.get(&no)).filter(|leg| leg.has_open_invite());
        let Some(operator) = leg.and_then(OutgoingLeg::operator).cloned() else { return };
        let Some((_, legs)) = self.open_invites.get_mut(&operator) else { return };
        legs.remove(&no);
        // The caller's port may have been kept for this leg.
        self.ports_to_take_back.push(id);
        if legs.is_empty() {
            self.open_invites.remove(&operator);
            self.acd.stops_trying(&operator);
        }
    }

    /// Cancels an operator's open INVITEs for other calls, so that no operator gets two calls.
    pub(in crate::switchboard) fn cancel_open_invites_elsewhere(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: &OperatorId,
    ) {
        let Some((other, legs)) = self.open_invites.get(operator).filter(|(other, _)| *other != id).cloned() else {
            return;
        };
        for no in legs {
            self.cancel_leg(net, step, other, no, OfferOutcome::Withdrawn);
        }
    }

    /// Reuses the open INVITE to a phone for a new ring attempt, and repeats it at once. Returns false if there is
    /// none.
    pub(in crate::switchboard) fn reuse_open_invite(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        phone: &BoundPhone,
        ring_until: Instant,
    ) -> bool {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return false };
        let to_it =
            |(_, leg): &(&LegNo, &OutgoingLeg)| leg.has_open_invite() && leg.attempt.phone.as_ref() == Some(phone);
        let Some((no, heard)) = call.legs.iter().find(to_it).map(|(no, leg)| (*no, leg.attempt.responded)) else {
            return false;
        };
        self.rings_again(step, id, no, ring_until);
        let who = LegRef::Outgoing(id, no);
        if !heard {
            self.await_response(step, who, (now.mono + RESPONSE_WITHIN).min(ring_until));
            let Some(leg) = self.leg_mut(who) else { return false };
            let clients = [leg.client, leg.attempt.second.client()];
            for client in clients.into_iter().flatten() {
                net.wire.resend(step, client);
            }
        }
        true
    }

    /// Cancels one INVITE without a response to free its port pair for a ready operator. Returns false if no such
    /// INVITE is open.
    pub(in crate::switchboard) fn open_invite_gives_port(&mut self, net: &mut NetworkParts, step: &mut Step) -> bool {
        if self.open_invites.is_empty() {
            return false;
        }
        let phones = |operator: &OperatorId| net.phones.families_of_phones(operator);
        let wanted = Family::ALL.map(|family| (family, self.acd.wants_pair(family, phones)));
        let helps = |family| wanted.contains(&(family, true));
        let open = self.open_invites.values().take(OPEN_INVITES_SEARCHED_MAX);
        let mut open = open.flat_map(|(id, legs)| legs.iter().map(|no| (*id, *no)));
        let Some((id, no)) = open.find(|(id, no)| self.families_kept_by(*id, *no).any(helps)) else { return false };
        self.cancel_leg(net, step, id, no, OfferOutcome::Withdrawn);
        true
    }

    /// The address families of the port pairs that an open INVITE keeps: its own, and that of a caller who has a port
    /// only for it.
    fn families_kept_by(&self, id: CallId, no: LegNo) -> impl Iterator<Item = Family> {
        let call = self.calls.get(&id);
        let caller = call.map(|call| &call.caller).filter(|caller| caller.port_is_uncertain());
        let caller = caller.filter(|_| call.is_some_and(|call| !call.rings())).map(|caller| &caller.session);
        let own = call.and_then(|call| call.legs.get(&no)).map(|leg| &leg.session);
        let sounds = own.into_iter().chain(caller).filter_map(Session::media);
        sounds.map(|sound| family(sound.local().address))
    }

    /// Cancels open INVITEs to phones that the operator no longer has.
    pub(in crate::switchboard) fn cancel_open_invites_of_old_phones(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: &OperatorId,
    ) {
        let Some((_, legs)) = self.open_invites.get(operator).filter(|(call, _)| *call == id).cloned() else { return };
        for no in legs {
            let phone = self.leg_mut(LegRef::Outgoing(id, no)).and_then(|leg| leg.attempt.phone.clone());
            if phone.is_some_and(|phone| net.phones.binding_of(&phone).is_none()) {
                self.cancel_leg(net, step, id, no, OfferOutcome::Withdrawn);
            }
        }
    }

    fn rings_again(&mut self, step: &mut Step, id: CallId, no: LegNo, ring_until: Instant) {
        let who = LegRef::Outgoing(id, no);
        self.remove_open_invite(id, no);
        let Some(leg) = self.leg_mut(who) else { return };
        leg.state = OutgoingState::Ringing { ring_until, rang: false };
        step.timers.insert(ring_until, TimerKind::RingOver(who));
    }

    /// Handles a response to an open INVITE. Returns true if the response must be processed: the leg rings again or is
    /// answered.
    pub(in crate::switchboard) fn late_response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        no: LegNo,
        message: &Message<'_>,
        status: u16,
    ) -> bool {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return false };
        let Some(offer) = call.legs.get(&no) else { return false };
        let Some(operator) = offer.operator().cloned() else { return false };
        let reserved = self.acd.rung_for(id).any(|rung| *rung == operator);
        match status {
            ..200 => {
                let falls_back = call.is_falling_back();
                if !reserved && !self.acd.ring_again(now, id, &operator) {
                    // During the fallback the phone keeps ringing, while its operator is free for other calls.
                    if !falls_back {
                        self.cancel_leg(net, step, id, no, OfferOutcome::Withdrawn);
                    }
                    return false;
                }
                let ring_until = now.mono + self.settings.calls.ring;
                let (_, legs) = self.open_invites.get(&operator).cloned().unwrap_or((id, BTreeSet::from([no])));
                for other in legs {
                    self.rings_again(step, id, other, ring_until);
                }
                if let Some(call) = self.calls.get_mut(&id).filter(|call| call.stage == Stage::Queued) {
                    call.stage = Stage::Offered;
                }
                true
            }
            200..300 => {
                let dialog = offer.session.dialog_of(offer.invite(), message).ok();
                let usable = dialog.is_some_and(|dialog| offer.session.agreed_by(&dialog, message).is_some());
                let entry = self.entry_of(id);
                if !usable || reserved || call.is_waiting() && self.acd.take_late(now, id, &operator, entry) {
                    return true;
                }
                self.decline_late_2xx(net, step, id, no, message);
                self.open_invite_over(net, step, id, no, OfferOutcome::Withdrawn, Some(status));
                false
            }
            _ => {
                self.open_invite_over(net, step, id, no, outcome_of(status), Some(status));
                false
            }
        }
    }

    /// Handles the end of the INVITE of an open leg.
    pub(in crate::switchboard) fn open_invite_over(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        let Some(to) = self.leg_mut(LegRef::Outgoing(id, leg)).map(|leg| leg.to.clone()) else { return };
        self.fact(net, step, id, FactKind::OfferEnded { leg, to, outcome, sip_status });
        self.drop_leg(net, step, id, leg);
    }

    /// Handles bindings that were removed in this step, for ring attempts without a response.
    pub(in crate::switchboard) fn watch_bindings(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        let accounts = net.phones.registrar.changed().filter_map(|user| OperatorId::parse(user).ok());
        let accounts: Vec<OperatorId> = accounts.collect();
        if accounts.is_empty() {
            return;
        }
        // A binding that has expired may have been the last one whose phone responds.
        accounts.iter().for_each(|account| self.report_phones_to_acd(net, now, account));
        let operators: BTreeSet<OperatorId> = accounts.iter().map(|account| net.phones.user_of(account)).collect();
        self.keep_one_reachable(net, now);
        for operator in operators {
            let reserved = self.acd.view(&operator).and_then(|view| view.call);
            let open = self.open_invites.get(&operator).map(|(id, _)| *id);
            for id in BTreeSet::from_iter(reserved.into_iter().chain(open)) {
                let Some(call) = self.calls.get(&id) else { continue };
                let waits = call.legs_to(&operator).filter(|(_, leg)| {
                    let rings = leg.is_ringing() || leg.has_open_invite();
                    rings && !leg.attempt.responded && leg.attempt.ends_at.is_none()
                });
                let is_gone = |leg: &OutgoingLeg| {
                    leg.attempt.phone.as_ref().is_some_and(|one| net.phones.binding_of(one).is_none())
                };
                let gone: Vec<LegNo> = waits.filter(|(_, leg)| is_gone(leg)).map(|(no, _)| no).collect();
                for who in gone.into_iter().map(|no| LegRef::Outgoing(id, no)) {
                    let at = now.mono + BINDING_GONE_AFTER;
                    if let Some(leg) = self.leg_mut(who) {
                        leg.attempt.ends_at = Some(at);
                        step.timers.insert(at, TimerKind::BindingGone(who));
                    }
                }
            }
        }
    }

    /// Ends a leg without a response whose binding was removed, unless the phone has registered again.
    pub(in crate::switchboard) fn binding_gone(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let LegRef::Outgoing(id, no) = who else { return };
        let Some(leg) = self.leg_mut(who) else { return };
        let (ends_at, rings) = (leg.attempt.ends_at.take(), leg.is_ringing());
        let (Some(at), Some(phone)) = (ends_at, leg.attempt.phone.clone()) else { return };
        let mut bindings = net.phones.registrar.bindings(phone.account.as_str()).iter();
        if bindings.any(|binding| binding.registered_at + BINDING_GONE_AFTER >= at) {
            return;
        }
        if rings {
            self.cancel_attempt(net, step, id, no, OfferOutcome::Unreachable);
        } else {
            self.cancel_leg(net, step, id, no, OfferOutcome::Unreachable);
        }
    }

    /// Checks that the index of unanswered legs matches the calls (`verify`).
    pub(in crate::switchboard) fn verify_open_invites(&self) -> Result<(), String> {
        for (operator, (id, legs)) in &self.open_invites {
            let is = |no: &LegNo| {
                let leg = self.calls.get(id).and_then(|call| call.legs.get(no));
                leg.is_some_and(|leg| leg.has_open_invite() && leg.operator() == Some(operator))
            };
            if legs.is_empty() || !legs.iter().all(is) {
                return Err(format!("{operator} has no open INVITE of call {id}"));
            }
        }
        let known: usize = self.open_invites.values().map(|(_, legs)| legs.len()).sum();
        let calls = || self.calls.iter();
        let open: usize = calls().map(|(_, call)| call.legs.values().filter(|leg| leg.has_open_invite()).count()).sum();
        if known != open {
            return Err(format!("{open} INVITEs are open without a response, {known} are known"));
        }
        let stray = |(_, call): &(&CallId, &Call)| !call.is_waiting() && call.first_open_invite().is_some();
        match calls().find(stray) {
            Some((id, _)) => Err(format!("call {id} waits no longer, and an INVITE for it is open")),
            None => Ok(()),
        }
    }
}
