//! The INVITE of a caller, from its arrival to its final response: provisional responses, the 200, and the rejection.

use crate::switchboard::admission::request_checks::SUPPORTED;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::state::incoming::{Description, IncomingInvite, InviteState};
use crate::switchboard::session::state::reliable::Reliable;
use crate::switchboard::step::Step;
use crate::switchboard::timers::{REPEAT_PROVISIONAL_EVERY, TimerKind};
use std::net::SocketAddr;

use bytes::Bytes;

use crate::sip::flow::Flow;
use crate::sip::message::Builder;
use crate::sip::wire::Name;

impl Session {
    /// True while the caller's INVITE has no final response.
    pub(in crate::switchboard) fn invite_is_pending(&self) -> bool {
        self.invite.as_ref().is_some_and(IncomingInvite::is_pending)
    }

    /// The address to which the pending response, or the 200 without an ACK, is sent if the connection `flow` is closed
    /// (RFC 3261 §18.2.2). None if no response is pending.
    pub(in crate::switchboard) fn way_back(&self, flow: Flow) -> Option<SocketAddr> {
        let invite = self.invite.as_ref().filter(|invite| invite.is_pending() || self.unacked.is_some())?;
        Some(invite.stencil.way_back(flow).remote)
    }

    /// Stores siaga's SDP for the caller. `offers`: it is an offer, because the INVITE had none.
    pub(in crate::switchboard) fn describe_invite(&mut self, sdp: Bytes, offers: bool) {
        if let Some(invite) = &mut self.invite {
            (invite.sdp, invite.delayed_offer) = (sdp, offers);
        }
    }

    /// Sends a provisional response, unless one with this status or a higher one was sent.
    pub(in crate::switchboard) fn send_provisional(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
        (identity, description): (Option<&str>, Description),
    ) {
        if self.invite.as_ref().is_some_and(|invite| invite.last_provisional < status) {
            self.provisional(net, step, leg, status, (identity, description));
        }
    }

    /// Repeats the last provisional response.
    pub(in crate::switchboard) fn repeat_last_provisional(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        shown: (Option<&str>, Description),
    ) {
        if let Some(status) = self.invite.as_ref().map(|invite| invite.last_provisional) {
            self.provisional(net, step, leg, status, shown);
        }
    }

    fn provisional(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
        (identity, description): (Option<&str>, Description),
    ) {
        let flow = self.route.flow;
        let Some(invite) = &mut self.invite else { return };
        invite.stop_repeating(step, leg);
        if invite.provisional_waits(status) {
            return;
        }
        let Some(server) = invite.server() else { return };
        let response = identified(invite.response(net, flow, status), identity);
        let bytes = invite.encode_provisional(step, leg, status, response, description);
        net.wire.respond(step, server, status, bytes);
        let again = step.now.mono + REPEAT_PROVISIONAL_EVERY;
        (invite.last_provisional, invite.repeat_at) = (status, Some(again));
        step.timers.insert(again, TimerKind::RepeatProvisional(leg));
    }

    /// Sends the 200 and retransmits it until the ACK arrives. Returns false if it must wait for a PRACK; the session
    /// then reports `AnswerDue`.
    pub(in crate::switchboard) fn answer_invite(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        identity: Option<&str>,
    ) -> bool {
        let flow = self.route.flow;
        let offered = self.media.as_ref().is_some_and(|media| media.is_offered());
        let Some(invite) = &mut self.invite else { return true };
        invite.stop_repeating(step, leg);
        if invite.answer_waits() {
            return false;
        }
        invite.stop_provisional(step, leg);
        let Some(server) = invite.server() else { return true };
        let (timer, headers) = (invite.timer, invite.timer.headers());
        let mut response = invite.response(net, flow, 200).header(Name::Supported, SUPPORTED);
        for (name, value) in headers.as_headers() {
            response = response.header(name, value);
        }
        response = identified(response, identity);
        // The 2xx has SDP if no reliable response has had it, or if an offer of siaga has no answer yet (RFC 3262 §5,
        // RFC 6337 §2.2).
        if offered || !invite.reliable.as_ref().is_some_and(Reliable::is_described) {
            response = response.body("application/sdp", &invite.sdp);
        }
        let (bytes, cseq) = (response.encode(), invite.cseq);
        invite.finish(net, step, (server, InviteState::Answered), 200, bytes.clone());
        self.await_ack(step, leg, (server, cseq), bytes);
        self.begin_timer(step, leg, timer);
        // Silence is counted from the answer: many trunks send no media before it.
        self.send_peer_address(net, step, leg);
        true
    }

    /// Stops provisional responses, and offers of audio, because the caller's leg ends.
    pub(super) fn stop_responses(&mut self, step: &mut Step, leg: LegRef) {
        self.drop_audio(step, leg);
        if let Some(invite) = &mut self.invite {
            invite.stop_repeating(step, leg);
            invite.stop_provisional(step, leg);
        }
    }

    /// Rejects the INVITE, if it has no final response yet. Returns false if it has one.
    pub(super) fn reject_invite(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (status, warning): (u16, Option<&'static [u8]>),
    ) -> bool {
        let Some((invite, server)) = self.invite.as_mut().and_then(|invite| invite.server().map(|id| (invite, id)))
        else {
            return false;
        };
        let response = invite.stencil.response(status, Some(invite.tag.as_str()));
        let bytes = match (status, warning) {
            (503, _) => response.header(Name::RetryAfter, b"5").encode(),
            (_, Some(warning)) => response.header(Name::Warning, warning).encode(),
            (_, None) => response.encode(),
        };
        invite.finish(net, step, (server, InviteState::Rejected), status, bytes);
        true
    }
}

/// A response with the identity of the called party, if it is shown.
fn identified(response: Builder, identity: Option<&str>) -> Builder {
    match identity {
        Some(identity) => response.header(Name::PAssertedIdentity, identity.as_bytes()),
        None => response,
    }
}
