//! Handles the deadlines that are due.

use crate::sip::transaction::Event;
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::session::inputs::SessionDeadline;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;

impl Parts {
    /// Handles all deadlines that are due.
    pub(in crate::switchboard) fn expire(&mut self) {
        let now = self.step.now;
        let mut events = std::mem::take(&mut self.net.wire.events);
        self.net.wire.transactions.expire(now.mono, &mut self.step.out.transmits, &mut events);
        for event in events.drain(..) {
            self.transaction_event(event);
        }
        self.net.wire.events = events;
        for user in self.net.phones.registrar.expire(now.mono) {
            self.unregistered(&user);
        }
        self.net.admission.guard.expire(now.mono);
        self.net.admission.end_guessing_alarms(&mut self.step);
        self.calls.acd.expire(now);
        while let Some((_, timer)) = self.step.timers.pop_due(now.mono) {
            self.handle_timer(timer);
        }
    }

    fn handle_timer(&mut self, timer: TimerKind) {
        match timer {
            TimerKind::Unacked(who) => self.session_due(who, SessionDeadline::Unacked),
            TimerKind::Unpracked(who) => self.session_due(who, SessionDeadline::Unpracked),
            TimerKind::Session(who) => self.session_due(who, SessionDeadline::Timer),
            TimerKind::Inquiry(who) => self.session_due(who, SessionDeadline::Inquiry),
            TimerKind::HeldBye(who) => self.session_due(who, SessionDeadline::HeldBye),
            TimerKind::OfferAudio(who) => self.session_due(who, SessionDeadline::OfferAudio),
            TimerKind::SecondInvite(who) => self.calls.send_second_invite(&mut self.net, &mut self.step, who),
            TimerKind::NoResponse(who) => self.calls.response_overdue(&mut self.net, &mut self.step, who),
            TimerKind::BindingGone(who) => self.calls.binding_gone(&mut self.net, &mut self.step, who),
            TimerKind::RingOver(who) => self.calls.ring_over(&mut self.net, &mut self.step, who),
            TimerKind::AllPhonesOver(call) => self.calls.all_phones_over(&mut self.net, &mut self.step, call),
            TimerKind::Disconnected(call) => self.calls.disconnected_due(&mut self.net, &mut self.step, call),
            TimerKind::TooLong(call) => self.calls.lasts_long(&mut self.net, &mut self.step, call),
            TimerKind::InviteExpires(call) => self.calls.invite_expired(&mut self.net, &mut self.step, call),
            TimerKind::RepeatProvisional(LegRef::Caller(call)) => {
                self.calls.resend_provisional(&mut self.net, &mut self.step, call)
            }
            // Only callers get provisional responses.
            TimerKind::RepeatProvisional(LegRef::Outgoing(..) | LegRef::Service(_)) => {}
            TimerKind::AnnouncePosition(call) => self.calls.announce_position(&mut self.step, call),
            TimerKind::Outside(call) => self.calls.try_outside(&mut self.net, &mut self.step, call),
            TimerKind::ServiceCallOver(service_call) => {
                self.calls.end_service_call(&mut self.net, &mut self.step, service_call, true)
            }
            TimerKind::PingTrunk(index) => self.net.trunks.ping_trunk(&mut self.net.wire, &mut self.step, index),
            TimerKind::RegisterTrunk(index) => {
                self.net.trunks.register_at_trunk(&mut self.net.wire, &mut self.step, index)
            }
            TimerKind::DeregistrationsOver => self.net.wire.goodbyes_over(),
            TimerKind::PingPhone(operator) => self.net.phones.ping_phone(&mut self.net.wire, &mut self.step, operator),
            TimerKind::Mode => self.mode.mode_due(&mut self.calls, &mut self.net, &mut self.step),
            TimerKind::Text(id) => self.messages.text_due(&mut self.calls, &mut self.net, &mut self.step, id),
            TimerKind::TextAgain(id) => self.messages.text_again(&mut self.net, &mut self.step, id),
            TimerKind::Watch(id) => self.subscriptions.watch_due(&mut self.calls, &mut self.net, &mut self.step, id),
        }
    }

    fn session_due(&mut self, who: LegRef, deadline: SessionDeadline) {
        let Self { net, step, calls, .. } = self;
        calls.in_session(net, step, who, |session, net, step| session.due(net, step, who, deadline));
    }

    /// Handles the end of a transaction by a timeout or a transport failure.
    pub(in crate::switchboard) fn transaction_event(&mut self, event: Event) {
        match event {
            Event::Timeout(client) => self.client_failed(client, 408),
            Event::TransportFailed(client) => self.client_failed(client, 503),
            // A lost ACK to a rejection changes nothing: the rejection stays valid (RFC 3261 §17.2.1).
            Event::AckTimeout(_) => {}
        }
    }

    fn client_failed(&mut self, client: crate::sip::transaction::ClientId, status: u16) {
        let Some(purpose) = self.net.wire.take_purpose(&client) else { return };
        self.net.wire.take_retry(&client);
        match purpose {
            Purpose::Invite(who @ LegRef::Outgoing(call, leg)) => {
                if self.calls.invite_fails(&mut self.net, &mut self.step, who, client) {
                    self.calls.invite_unanswered(&mut self.net, &mut self.step, call, leg, status);
                }
            }
            Purpose::Invite(LegRef::Caller(_) | LegRef::Service(_))
            | Purpose::Prack(..)
            | Purpose::Bye
            | Purpose::Deregister { .. } => {}
            Purpose::ReferNotify(who) | Purpose::Refresh(who) | Purpose::Digit(who) | Purpose::Inquiry(who) => {
                let (Self { net, step, calls, .. }, request) = (self, (&purpose, client));
                calls.in_session(net, step, who, |session, net, step| {
                    session.request_failed(net, step, request, who, status)
                });
            }
            Purpose::TrunkPing(index, target) => {
                // A trunk that has never responded to OPTIONS does not support them.
                if self.net.trunks.is_up(index) && self.net.trunks.uses(index, target) {
                    self.calls.suspect_trunk(&self.net, &mut self.step, index);
                }
                self.net.trunks.trunk_silent(&mut self.step, index, target)
            }
            Purpose::TrunkRegister(index, target) => self.net.trunks.registrar_silent(&mut self.step, index, target),
            Purpose::PhonePing(phone, way) => self.calls.address_is_silent(&mut self.net, &mut self.step, &phone, way),
            Purpose::Notify(watch) => self.subscriptions.notify_failed(&mut self.net, &mut self.step, watch),
            Purpose::Message(text) => self.text_answered(text, client, None),
        }
    }
}
