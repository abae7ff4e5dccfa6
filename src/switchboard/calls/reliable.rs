//! Reliable provisional responses (RFC 3262): siaga's to callers, and those of phones to siaga.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::Instant;
use crate::ids::{CallId, LegNo};
use crate::limits::EARLY_DIALOGS_MAX;
use crate::sip::dialog::Dialog;
use crate::sip::location::session_description;
use crate::sip::message::Builder;
use crate::sip::offer_answer::Agreed;
use crate::sip::reliable::{Heard, Order, RAck};
use crate::sip::wire::{Message, Method, Name};
use crate::sip::{option_tag, reliable};
use crate::switchboard::alarm::{Alarm, T1};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{CallerLeg, OfferLeg};
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::taken::Taken;

/// A reliable provisional response that waits for its PRACK.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Unpracked {
    rseq: u32,
    status: u16,
    bytes: Bytes,
    /// True if it contains SDP: no 2xx may be sent before its PRACK (RFC 3262 §3).
    described: bool,
    repeat_at: Instant,
    interval: Duration,
    give_up_at: Instant,
}

impl Unpracked {
    fn due(&self) -> Instant {
        self.repeat_at.min(self.give_up_at)
    }
}

/// The reliable provisional responses to one caller's INVITE. Only one is pending: the next waits for its PRACK.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Reliable {
    /// The RSeq of the next response.
    pub(in crate::switchboard) next: u32,
    /// The CSeq of the INVITE.
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) unpracked: Option<Unpracked>,
    /// The RSeq of the last response, which is no longer repeated because the final response has been sent. Its PRACK
    /// may still arrive (RFC 3262 §3).
    pub(in crate::switchboard) late: Option<u32>,
    /// True if SDP was sent reliably: the 2xx then has none.
    pub(in crate::switchboard) described: bool,
    /// The provisional status to send after the PRACK.
    pub(in crate::switchboard) waiting: Option<u16>,
    /// True if the 2xx must be sent after the PRACK.
    pub(in crate::switchboard) answer_due: bool,
}

/// One early dialog of a leg to a phone; forks create several.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Early {
    pub(in crate::switchboard) dialog: Dialog,
    order: Order,
    /// The answer to siaga's offer in a reliable response (RFC 3262 §5).
    pub(in crate::switchboard) agreed: Option<Agreed>,
    /// The first SDP in an unreliable response: it is the answer if the 2xx has none (RFC 3261 §13.2.1).
    pub(in crate::switchboard) previewed: Option<Agreed>,
}

impl Reliable {
    /// The time at which the pending response is repeated or given up.
    pub(in crate::switchboard) fn due(&self) -> Option<Instant> {
        self.unpracked.as_ref().map(Unpracked::due)
    }
}

impl CallerLeg {
    /// True if the answer to the caller's offer was sent reliably, or if siaga makes the offer.
    pub(in crate::switchboard) fn is_described(&self) -> bool {
        self.delayed_offer || self.reliable.as_ref().is_some_and(|reliable| reliable.described)
    }

    /// True if the next provisional response with this status contains siaga's SDP. In an unreliable response the SDP
    /// must be an answer; the first reliable response may contain siaga's offer (RFC 3261 §13.2.1, RFC 3262 §5).
    pub(in crate::switchboard) fn describes(&self, status: u16) -> bool {
        match &self.reliable {
            _ if self.port_is_uncertain() => false,
            Some(reliable) => !reliable.described && (status == 183 || self.delayed_offer),
            None => status == 183 && !self.delayed_offer,
        }
    }

    /// True if the 2xx contains SDP: no reliable response has contained it, or an offer of siaga has no answer yet
    /// (RFC 3262 §5, RFC 6337 §2.2).
    pub(in crate::switchboard) fn describes_answer(&self) -> bool {
        let described = self.reliable.as_ref().is_some_and(|reliable| reliable.described);
        !described || self.line.sound.as_ref().is_some_and(|sound| sound.offered)
    }
}

impl OfferLeg {
    /// The negotiated session if a 2xx confirms this dialog. After a reliable answer, SDP in the 2xx is ignored
    /// (RFC 6337 §2.2). If the 2xx has no SDP, an earlier response, reliable or not, has the answer. Some gateways
    /// change the To tag in between: then the only SDP of all early dialogs is used if it came from the same Contact,
    /// since otherwise an answered leg would be ended.
    pub(in crate::switchboard) fn agreed_by(&self, dialog: &Dialog, answer: &Message<'_>) -> Option<Agreed> {
        let early = self.early.get(dialog.key());
        let reliably = early.and_then(|early| early.agreed);
        let described = reliably.or_else(|| self.line.answer_in(answer)).or_else(|| early?.previewed);
        described.or_else(|| self.only_description_from(dialog.target()))
    }

