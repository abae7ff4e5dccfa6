//! The sessions of legs, and what their events mean for their calls.

use crate::cdr::fact::{Callee, EndCause, FactKind, Side};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::wire::Method;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::session::held_bye::Hold;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Calls {
    /// The session of an existing leg.
    pub(in crate::switchboard) fn session_mut(&mut self, who: LegRef) -> Option<&mut Session> {
        match who {
            LegRef::Caller(call) => self.calls.get_mut(&call).map(|call| &mut call.caller.session),
            LegRef::Outgoing(call, leg) => self.calls.get_mut(&call)?.legs.get_mut(&leg).map(|leg| &mut leg.session),
            LegRef::Service(service_call) => self.service_calls.get_mut(&service_call).map(|phone| &mut phone.session),
        }
    }

    /// The session of an existing leg.
    pub(in crate::switchboard) fn session(&self, who: LegRef) -> Option<&Session> {
        match who {
            LegRef::Caller(call) => self.calls.get(&call).map(|call| &call.caller.session),
            LegRef::Outgoing(call, leg) => self.calls.get(&call)?.legs.get(&leg).map(|leg| &leg.session),
            LegRef::Service(service_call) => self.service_calls.get(&service_call).map(|phone| &phone.session),
        }
    }

    /// The sessions of all legs.
    pub(in crate::switchboard) fn sessions(&self) -> impl Iterator<Item = (LegRef, &Session)> {
        let calls = self.calls.iter().flat_map(|(id, call)| {
            let legs = call.legs.iter().map(|(leg, offer)| (LegRef::Outgoing(*id, *leg), &offer.session));
            legs.chain([(LegRef::Caller(*id), &call.caller.session)])
        });
        calls.chain(
            self.service_calls.iter().map(|(service_call, call)| (LegRef::Service(*service_call), &call.session)),
        )
    }

    /// The dialog of a leg to which a request belongs: its confirmed dialog, or one of its early ones.
    pub(in crate::switchboard) fn dialog_mut(&mut self, who: LegRef, key: &DialogKey) -> Option<&mut Dialog> {
        self.session_mut(who)?.dialog_mut(key)
    }

    /// True if the dialog is confirmed, or is the caller's.
    pub(in crate::switchboard) fn is_confirmed(&self, who: LegRef, key: &DialogKey) -> bool {
        self.session(who).is_some_and(|session| session.is_confirmed(key))
    }

    /// Passes an input to the session of a leg, and its events to the call.
    pub(in crate::switchboard) fn in_session<E: IntoIterator<Item = SessionEvent>>(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        input: impl FnOnce(&mut Session, &mut NetworkParts, &mut Step) -> E,
    ) {
        let Some(session) = self.session_mut(who) else { return };
        for event in input(session, net, step) {
            self.on_session_event(net, step, who, event);
        }
    }

    /// Does what an event of a session means for the call of its leg.
    fn on_session_event(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef, event: SessionEvent) {
        match (event, who) {
            (SessionEvent::Negotiated, LegRef::Caller(id) | LegRef::Outgoing(id, _)) => self.apply_holds(net, step, id),
            (SessionEvent::Expired { kept }, LegRef::Caller(id)) => {
                self.fact(net, step, id, FactKind::SessionExpired { leg: LegNo::CALLER, kept });
            }
            (SessionEvent::Expired { kept }, LegRef::Outgoing(id, leg)) => {
                self.fact(net, step, id, FactKind::SessionExpired { leg, kept });
            }
            (SessionEvent::Lost, LegRef::Caller(id)) => self.caller_given_up(net, step, id),
            (SessionEvent::Lost | SessionEvent::PeerGone, LegRef::Outgoing(id, leg)) => {
                self.leg_lost(net, step, id, leg)
            }
            (SessionEvent::Lost | SessionEvent::NeverAcked { .. }, LegRef::Service(service_call)) => {
                self.end_service_call(net, step, service_call, true);
            }
            (SessionEvent::PeerGone, LegRef::Caller(id)) => {
                self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerSilent));
            }
            (SessionEvent::SilentPeerPresent { status }, LegRef::Caller(id)) => {
                self.report_silence(net, step, (id, LegNo::CALLER), status);
            }
            (SessionEvent::SilentPeerPresent { status }, LegRef::Outgoing(id, leg)) => {
                self.report_silence(net, step, (id, leg), status);
            }
            (SessionEvent::PresenceKnown, LegRef::Caller(id) | LegRef::Outgoing(id, _)) => {
                self.end_if_all_gone(net, step, id);
            }
            (SessionEvent::Acknowledged, LegRef::Caller(id)) => self.remove_if_finished(net, step, id),
            (SessionEvent::NeverAcked { heard }, LegRef::Caller(id)) => self.never_acked(net, step, id, heard),
            (SessionEvent::AnswerDue, LegRef::Caller(id)) => self.answer_caller(net, step, id),
            (SessionEvent::ProvisionalDue { status }, LegRef::Caller(id)) => self.tell_caller(net, step, id, status),
            (SessionEvent::Digit { digit }, _) => self.digit_of(net, step, who, digit, false),
            (SessionEvent::HungUp { q850 }, _) => self.hung_up(net, step, who, q850),
            // A service call has no other party and no session timer, and gets no OPTIONS.
            (
                SessionEvent::Negotiated
                | SessionEvent::Expired { .. }
                | SessionEvent::PeerGone
                | SessionEvent::SilentPeerPresent { .. }
                | SessionEvent::PresenceKnown
                | SessionEvent::Acknowledged,
                LegRef::Service(_),
            ) => {}
            // A called party acknowledges only siaga's 200 to its own re-INVITE or INVITE with Replaces. This changes nothing in the call.
            (SessionEvent::Acknowledged | SessionEvent::NeverAcked { .. }, LegRef::Outgoing(..)) => {}
            // Only a caller has an INVITE of its own.
            (
                SessionEvent::AnswerDue | SessionEvent::ProvisionalDue { .. },
                LegRef::Outgoing(..) | LegRef::Service(_),
            ) => {}
        }
    }

    /// Handles a caller who has not acknowledged the 200. If the caller's media arrives, the call continues: a lost ACK
    /// must not end an emergency call.
    fn never_acked(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, heard: bool) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.is_over() {
            self.bye(net, step, LegRef::Caller(id));
            self.remove_if_finished(net, step, id);
        } else if !heard {
            self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerLost));
        }
    }

    /// Notifies the operator and the supervisors of a party that is present and sends no audio, although it should.
    fn report_silence(&mut self, net: &mut NetworkParts, step: &mut Step, (id, leg): (CallId, LegNo), status: u16) {
        self.fact(net, step, id, FactKind::SilentLegPresent { leg, sip_status: status });
        let text = self.silence_notice(id, leg);
        let operator = self.calls.get(&id).and_then(|call| call.main_party()).map(|(_, operator)| operator.clone());
        let supervisors = self.settings.operators.supervisors.iter();
        let others: Vec<OperatorId> = supervisors.filter(|name| Some(*name) != operator.as_ref()).cloned().collect();
        for to in operator.into_iter().chain(others) {
            step.notify_operator(to, text.clone());
        }
    }

    /// The notice `no audio from 0812…`; for an operator's leg, with the operator and the caller's number.
    fn silence_notice(&self, id: CallId, leg: LegNo) -> String {
        let call = self.calls.get(&id);
        let number = call.and_then(|call| call.shown.number.as_deref()).unwrap_or("anonymous");
        let party = match leg {
            LegNo::CALLER => number.to_owned(),
            _ => {
                let to = call.and_then(|call| call.legs.get(&leg)).map(|leg| match &leg.to {
                    Callee::Operator(operator) => operator.to_string(),
                    Callee::Number(number) => number.clone(),
                });
                let to = to.unwrap_or_default();
                format!("{to} ({number})")
            }
        };
        format!("{} {party}", self.settings.calls.silent.notice)
    }

    /// Handles a request in a dialog with a held BYE, and a BYE that must be held because it would end an emergency
    /// call although an earlier request may still arrive. Returns false if the request must be carried out now.
    pub(in crate::switchboard) fn is_held(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        method: Method,
        (who, key): (LegRef, &DialogKey),
    ) -> bool {
        let ends_call = matches!(who, LegRef::Outgoing(call, leg) if self.transferor(who).is_ok()
            && !self.has_participants(call)
            && !self.keeps_call_after_bye(step.now, call, leg));
        let Some(session) = self.session_mut(who) else { return false };
        match session.hold(net, step, (taken, method), (who, key), ends_call) {
            Hold::CarriedOut => false,
            Hold::Answered => true,
            Hold::Released(event) => {
                self.on_session_event(net, step, who, event);
                true
            }
        }
    }

    /// Carries out a held BYE after the missing REFER has been carried out.
    pub(in crate::switchboard) fn bye_follows(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        method: Method,
    ) {
        if method == Method::Refer {
            self.in_session(net, step, who, |session, _, step| session.release_bye(step, who));
        }
    }

    /// Handles a sign that the peer knows its dialog: a request has arrived in it. A silent peer that hangs up is not reported.
    pub(in crate::switchboard) fn is_back(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        method: Method,
    ) {
        let reports = method != Method::Bye;
        self.in_session(net, step, who, |session, net, step| {
            session.confirm_presence(net, step, who).filter(|_| reports)
        });
        if let LegRef::Caller(call) = who {
            self.caller_is_back(net, step, call);
        }
    }

    /// Sends the address of a leg's peer to media.
    pub(in crate::switchboard) fn send_peer_address(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        if let Some(session) = self.session(who) {
            session.send_peer_address(net, step, who);
        }
    }

    /// Sends the BYE of a leg's dialog.
    pub(in crate::switchboard) fn bye(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        if let Some(session) = self.session_mut(who) {
            session.bye(net, step, who);
        }
    }

    /// Accepts a REFER, and notifies the phone that the transfer is in progress.
    pub(in crate::switchboard) fn accept_refer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        who: LegRef,
        wants_notify: bool,
    ) {
        if let Some(session) = self.session_mut(who) {
            session.accept_refer(net, step, taken, who, wants_notify);
        }
    }

    /// Notifies the phone that has sent a REFER of the status of the transfer.
    pub(in crate::switchboard) fn notify_transferor(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        status: u16,
    ) {
        if let Some(session) = self.session_mut(who) {
            session.notify_referrer(net, step, who, status);
        }
    }
}
