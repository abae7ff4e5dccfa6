//! Requests inside dialogs, whoever's leg it is: where each goes, and BYE and ACK.

use bytes::Bytes;

use crate::cdr::fact::{EndCause, Side};
use crate::sip::dialog::DialogKey;
use crate::sip::flow::Flow;
use crate::sip::message::Stencil;
use crate::sip::option_tag;
use crate::sip::wire::{self, Message, Method, Name, Parsed};

use super::door::{ABILITIES, ALLOW, READABLE, Taken, is_unsupported};
use super::end::Ending;
use super::leg::Who;
use crate::switchboard::{Calls, NetworkParts, Step, Switchboard, Wire};

/// The headers of the first response that a repeated response has too, besides those of every response.
const SAID_AGAIN: [Name; 16] = [
    Name::Contact,
    Name::Allow,
    Name::AllowEvents,
    Name::Supported,
    Name::Require,
    Name::SessionExpires,
    Name::MinSe,
    Name::Expires,
    Name::MinExpires,
    Name::RetryAfter,
    Name::Accept,
    Name::AcceptEncoding,
    Name::Unsupported,
    Name::RecvInfo,
    Name::ReferSub,
    Name::Warning,
];

/// The status that is reported for an ignored ACK, which has no response (RFC 3261 §17): that of other requests from there.
const ACK_IGNORED: u16 = 403;

impl Switchboard {
    /// The ACK of a 2xx of ours. One that is late or comes twice is of another INVITE than the one that waits. One from a source that may not
    /// speak in the dialog is reported and ignored.
    pub(super) fn acknowledged(&mut self, flow: Flow, message: &Message<'_>) {
        let Some(key) = DialogKey::of_request(message) else { return };
        let Some(who) = self.net.wire.dialogs.get(&key).copied() else { return };
        if !self.may_speak_for(who, &key, flow) {
            return self.calls.report_foreign(&mut self.net, &mut self.step, flow, message, who, ACK_IGNORED);
        }
        self.step.trust_connection(flow);
        self.calls.is_back(&mut self.net, &mut self.step, who);
        let waits = self.calls.line_mut(who).and_then(|line| line.unacked.as_ref()).map(|unacked| unacked.cseq);
        if waits.is_none() || waits != message.cseq().ok().map(|cseq| cseq.number) {
            return;
        }
        self.calls.stop_waiting_for_ack(&mut self.step, who);
        self.calls.take_late_answer(&mut self.net, &mut self.step, who, message);
        let owed = self.calls.give_up_offer(who);
        if !owed {
            self.calls.offer_audio(&mut self.net, &mut self.step, who);
        }
        let bye_due = self.calls.line_mut(who).is_some_and(|line| std::mem::take(&mut line.bye_due));
        if bye_due {
            self.calls.bye(&mut self.net, &mut self.step, who);
        }
        match who {
            Who::Caller(call) => self.calls.reap(&mut self.net, &mut self.step, call),
            Who::Phone(_) | Who::Offer(..) => {}
        }
    }

    /// A request with a To tag.
    pub(super) fn in_dialog(&mut self, taken: &Taken<'_, '_>, method: Method) {
        if method == Method::Subscribe {
            return self.subscriptions.resubscribed(&mut self.calls, &mut self.net, &mut self.step, taken);
        }
        let key = DialogKey::of_request(taken.message);
        let found = key.and_then(|key| self.net.wire.dialogs.get(&key).map(|who| (*who, key.clone())));
        let Some((who, key)) = found else { return self.net.wire.reply(&mut self.step, taken, 481, &[]) };
        let repeated = self.calls.dialog_mut(who, &key).filter(|dialog| dialog.repeats(taken.message));
        if let Some(answer) = repeated.map(|dialog| dialog.answer()) {
            if answer.is_none() && self.messages.text_repeats(taken, &key) {
                return;
            }
            return self.net.wire.answer_again(&mut self.step, taken, answer);
        }
        if self.calls.is_held(&mut self.net, &mut self.step, taken, method, (who, &key)) {
            return;
        }
        self.serve_in_dialog(taken, method, (who, &key));
        let answer = self.net.wire.transactions.answer_of(taken.server);
        if let Some(dialog) = self.calls.dialog_mut(who, &key) {
            dialog.keep_answer(taken.message, answer);
        }
        self.calls.bye_follows(&mut self.net, &mut self.step, who, method);
    }