    /// The negotiated session of the only early dialog with SDP, if its Contact is this one.
    fn only_description_from(&self, target: &[u8]) -> Option<Agreed> {
        let mut described = self.early.values().filter_map(|one| Some((&one.dialog, one.agreed.or(one.previewed)?)));
        match (described.next(), described.next()) {
            (Some((dialog, agreed)), None) if dialog.target() == target => Some(agreed),
            _ => None,
        }
    }

    /// The dialog that this response belongs to or creates.
    pub(in crate::switchboard) fn dialog_of(&self, message: &Message<'_>) -> Result<Dialog, crate::sip::wire::Fault> {
        let dialog = Dialog::as_caller(&self.from, self.cseq, message)?;
        Ok(match self.early.get(dialog.key()) {
            Some(early) => dialog.after(&early.dialog),
            None => dialog,
        })
    }
}

impl Calls {
    /// Returns true if the provisional response must wait for a PRACK; it is then sent after the PRACK.
    pub(in crate::switchboard) fn must_wait_to_tell(&mut self, id: CallId, status: u16) -> bool {
        let Some(reliable) = self.calls.get_mut(&id).and_then(|call| call.caller.reliable.as_mut()) else {
            return false;
        };
        if reliable.unpracked.is_none() {
            return false;
        }
        reliable.waiting = Some(reliable.waiting.map_or(status, |waiting| waiting.max(status)));
        true
    }

    /// Returns true if the 2xx must wait for a PRACK; it is then sent after the PRACK.
    pub(in crate::switchboard) fn must_wait_to_answer(&mut self, id: CallId) -> bool {
        let Some(reliable) = self.calls.get_mut(&id).and_then(|call| call.caller.reliable.as_mut()) else {
            return false;
        };
        reliable.answer_due = reliable.unpracked.as_ref().is_some_and(|unpracked| unpracked.described);
        reliable.answer_due
    }

    /// Encodes a provisional response. A reliable one gets an RSeq and is repeated until its PRACK (RFC 3262 §3).
    pub(in crate::switchboard) fn encode_provisional(
        &mut self,
        step: &mut Step,
        id: CallId,
        status: u16,
        response: Builder,
    ) -> Bytes {
        let now = step.now;
        let Some(caller) = self.calls.get_mut(&id).map(|call| &mut call.caller) else { return response.encode() };
        let described = caller.describes(status);
        let response = if described { response.body("application/sdp", &caller.sdp) } else { response };
        if caller.must_be_told_unreliably() {
            return response.encode();
        }
        let Some(reliable) = &mut caller.reliable else { return response.encode() };
        let rseq = reliable.next;
        reliable.next += 1;
        reliable.described |= described;
        let bytes = response
            .header(Name::Require, option_tag::RELIABLE)
            .header(Name::RSeq, rseq.to_string().as_bytes())
            .encode();
        let (repeat_at, give_up_at) = (now.mono + T1, now.mono + T1 * 64);
        let unpracked =
            Unpracked { rseq, status, bytes: bytes.clone(), described, repeat_at, interval: T1, give_up_at };
        step.alarms.insert(unpracked.due(), Alarm::Unpracked(id));
        reliable.unpracked = Some(unpracked);
        bytes
    }

    /// Repeats a reliable response with doubled intervals, and gives up after 64 T1.
    ///
    /// RFC 3262 §3 then requires a rejection of the INVITE. siaga continues the emergency call instead, since only the
    /// PRACK may be lost: further responses are not reliable. A caller who has gone is detected by the missing ACK.
    pub(in crate::switchboard) fn repeat_provisional(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(caller) = self.calls.get_mut(&id).map(|call| &mut call.caller) else { return };
        let Some(server) = caller.invite else { return };
        let Some(unpracked) = caller.reliable.as_mut().and_then(|reliable| reliable.unpracked.as_mut()) else { return };
        if now.mono >= unpracked.give_up_at {
            let Some(given_up) = caller.reliable.take() else { return };
            self.after_prack(net, step, id, given_up.answer_due, given_up.waiting);
            return;
        }
        unpracked.interval *= 2;
        unpracked.repeat_at = now.mono + unpracked.interval;
        let (status, bytes, due) = (unpracked.status, unpracked.bytes.clone(), unpracked.due());
        step.alarms.insert(due, Alarm::Unpracked(id));
        net.wire.respond(step, server, status, bytes);
    }

    /// Stops repeating the provisional response, because the final response is sent.
    pub(in crate::switchboard) fn stop_provisional(&mut self, step: &mut Step, id: CallId) {
        let reliable = self.calls.get_mut(&id).and_then(|call| call.caller.reliable.as_mut());
        let Some(reliable) = reliable else { return };
        (reliable.waiting, reliable.answer_due) = (None, false);
        if let Some(unpracked) = reliable.unpracked.take() {
            reliable.late = Some(unpracked.rseq);
            step.alarms.remove(unpracked.due(), Alarm::Unpracked(id));
        }
    }

