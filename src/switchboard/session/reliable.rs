//! Reliable provisional responses of siaga to a caller (RFC 3262 §3).

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::state::incoming::{Description, IncomingInvite};
use crate::switchboard::session::state::reliable::Unpracked;
use crate::switchboard::session::state::repeats::Repeats;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use std::time::Duration;

use bytes::Bytes;

use crate::sip::location::session_description;
use crate::sip::message::Builder;
use crate::sip::option_tag;
use crate::sip::reliable::RAck;
use crate::sip::wire::{Method, Name};

/// What must be sent after a PRACK, or if none arrives: the 2xx, or else a provisional response.
fn after_prack(answer_due: bool, waiting: Option<u16>) -> Option<SessionEvent> {
    match (answer_due, waiting) {
        (true, _) => Some(SessionEvent::AnswerDue),
        (false, Some(status)) => Some(SessionEvent::ProvisionalDue { status }),
        (false, None) => None,
    }
}

impl IncomingInvite {
    /// Returns true if the provisional response must wait for a PRACK; it is then sent after the PRACK.
    pub(super) fn provisional_waits(&mut self, status: u16) -> bool {
        let Some(reliable) = self.reliable.as_mut().filter(|reliable| reliable.unpracked.is_some()) else {
            return false;
        };
        reliable.waiting = Some(reliable.waiting.map_or(status, |waiting| waiting.max(status)));
        true
    }

    /// Returns true if the 2xx must wait for a PRACK; it is then sent after the PRACK.
    pub(super) fn answer_waits(&mut self) -> bool {
        let Some(reliable) = self.reliable.as_mut() else { return false };
        reliable.answer_due = reliable.unpracked.as_ref().is_some_and(|unpracked| unpracked.described);
        reliable.answer_due
    }

    /// True if the next provisional response with this status contains siaga's SDP. In an unreliable response the SDP
    /// must be an answer; the first reliable response may contain siaga's offer (RFC 3261 §13.2.1, RFC 3262 §5).
    fn describes(&self, status: u16, description: Description) -> bool {
        match (description, &self.reliable) {
            (Description::Unknown { .. }, _) => false,
            (Description::Known, Some(reliable)) => !reliable.described && (status == 183 || self.delayed_offer),
            (Description::Known, None) => status == 183 && !self.delayed_offer,
        }
    }

    /// Encodes a provisional response. A reliable one gets an RSeq and is repeated until its PRACK (RFC 3262 §3).
    pub(super) fn encode_provisional(
        &mut self,
        step: &mut Step,
        leg: LegRef,
        status: u16,
        response: Builder,
        description: Description,
    ) -> Bytes {
        let now = step.now.mono;
        let described = self.describes(status, description);
        let response = if described { response.body("application/sdp", &self.sdp) } else { response };
        // The first provisional response cannot be reliable: it would have to contain siaga's offer (RFC 3262 §5), and
        // there is no port.
        if description == (Description::Unknown { offers: true }) {
            return response.encode();
        }
        let Some(reliable) = &mut self.reliable else { return response.encode() };
        let rseq = reliable.next;
        reliable.next += 1;
        reliable.described |= described;
        let bytes = response
            .header(Name::Require, option_tag::RELIABLE)
            .header(Name::RSeq, rseq.to_string().as_bytes())
            .encode();
        let unpracked = Unpracked { rseq, status, bytes: bytes.clone(), described, repeats: Repeats::from(now) };
        step.timers.insert(unpracked.due(), TimerKind::Unpracked(leg));
        reliable.unpracked = Some(unpracked);
        bytes
    }

    /// Stops repeating the provisional response, because the final response is sent.
    pub(super) fn stop_provisional(&mut self, step: &mut Step, leg: LegRef) {
        let Some(reliable) = &mut self.reliable else { return };
        (reliable.waiting, reliable.answer_due) = (None, false);
        if let Some(unpracked) = reliable.unpracked.take() {
            reliable.late = Some(unpracked.rseq);
            step.timers.remove(unpracked.due(), TimerKind::Unpracked(leg));
        }
    }
}

impl Session {
    /// Repeats a reliable response with doubled intervals, and gives up after 64 T1.
    ///
    /// RFC 3262 §3 then requires a rejection of the INVITE. siaga continues the emergency call instead, since only the
    /// PRACK may be lost: further responses are not reliable. A caller who has gone is detected by the missing ACK.
    pub(super) fn repeat_provisional(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
    ) -> Option<SessionEvent> {
        let now = step.now.mono;
        let invite = self.invite.as_mut()?;
        let server = invite.server()?;
        let unpracked = invite.reliable.as_mut()?.unpracked.as_mut()?;
        if unpracked.repeats.is_over(now) {
            let given_up = invite.reliable.take()?;
            return after_prack(given_up.answer_due, given_up.waiting);
        }
        let due = unpracked.repeats.repeat(now, Duration::MAX);
        let (status, bytes) = (unpracked.status, unpracked.bytes.clone());
        step.timers.insert(due, TimerKind::Unpracked(leg));
        net.wire.respond(step, server, status, bytes);
        None
    }

    /// Handles a PRACK (RFC 3262 §3): 200 if it matches the pending response, otherwise 481. It may contain an answer
    /// or a new offer (§5).
    pub(super) fn pracked(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
    ) -> SessionEvents {
        let Some(rack) = RAck::read(taken.message) else {
            net.wire.reply(step, taken, 400, &[]);
            return SessionEvents::new();
        };
        let invite = self.invite.as_mut().filter(|invite| (invite.cseq, Method::Invite) == (rack.cseq, rack.method));
        let Some(reliable) = invite.and_then(|invite| invite.reliable.as_mut()) else {
            net.wire.reply(step, taken, 481, &[]);
            return SessionEvents::new();
        };
        let current = reliable.unpracked.take_if(|unpracked| unpracked.rseq == rack.rseq);
        let late = reliable.late.take_if(|late| *late == rack.rseq);
        let (answer_due, waiting) = (reliable.answer_due, reliable.waiting.take_if(|_| current.is_some()));
        match &current {
            Some(unpracked) => {
                step.timers.remove(unpracked.due(), TimerKind::Unpracked(leg));
            }
            None if late.is_none() => {
                net.wire.reply(step, taken, 481, &[]);
                return SessionEvents::new();
            }
            None => {}
        }
        let negotiated = self.answer_prack(net, step, taken, leg);
        let next = current.and_then(|_| after_prack(answer_due, waiting));
        negotiated.into_iter().chain(next).collect()
    }

    fn answer_prack(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
    ) -> Option<SessionEvent> {
        if self.media.as_ref().is_some_and(|media| media.is_offered()) {
            let negotiated = self.take_late_answer(net, step, leg, taken.message);
            net.wire.reply(step, taken, 200, &[]);
            return negotiated;
        }
        let Some(offer) = session_description(taken.message) else {
            net.wire.reply(step, taken, 200, &[]);
            return None;
        };
        let (body, negotiated) = self.take_offer_of(net, step, taken, leg, offer)?;
        net.wire.reply_described(step, taken, Some(&body), &[]);
        negotiated
    }
}