    /// Carries out a request in one of our dialogs.
    fn serve_in_dialog(&mut self, taken: &Taken<'_, '_>, method: Method, (who, key): (Who, &DialogKey)) {
        match self.calls.dialog_mut(who, key).map(|dialog| dialog.accept(taken.message)) {
            Some(Ok(())) => self.calls.is_back(&mut self.net, &mut self.step, who),
            // Out of order (RFC 3261 §12.2.2).
            Some(Err(fault)) if fault.status == 500 => return self.net.wire.reply_later(&mut self.step, taken),
            Some(Err(fault)) => return self.net.wire.reply(&mut self.step, taken, fault.status, &[]),
            None => return self.net.wire.reply(&mut self.step, taken, 481, &[]),
        }
        self.calls.seen_at(&mut self.net, &mut self.step, who, taken.flow.remote.ip());
        // A phone that only rings has nothing to end or to change by INVITE (RFC 3261 §15, §14).
        if !self.calls.is_confirmed(who, key) && matches!(method, Method::Bye | Method::Invite | Method::Refer) {
            return self.net.wire.reply(&mut self.step, taken, 481, &[]);
        }
        // What crosses the end of the call changes nothing any more.
        if self.calls.is_past(who) && matches!(method, Method::Invite | Method::Update) {
            return self.net.wire.reply(&mut self.step, taken, 481, &[]);
        }
        let foreign: Vec<&[u8]> = option_tag::not_understood(taken.message).collect();
        // A trunk or phone whose emergency call was accepted despite an unknown extension requires the extension in its re-INVITE too.
        let is_emergency = self.calls.is_internal_caller(who) || self.net.trunks.trunk_of(taken.flow).is_some();
        let is_call = method == Method::Invite && is_emergency;
        if !foreign.is_empty() && method != Method::Bye && !is_call {
            return self.net.wire.reply(&mut self.step, taken, 420, &[(Name::Unsupported, &foreign.join(&b", "[..]))]);
        }
        // A re-INVITE with a body of an unknown type still refreshes its session.
        let describes = matches!(method, Method::Invite | Method::Update);
        if describes && is_unsupported(taken.message, method == Method::Invite) {
            return self.net.wire.reply(&mut self.step, taken, 415, &READABLE);
        }
        match method {
            Method::Bye => {
                self.net.wire.reply(&mut self.step, taken, 200, &[]);
                self.calls.hung_up(&mut self.net, &mut self.step, who, q850(taken.message));
            }
            Method::Invite => self.calls.renegotiate(&mut self.net, &mut self.step, taken, who, key),
            Method::Prack => self.calls.pracked(&mut self.net, &mut self.step, taken, who),
            Method::Update => self.calls.updated(&mut self.net, &mut self.step, taken, who, key),
            Method::Info => self.calls.informed(&mut self.net, &mut self.step, taken, who),
            Method::Refer => self.calls.referred(&mut self.net, &mut self.step, taken, who),
            Method::Options => self.net.wire.reply(&mut self.step, taken, 200, &ABILITIES),
            Method::Message => self.messaged_in_call(taken, who),
            Method::Other => self.net.wire.reply(&mut self.step, taken, 501, &[(Name::Allow, ALLOW)]),
            Method::Ack | Method::Cancel | Method::Register | Method::Subscribe | Method::Notify | Method::Publish => {
                self.net.wire.reply(&mut self.step, taken, 405, &[(Name::Allow, ALLOW)])
            }
        }
    }
}

