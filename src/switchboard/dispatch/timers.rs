//! Handles the deadlines that are due.

use crate::sip::transaction::Event;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::session::inputs::SessionDeadline;
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
        while let Some((_, alarm)) = self.step.alarms.pop_due(now.mono) {
            self.ring_alarm(alarm);
        }
    }

    fn ring_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Unacked(who) => self.session_due(who, SessionDeadline::Unacked),
            Alarm::Unpracked(who) => self.session_due(who, SessionDeadline::Unpracked),
            Alarm::Session(who) => self.session_due(who, SessionDeadline::Timer),
            Alarm::Inquiry(who) => self.session_due(who, SessionDeadline::Inquiry),
            Alarm::HeldBye(who) => self.session_due(who, SessionDeadline::HeldBye),
            Alarm::OfferAudio(who) => self.session_due(who, SessionDeadline::OfferAudio),
            Alarm::SecondWay(who) => self.calls.ring_second_way(&mut self.net, &mut self.step, who),
            Alarm::Unheard(who) => self.calls.response_overdue(&mut self.net, &mut self.step, who),
            Alarm::BindingGone(who) => self.calls.binding_gone(&mut self.net, &mut self.step, who),
            Alarm::RingOver(who) => self.calls.ring_over(&mut self.net, &mut self.step, who),
            Alarm::PhonesOver(call) => self.calls.all_phones_over(&mut self.net, &mut self.step, call),
            Alarm::Disconnected(call) => self.calls.disconnected_due(&mut self.net, &mut self.step, call),
            Alarm::TooLong(call) => self.calls.lasts_long(&mut self.net, &mut self.step, call),
            Alarm::InviteExpires(call) => self.calls.invite_expired(&mut self.net, &mut self.step, call),
            Alarm::TellAgain(LegRef::Caller(call)) => {
                self.calls.resend_provisional(&mut self.net, &mut self.step, call)
            }
            // Only callers get provisional responses.
            Alarm::TellAgain(LegRef::Outgoing(..) | LegRef::Service(_)) => {}
            Alarm::AnnouncePosition(call) => self.calls.announce_position(&mut self.step, call),
            Alarm::Outside(call) => self.calls.try_outside(&mut self.net, &mut self.step, call),
            Alarm::PhoneOver(phone) => self.calls.end_phone(&mut self.net, &mut self.step, phone, true),
            Alarm::PingTrunk(index) => {
                self.net.trunks.ping_trunk(&mut self.net.wire, &mut self.net.phones, &mut self.step, index)
            }
            Alarm::RegisterTrunk(index) => self.net.trunks.register_at_trunk(&mut self.net.wire, &mut self.step, index),
            Alarm::DeregistrationsOver => self.net.wire.goodbyes_over(),
            Alarm::PingPhone(operator) => self.net.phones.ping_phone(&mut self.net.wire, &mut self.step, operator),
            Alarm::Posture => self.mode.posture_due(&mut self.calls, &mut self.net, &mut self.step),
            Alarm::Text(id) => self.messages.text_due(&mut self.calls, &mut self.net, &mut self.step, id),
            Alarm::TextAgain(id) => self.messages.text_again(&mut self.net, &mut self.step, id),
            Alarm::Watch(id) => self.subscriptions.watch_due(&mut self.calls, &mut self.net, &mut self.step, id),
        }
    }
}

impl Parts {
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
                if self.calls.way_fails(&mut self.net, &mut self.step, who, client) {
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
                if self.net.trunks.is_up(index) {
                    self.calls.suspect_trunk(&self.net, &mut self.step, index);
                }
                self.net.trunks.trunk_silent(&mut self.net.phones, &mut self.step, index, target)
            }
            Purpose::TrunkRegister(index, target) => self.net.trunks.registrar_silent(&mut self.step, index, target),
            Purpose::PhonePing(phone, way) => self.calls.way_is_silent(&mut self.net, &mut self.step, &phone, way),
            Purpose::Notify(watch) => self.subscriptions.notify_failed(&mut self.net, &mut self.step, watch),
            Purpose::Message(text) => self.text_answered(text, client, None),
        }
    }
}
