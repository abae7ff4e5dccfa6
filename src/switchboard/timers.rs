//! The switchboard's own deadlines, and what is done when one is due.

use std::time::Duration;

use crate::cdr::fact::{Callee, OfferOutcome};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::sip::transaction::Event;

use super::leg::{OfferState, Who};
use super::subscription::WatchId;
use super::texts::TextId;
use super::trunk::NextWay;
use super::{Purpose, Switchboard};

/// Round-trip estimate, and longest interval of repeats (RFC 3261 §17.1.1.1, §17.1.2.1).
pub(super) const T1: Duration = Duration::from_millis(500);
pub(super) const T2: Duration = Duration::from_secs(4);
/// A caller who waits is told so once a minute, or proxies on his way end the call (RFC 3261 §13.3.1.1).
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What a deadline is about. Its owner keeps the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A 2xx is to be repeated, or given up.
    Unacked(Who),
    /// A reliable provisional response is to be repeated, or given up.
    Unpracked(CallId),
    /// A session is to be refreshed, or has not been.
    Session(Who),
    /// A silent outgoing leg has not responded in time.
    Inquiry(Who),
    /// A BYE has waited long enough for earlier requests of its dialog.
    HeldBye(Who),
    /// The phone of a ring attempt has not responded at its Contact: its other address is tried.
    SecondWay(Who),
    /// The phone of a ring attempt has not responded in time. Before `RingOver`, which may be due at the same time.
    Unheard(Who),
    /// The binding of a ring attempt without a response has gone.
    BindingGone(Who),
    /// An offer has rung long enough.
    RingOver(Who),
    /// The fallback has rung all phones long enough.
    PhonesOver(CallId),
    /// The time for a sign of life of a disconnected caller is over.
    Disconnected(CallId),
    /// A call has reached the longest time.
    TooLong(CallId),
    /// An operator's own INVITE expires.
    InviteExpires(CallId),
    /// A caller who waits is told so again.
    TellAgain(CallId),
    /// A caller whose description had no audio is offered audio again.
    OfferAudio(CallId),
    /// A caller who waits is told his place.
    TellPlace(CallId),
    /// A number outside is tried for a call that waits.
    Outside(CallId),
    /// A service call has reached its end.
    PhoneOver(u64),
    PingTrunk(usize),
    /// A registration with a telco is due.
    RegisterTrunk(usize),
    /// Telcos have had time to hear that we leave.
    GoodbyesOver,
    PingPhone(OperatorId),
    /// The posture is over, or told of again.
    Posture,
    /// The sender of a text in a call must get a response.
    Text(TextId),
    /// A text goes to the second addresses of phones that have not responded.
    TextAgain(TextId),
    /// A subscription may tell again, or expires.
    Watch(WatchId),
}

impl Switchboard {
    /// Runs all that is due.
    pub(super) fn expire(&mut self, now: Now) {
        let mut events = std::mem::take(&mut self.events);
        self.transactions.expire(now.mono, &mut self.transmits, &mut events);
        for event in events.drain(..) {
            self.transaction_event(now, event);
        }
        self.events = events;
        for user in self.registrar.expire(now.mono) {
            self.unregistered(now, &user);
        }
        self.guard.expire(now.mono);
        self.end_guessing_alarms(now);
        self.acd.expire(now);
        while let Some((_, alarm)) = self.alarms.pop_due(now.mono) {
            self.ring_alarm(now, alarm);
        }
    }