impl Wire {
    /// Responds to the peer's last request that arrives again over another path: it changes nothing and gets the same response.
    pub(super) fn answer_again(&mut self, step: &mut Step, taken: &Taken<'_, '_>, answer: Option<Bytes>) {
        let now = step.now;
        let Some(answer) = answer else { return self.reply_later(step, taken) };
        let (Parsed::Good(last) | Parsed::Bad(last, _)) = wire::parse(&answer) else { return };
        let Some(status) = last.status() else { return };
        let mut response = Stencil::of(taken.message, taken.flow).response(status, None);
        for name in SAID_AGAIN {
            response = last.lines(name).fold(response, |response, value| response.header(name, value));
        }
        let kind = last.first(Name::ContentType).and_then(|kind| std::str::from_utf8(kind).ok());
        let bytes = match kind.filter(|_| !last.body.is_empty()) {
            Some(kind) => response.body(kind, last.body).encode(),
            None => response.encode(),
        };
        self.transactions.respond(now.mono, taken.server, status, bytes, &mut step.out.transmits);
    }
}

impl Calls {
    /// The peer has sent a message in its dialog.
    fn is_back(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        self.trust(step, who);
        if let Who::Caller(call) = who {
            self.caller_is_back(net, step, call);
        }
    }

    /// The call of a leg is over: its peer is to be told so, or is told.
    fn is_past(&self, who: Who) -> bool {
        match who {
            Who::Caller(call) | Who::Offer(call, _) => self.calls.get(&call).is_some_and(super::call::Call::is_over),
            Who::Phone(_) => false,
        }
    }

    pub(super) fn hung_up(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, q850: Option<u8>) {
        let now = step.now;
        match who {
            Who::Caller(call) => {
                // A BYE may overtake the answer: in an early dialog it is a CANCEL (RFC 3261 §15).
                let talked = self.calls.get(&call).is_some_and(super::call::Call::has_talked);
                let cause = if talked { EndCause::Normal } else { EndCause::Abandoned };
                self.end_call(net, step, call, Ending::by(Side::Caller, cause).with_bye(who, q850));
                self.reap(net, step, call);
            }
            Who::Offer(call, leg) if self.is_guest(call, leg) => self.guest_leaves(net, step, call, leg, false),
            Who::Offer(call, leg) if self.leaves_heir(net, step, call, leg, false) => {}
            Who::Offer(call, leg) if self.is_passing_on(now, call, leg) => {
                self.transferor_left(net, step, call, leg, false)
            }
            Who::Offer(call, _) => {
                self.end_call(net, step, call, Ending::by(Side::Operator, EndCause::Normal).with_bye(who, q850));
            }
            Who::Phone(phone) => self.end_phone(net, step, phone, false),
        }
    }
}

/// Gives `status` if a response with it concerns its request only, else `otherwise`. Other statuses end the dialog or one of its usages
/// (RFC 5057 §5.1): at 404, 408, 416 and 481 clients end their calls.
pub(super) const fn of_request_only(status: u16, otherwise: u16) -> u16 {
    match status {
        200..=299 | 400 | 403 | 406 | 412..=415 | 420 | 421 | 486 | 488 | 491 | 493 | 503 | 513 | 600 | 603 | 606 => {
            status
        }
        _ => otherwise,
    }
}

/// The Q.850 cause of a Reason header field (RFC 3326 §2).
pub(super) fn q850(message: &Message<'_>) -> Option<u8> {
    message.list(Name::Reason).find_map(|value| {
        let text = std::str::from_utf8(value).ok()?;
        let (protocol, params) = text.split_once(';')?;
        if !protocol.trim().eq_ignore_ascii_case("Q.850") {
            return None;
        }
        let mut params = params.split(';').filter_map(|param| param.split_once('='));
        let (_, cause) = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))?;
        cause.trim().parse().ok()
    })
}