    /// Handles a PRACK (RFC 3262 §3): 200 if it matches the pending response, otherwise 481. It may contain an answer
    /// or a new offer (§5).
    pub(in crate::switchboard) fn pracked(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
    ) {
        let Some(rack) = RAck::read(taken.message) else { return net.wire.reply(step, taken, 400, &[]) };
        let Who::Caller(id) = who else { return net.wire.reply(step, taken, 481, &[]) };
        let reliable = self.calls.get_mut(&id).and_then(|call| call.caller.reliable.as_mut());
        let Some(reliable) = reliable.filter(|reliable| (reliable.cseq, Method::Invite) == (rack.cseq, rack.method))
        else {
            return net.wire.reply(step, taken, 481, &[]);
        };
        let current = reliable.unpracked.take_if(|unpracked| unpracked.rseq == rack.rseq);
        let late = reliable.late.take_if(|late| *late == rack.rseq);
        let (answer_due, waiting) = (reliable.answer_due, reliable.waiting.take_if(|_| current.is_some()));
        match &current {
            Some(unpracked) => {
                step.alarms.remove(unpracked.due(), Alarm::Unpracked(id));
            }
            None if late.is_none() => return net.wire.reply(step, taken, 481, &[]),
            None => {}
        }
        self.answer_prack(net, step, taken, who);
        if current.is_some() {
            self.after_prack(net, step, id, answer_due, waiting);
        }
    }

    fn answer_prack(&mut self, net: &mut NetworkParts, step: &mut Step, taken: &Taken<'_, '_>, who: Who) {
        let offered = self.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.offered);
        if offered {
            self.take_late_answer(net, step, who, taken.message);
            return net.wire.reply(step, taken, 200, &[]);
        }
        match session_description(taken.message).map(|body| self.take_offer(net, step, who, body)) {
            None => net.wire.reply(step, taken, 200, &[]),
            Some(Ok(body)) => net.wire.reply_described(step, taken, Some(&body), &[]),
            Some(Err(why)) => net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]),
        }
    }

    fn after_prack(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        answer_due: bool,
        waiting: Option<u16>,
    ) {
        if answer_due {
            self.answer_caller(net, step, id);
        } else if let Some(status) = waiting {
            self.tell_caller(net, step, id, status);
        }
    }

    /// Handles a provisional response of a phone: stores its early dialog, and acknowledges it if it is reliable
    /// (RFC 3262 §4). Returns false if it must be ignored: it is a repetition, or out of order.
    pub(in crate::switchboard) fn early_response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        message: &Message<'_>,
    ) -> bool {
        let who = Who::Offer(id, leg);
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return false };
        let rseq = reliable::rseq(message);
        let Ok(dialog) = Dialog::as_caller(&offer.from, offer.cseq, message) else { return rseq.is_none() };
        let key = dialog.key().clone();
        if key.remote_tag.is_empty() {
            return rseq.is_none();
        }
        if !offer.early.contains_key(&key) {
            if offer.early.len() >= EARLY_DIALOGS_MAX {
                return rseq.is_none();
            }
            offer.early.insert(key.clone(), Early { dialog, order: Order::default(), agreed: None, previewed: None });
            net.wire.bind(key.clone(), who);
        }
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return false };
        let Some(early) = offer.early.get_mut(&key) else { return false };
        let Some(rseq) = rseq else {
            early.previewed = early.previewed.or_else(|| offer.line.answer_in(message));
            return true;
        };
        match early.order.take(rseq) {
            Heard::New => {}
            Heard::Again | Heard::TooEarly => return false,
        }
        early.agreed = early.agreed.or_else(|| offer.line.answer_in(message));
        let (builder, number) = early.dialog.request(Method::Prack);
        let flow = offer.line.flow_in(&early.dialog);
        net.trunks.send_prack(&mut net.wire, step, (who, key), flow, (builder, number, rseq), message);
        true
    }
}

impl Calls {
    /// Removes the early dialogs of a leg, except the one that has been confirmed.
    pub(in crate::switchboard) fn drop_early(&mut self, net: &mut NetworkParts, who: Who) {
        let Who::Offer(id, leg) = who else { return };
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        let early = std::mem::take(&mut offer.early);
        let confirmed = offer.line.dialog.as_ref().map(|dialog| dialog.key());
        for key in early.keys().filter(|key| Some(*key) != confirmed) {
            net.wire.dialogs.remove(key);
        }
    }
}

impl Wire {
    /// The state of reliable responses to this INVITE; None if they are not reliable.
    pub(in crate::switchboard) fn reliable_for(&mut self, step: &mut Step, invite: &Message<'_>) -> Option<Reliable> {
        let required = option_tag::is_required(invite, option_tag::RELIABLE);
        let wanted = self.settings.reliable_when_supported && option_tag::is_supported(invite, option_tag::RELIABLE);
        (required || wanted).then(|| Reliable {
            next: reliable::first_number(step.rng.next_u64()),
            cseq: invite.cseq().map_or(0, |cseq| cseq.number),
            unpracked: None,
            late: None,
            described: false,
            waiting: None,
            answer_due: false,
        })
    }
}