    fn ring_alarm(&mut self, now: Now, alarm: Alarm) {
        match alarm {
            Alarm::Unacked(who) => self.repeat_or_give_up(now, who),
            Alarm::Unpracked(call) => self.repeat_provisional(now, call),
            Alarm::Session(who) => self.session_due(now, who),
            Alarm::Inquiry(who) => self.inquiry_answered(now, who, 408),
            Alarm::HeldBye(who) => self.release_bye(now, who),
            Alarm::SecondWay(who) => self.ring_second_way(now, who),
            Alarm::Unheard(who) => self.response_overdue(now, who),
            Alarm::BindingGone(who) => self.binding_gone(now, who),
            Alarm::RingOver(who) => self.ring_over(now, who),
            Alarm::PhonesOver(call) => self.all_phones_over(now, call),
            Alarm::Disconnected(call) => self.disconnected_due(now, call),
            Alarm::TooLong(call) => self.lasts_long(now, call),
            Alarm::InviteExpires(call) => self.invite_expired(now, call),
            Alarm::TellAgain(call) => self.tell_again(now, call),
            Alarm::OfferAudio(call) => self.offer_audio_again(now, call),
            Alarm::TellPlace(call) => self.tell_place(now, call),
            Alarm::Outside(call) => self.try_outside(now, call),
            Alarm::PhoneOver(phone) => self.end_phone(now, phone, true),
            Alarm::PingTrunk(index) => self.ping_trunk(now, index),
            Alarm::RegisterTrunk(index) => self.register_at_trunk(now, index),
            Alarm::GoodbyesOver => self.goodbyes_over(),
            Alarm::PingPhone(operator) => self.ping_phone(now, operator),
            Alarm::Posture => self.posture_due(now),
            Alarm::Text(id) => self.text_due(now, id),
            Alarm::TextAgain(id) => self.text_again(now, id),
            Alarm::Watch(id) => self.watch_due(now, id),
        }
    }

    fn repeat_or_give_up(&mut self, now: Now, who: Who) {
        let Some(mut unacked) = self.line_mut(who).and_then(|line| line.unacked.take()) else { return };
        if now.mono >= unacked.give_up_at {
            return self.never_acked(now, who);
        }
        self.transactions.respond(now.mono, unacked.server, 200, unacked.bytes.clone(), &mut self.transmits);
        unacked.interval = (unacked.interval * 2).min(T2);
        unacked.repeat_at = now.mono + unacked.interval;
        self.alarms.insert(unacked.due(), Alarm::Unacked(who));
        if let Some(line) = self.line_mut(who) {
            line.unacked = Some(unacked);
        }
    }

    fn ring_over(&mut self, now: Now, who: Who) {
        let Who::Offer(call, leg) = who else { return };
        if let Some(live) = self.calls.get_mut(&call)
            && let Some(offer) = live.legs.get(&leg)
        {
            // A trunk over which nothing rings makes way for the next.
            let silent = matches!(offer.state, OfferState::Ringing { rang: false, .. });
            live.next_way = (silent && matches!(offer.to, Callee::Number(_))).then_some(NextWay::Trunk);
        }
        self.cancel_offer(now, call, leg, OfferOutcome::NoAnswer);
    }

    /// What a transaction tells when time or the transport ends it.
    pub(super) fn transaction_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Timeout(client) => self.client_failed(now, client, 408),
            Event::TransportFailed(client) => self.client_failed(now, client, 503),
            // A lost ACK to a refusal changes nothing: the refusal stands (RFC 3261 §17.2.1).
            Event::AckTimeout(_) => {}
        }
    }

    fn client_failed(&mut self, now: Now, client: crate::sip::transaction::ClientId, status: u16) {
        let Some(purpose) = self.clients.remove(&client) else { return };
        self.asked.remove(&client);
        match purpose {
            Purpose::Offer(who @ Who::Offer(call, leg)) => {
                if self.way_fails(now, who, client) {
                    self.offer_unanswered(now, call, leg, status);
                }
            }
            Purpose::Offer(Who::Caller(_) | Who::Phone(_))
            | Purpose::Prack(..)
            | Purpose::Farewell
            | Purpose::Leaving { .. } => {}
            Purpose::Referral(who) => self.referral_heard(now, who, client, status),
            Purpose::Refresh(who) => self.refresh_unanswered(who, client),
            Purpose::TrunkPing(index, target) => self.trunk_silent(now, index, target),
            Purpose::TrunkRegister(index, target) => self.registrar_silent(now, index, target),
            Purpose::PhonePing(phone, way) => self.way_is_silent(now, &phone, way),
            Purpose::Notify(watch) => self.notify_failed(watch),
            Purpose::Text(text) => self.text_answered(now, text, client, None),
            Purpose::Digit(who) => self.digit_told(now, who, client, false),
            Purpose::Inquiry(who) => self.inquiry_answered(now, who, 408),
        }
    }

    /// Takes back the deadline of an outgoing leg's state.
    pub(super) fn drop_offer_alarm(&mut self, who: Who, state: OfferState) {
        match state {
            OfferState::Ringing { ring_until, .. } => {
                self.alarms.remove(ring_until, Alarm::RingOver(who));
            }
            OfferState::Unheard | OfferState::Talking | OfferState::Cancelling => {}
        }
    }
}
