//! Sends OPTIONS to a silent peer, to find out whether it is still present before its call or leg ends. If the configuration says that
//! silence ends no call, only the parties of an unusually long call get OPTIONS.

use crate::switchboard::admission::request_checks::ALLOW;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::session::state::presence::{Found, Inquiry, Patience};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;
use std::time::Duration;

use crate::clock::Instant;
use crate::sip::wire::{Method, Name};

/// Time for an outgoing leg to respond (four transmissions over UDP), limited because the caller hears nothing during
/// this time. A caller has all of timer F.
const LEG_RESPONDS_IN: Duration = Duration::from_secs(8);

/// If silence ends no call, a party of an unusually long call gets OPTIONS after this much silence.
const LONG_CALL_SILENCE: Duration = Duration::from_secs(30);

impl Session {
    /// True if the peer's media arrives, or if the peer was silent and has responded to OPTIONS.
    pub(in crate::switchboard) fn is_live(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.is_heard() || self.presence.found == Found::Present)
    }

    /// True if the leg has no dialog, or if its peer was silent and has not responded to OPTIONS.
    pub(in crate::switchboard) fn is_gone(&self) -> bool {
        self.dialog.is_none() || self.presence.found == Found::Gone
    }

    /// Handles the silence of the peer, which media reports with the limit that was set then. A peer that may have lost its dialog is lost,
    /// even if it need not send media.
    pub(in crate::switchboard) fn fell_silent(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        limit: Option<Duration>,
    ) -> Option<SessionEvent> {
        if self.is_outdated(limit) {
            // Media has reported this silence: it measures the silence anew.
            self.send_peer_address(net, step, leg);
            return None;
        }
        if let Some(media) = &mut self.media {
            media.set_silent(true);
        }
        if self.is_doubted() {
            return Some(SessionEvent::Lost);
        }
        match (self.probe_suspect(net, step, leg), net.wire.settings.session.silence_ends_call) {
            (true, _) => None,
            (false, true) => self.ask_silent_peer(net, step, leg),
            (false, false) => {
                self.ask_in_long_call(net, step, leg);
                None
            }
        }
    }

    /// True if media has measured the silence with a shorter limit than is set now.
    fn is_outdated(&self, limit: Option<Duration>) -> bool {
        limit.is_some_and(|limit| self.silence_limit().is_none_or(|now| limit < now))
    }

    /// Handles the silence of a peer. An outgoing leg that should send and never did is lost at once; any other peer gets OPTIONS first,
    /// also on hold, because it may have disappeared. Before the answer silence is ignored.
    fn ask_silent_peer(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) -> Option<SessionEvent> {
        let media = self.media.as_ref().filter(|_| self.presence.inquiry.is_none())?;
        let (heard, owed) = (media.was_heard(), media.peer_sends());
        match leg {
            LegRef::Caller(_) if !self.is_answered() => {}
            LegRef::Caller(_) => self.inquire(net, step, leg, None),
            LegRef::Outgoing(..) if !heard && owed => return Some(SessionEvent::Lost),
            LegRef::Outgoing(..) => self.inquire(net, step, leg, Some(step.now.mono + LEG_RESPONDS_IN)),
            LegRef::Service(_) if owed => return Some(SessionEvent::Lost),
            LegRef::Service(_) => {}
        }
        None
    }

    /// Makes media report when a party of an unusually long call is silent, if silence ends no call.
    pub(in crate::switchboard) fn await_silence(&mut self, step: &mut Step) {
        if self.dialog.is_none() {
            return;
        }
        self.presence.found = Found::Awaited;
        self.limit_unless_doubted(step);
    }

    /// The limit of silence in an unusually long call, until the result of the OPTIONS is known.
    pub(super) fn long_call_limit(&self) -> Option<Duration> {
        (self.presence.found == Found::Awaited).then_some(LONG_CALL_SILENCE)
    }

    /// Sets the limit of silence, unless the peer may have lost its dialog: its limit stays.
    pub(super) fn limit_unless_doubted(&self, step: &mut Step) {
        if !self.is_doubted() {
            self.limit_silence(step);
        }
    }

    /// Handles a silent peer if silence ends no call: sends OPTIONS if the call lasts unusually long.
    fn ask_in_long_call(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        let answered = match leg {
            LegRef::Caller(_) => self.is_answered(),
            LegRef::Outgoing(..) => true,
            LegRef::Service(_) => false,
        };
        if answered && self.presence.found == Found::Awaited && self.presence.inquiry.is_none() {
            self.inquire(net, step, leg, None);
        }
    }

    /// Sends OPTIONS in the dialog.
    pub(super) fn inquire(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef, until: Option<Instant>) {
        let flow = self.next_flow();
        let branch = format!("z9hG4bK{}", step.rng.token());
        let Some(dialog) = self.dialog.as_mut() else { return };
        let (builder, _) = dialog.request(Method::Options);
        let contact = net.wire.settings.site.contact(flow);
        let request = builder.header(Name::Contact, contact.as_bytes()).header(Name::Allow, ALLOW);
        let bytes = request.via(flow.transport, net.wire.settings.site.advertised(flow), &branch).encode();
        let sent = net.wire.request(step, flow, Method::Options, &branch, bytes);
        // If no transaction is free, OPTIONS is sent when media reports the silence again.
        let Some(client) = sent else { return self.send_peer_address(net, step, leg) };
        net.wire.expect(client, Purpose::Inquiry(leg));
        if let Some(until) = until {
            step.timers.insert(until, TimerKind::Inquiry(leg));
        }
        self.presence.inquiry = Some(Inquiry { client, until });
    }

    /// Stops waiting for the response to an OPTIONS.
    pub(super) fn stop_inquiry(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        let Some(inquiry) = self.presence.inquiry.take() else { return };
        if let Some(until) = inquiry.until {
            step.timers.remove(until, TimerKind::Inquiry(leg));
        }
        if net.wire.take_purpose(&inquiry.client).is_some() {
            net.wire.drop_transaction(inquiry.client);
        }
    }

    /// Handles the final response to the OPTIONS; 408 if none arrived. Any status other than 408 and 481 shows that the
    /// peer still has the dialog (RFC 3261 §12.2.1.2). A peer whose audio arrives again without a response gets OPTIONS
    /// again at its next silence.
    pub(super) fn inquiry_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) -> Option<SessionEvent> {
        self.stop_inquiry(net, step, leg);
        self.reset_unsent(step);
        if let Some(event) = self.suspect_answered(net, step, leg, status) {
            return event;
        }
        if !self.media.as_ref().is_some_and(|media| media.is_silent()) {
            return self.responded(net, step, leg, status);
        }
        match (net.wire.settings.session.silence_ends_call, status) {
            (true, 408 | 481) => Some(SessionEvent::PeerGone),
            (true, _) => self.stays_silent(net, step, leg, status),
            (false, 408 | 481) => self.found_in_long_call(step, Found::Gone),
            (false, _) => self.found_in_long_call(step, Found::Present),
        }
    }

    /// Handles the end of an OPTIONS without a response: `status` is 503 if it could not be sent.
    pub(super) fn inquiry_failed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) -> Option<SessionEvent> {
        if status == 503 && self.may_inquire_again(leg) {
            self.stop_inquiry(net, step, leg);
            // Media reports the silence again after 2 s, and the next OPTIONS follows.
            self.limit_unless_doubted(step);
            self.send_peer_address(net, step, leg);
            return None;
        }
        self.inquiry_answered(net, step, leg, 408)
    }

    /// Counts an OPTIONS that could not be sent. Returns true if another one may follow: a closed connection or an ICMP error does not show
    /// that the peer is lost.
    fn may_inquire_again(&mut self, leg: LegRef) -> bool {
        let patience = self.presence.suspected.unwrap_or(match leg {
            LegRef::Caller(_) => Patience::TimerF,
            LegRef::Outgoing(..) | LegRef::Service(_) => Patience::Short,
        });
        self.presence.unsent += 1;
        self.presence.unsent < patience.attempts()
    }

    /// Begins to count OPTIONS that cannot be sent anew.
    fn reset_unsent(&mut self, step: &mut Step) {
        if std::mem::take(&mut self.presence.unsent) > 0 {
            self.limit_unless_doubted(step);
        }
    }

    /// Stores that RTP of the peer arrives.
    pub(in crate::switchboard) fn rtp_arrives(&mut self, step: &mut Step) {
        if let Some(media) = &mut self.media {
            media.set_heard();
        }
        // A peer that was found gone, and sends again, is asked again when it falls silent.
        if self.presence.found == Found::Gone {
            self.presence.found = Found::Awaited;
            self.limit_unless_doubted(step);
        }
        self.reset_unsent(step);
    }

    /// Stores the result of the OPTIONS in an unusually long call.
    pub(super) fn found_in_long_call(&mut self, step: &mut Step, found: Found) -> Option<SessionEvent> {
        if self.presence.found != Found::Awaited {
            return None;
        }
        self.presence.found = found;
        self.limit_unless_doubted(step);
        Some(SessionEvent::PresenceKnown)
    }

    /// Handles a peer that is present and sends no audio: media measures its silence again.
    pub(super) fn stays_silent(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) -> Option<SessionEvent> {
        self.trust(step);
        self.send_peer_address(net, step, leg);
        self.presence.found = Found::Present;
        let owed = self.media.as_ref().is_some_and(|media| media.peer_sends());
        owed.then_some(SessionEvent::SilentPeerPresent { status })
    }
}

impl Patience {
    /// Number of OPTIONS that may fail to be sent until the peer is lost.
    const fn attempts(self) -> u8 {
        match self {
            Self::Short => 3,
            Self::TimerF => 16,
        }
    }
}
