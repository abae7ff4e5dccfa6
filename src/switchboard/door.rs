//! The door: what comes from the network is read, told apart and sent to its room. Strangers get no work done.

use crate::sip::dialog::{CSEQ_END, DialogKey};
use crate::sip::event::ALLOW_EVENTS;
use crate::sip::flow::{Flow, Transmit, Transport};
use crate::sip::guard::Reason;
use crate::sip::location::{self, Unreadable};
use crate::sip::message::{Stencil, refusal_flow};
use crate::sip::option_tag;
use crate::sip::sdp::SdpError;
use crate::sip::transaction::{Answered, ClientId, Received, ServerId};
use crate::sip::uri::Uri;
use crate::sip::wire::{self, Fault, Message, Method, Name, Parsed, StartLine};

use super::Purpose;
use super::called::Called;
use super::leg::Who;
use super::rejection::Rejected;
use crate::switchboard::{Admission, Calls, NetworkParts, Phones, Step, Switchboard, Trunks, Wire};

pub(super) use crate::sip::message::ALLOW;

/// The types of bodies that we take: descriptions, digits, texts (which may be of any type).
pub(super) const ACCEPT: &[u8] = b"application/sdp, application/dtmf-relay, application/dtmf, text/plain, */*;q=0.1";

/// The extensions that we use with who knows them.
pub(super) const SUPPORTED: &[u8] = b"100rel, timer, replaces, norefersub";

/// What OPTIONS is told (RFC 3261 §11.2).
pub(super) const ABILITIES: [(Name, &[u8]); 6] = [
    (Name::Allow, ALLOW),
    (Name::AllowEvents, ALLOW_EVENTS),
    (Name::Supported, SUPPORTED),
    (Name::Accept, ACCEPT),
    (Name::AcceptEncoding, b"identity"),
    (Name::AcceptLanguage, b"id, en"),
];

/// The headers of a 415 to an INVITE or UPDATE: the bodies that are supported (RFC 3261 §21.4.13).
pub(super) const READABLE: [(Name, &[u8]); 2] =
    [(Name::Accept, b"application/sdp, multipart/mixed, application/pidf+xml"), (Name::AcceptEncoding, b"identity")];

/// The same for sources that may be forged.
const READABLE_SHORT: [(Name, &[u8]); 1] = [(Name::Accept, b"application/sdp")];

/// A request taken in, with its transaction.
pub(super) struct Taken<'a, 'b> {
    pub(super) flow: Flow,
    pub(super) message: &'a Message<'b>,
    pub(super) server: ServerId,
}

impl Taken<'_, '_> {
    /// The transaction of an INVITE, and the number that its ACK has.
    pub(super) fn invite(&self) -> (ServerId, u32) {
        (self.server, self.message.cseq().map_or(0, |cseq| cseq.number))
    }
}

impl Switchboard {
    /// Reads one message and hands it on.
    pub(super) fn receive(&mut self, flow: Flow, bytes: &[u8]) {
        match self.net.trunks.read(&mut self.net.wire, &mut self.step, flow, bytes) {
            Parsed::KeepAlive | Parsed::Garbage(_) => {}
            Parsed::Bad(message, fault) => match message.method() {
                // An ACK is never answered (RFC 3261 §17), nor is a response.
                None | Some(Method::Ack) => {}
                Some(_) if self.lets_in(flow, &message) => {
                    self.net.trunks.report_fault(&mut self.step, flow, &message, fault);
                    self.net.admission.refuse_fault(&mut self.net.phones, &mut self.step, flow, &message, fault);
                }
                Some(_) => {}
            },
            Parsed::Good(message) => match message.start {
                StartLine::Request { method, .. } if self.lets_in(flow, &message) => {
                    self.request(flow, &message, method);
                }
                StartLine::Request { .. } => {}
                StartLine::Response { status, .. } => self.response(flow, &message, status),
            },
        }
    }
}

impl Trunks {
    /// Reads one message. A trunk's message that concerns a 112 call is read despite errors in what the call does not need.
    fn read<'b>(&mut self, wire: &mut Wire, step: &mut Step, flow: Flow, bytes: &'b [u8]) -> Parsed<'b> {
        let parsed = read(flow, bytes);
        let Parsed::Bad(_, Fault { why, .. }) = parsed else { return parsed };
        let Some(trunk) = self.trunk_of(flow) else { return parsed };
        let in_stream = flow.transport != Transport::Udp;
        let Parsed::Good(message) = wire::parse_tolerantly(bytes, in_stream) else { return parsed };
        if in_stream && message.first(Name::ContentLength).is_none() || !wire.concerns_a_call(&message, trunk) {
            return parsed;
        }
        self.report_ignored_error(step, &message, trunk, why);
        Parsed::Good(message)
    }
}

impl Wire {
    /// True for the INVITE of an emergency call, and for requests and responses that belong to a call.
    fn concerns_a_call(&mut self, message: &Message<'_>, trunk: usize) -> bool {
        let of_dialog = DialogKey::of_request(message);
        match message.method() {
            None | Some(Method::Ack) => true,
            Some(Method::Cancel) => self.transactions.invite_of(message).is_some(),
            Some(Method::Invite) if of_dialog.is_none() => {
                matches!(self.settings.called(message, trunk), Called::Emergency { .. })
            }
            Some(_) => of_dialog.is_some_and(|key| self.dialogs.contains_key(&key)),
        }
    }
}

impl Switchboard {
    fn request(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let now = self.step.now;
        if method != Method::Ack && method != Method::Cancel {
            if message.to().is_ok_and(|to| to.tag().is_none()) {
                return self.out_of_dialog(flow, message, method);
            }
            return self.request_in_dialog(flow, message, method);
        }
        if method == Method::Cancel {
            return self.cancelled(flow, message);
        }
        if self.net.wire.transactions.receive_request(now.mono, flow, message, &mut self.step.out.transmits)
            == Received::Ack
        {
            self.acknowledged(flow, message);
        }
    }
}

impl Admission {
    /// Opens the server transaction. None for repeats, and when the table is full (then 503 has been sent).
    pub(super) fn take_in(
        &mut self,
        wire: &mut Wire,
        trunks: &mut Trunks,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
    ) -> Option<ServerId> {
        let now = step.now;
        match wire.transactions.receive_request(now.mono, flow, message, &mut step.out.transmits) {
            Received::New(server) => Some(server),
            Received::Full => {
                if let Some(trunk) = trunks.trunk_of(flow).filter(|_| message.method() == Some(Method::Invite)) {
                    trunks.report_rejection(step, flow, message, Some(trunk), Rejected::Overload, 503, None);
                }
                self.refuse(step, flow, message, 503, &[(Name::RetryAfter, b"5")]);
                None
            }
            Received::Cancel { .. } | Received::Ack | Received::Absorbed => None,
        }
    }
}

impl Switchboard {
    fn out_of_dialog(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let trunk = self.net.trunks.trunk_of(flow);
        let is_call = method == Method::Invite && trunk.is_some();
        let is_emergency = is_call || method == Method::Invite && self.settings.emergency_dialled(message).is_some();
        if let Some(fault) = general_fault(message, method, is_emergency) {
            self.net.trunks.report_fault(&mut self.step, flow, message, fault);
            return self.net.admission.refuse_fault(&mut self.net.phones, &mut self.step, flow, message, fault);
        }
        if let Some(status) = self.net.wire.astray(message, trunk.is_some()) {
            if is_call {
                self.net.trunks.report_rejection(
                    &mut self.step,
                    flow,
                    message,
                    trunk,
                    Rejected::Repeated,
                    status,
                    None,
                );
            }
            return self.net.admission.refuse(&mut self.step, flow, message, status, &[]);
        }
        if self.net.admission.sheds(&mut self.net.wire, method, trunk.is_some()) {
            return self.net.admission.refuse(&mut self.step, flow, message, 503, &[(Name::RetryAfter, b"30")]);
        }
        match method {
            Method::Options => {
                let abilities: &[_] = if self.net.phones.is_known(flow.remote.ip()) { &ABILITIES } else { &[] };
                self.net.admission.refuse(&mut self.step, flow, message, 200, abilities);
            }
            // A trunk watches nobody, and nobody here reads what it writes (a text that is dropped would be a lie).
            Method::Subscribe | Method::Message if trunk.is_some() => {
                self.net.admission.refuse(&mut self.step, flow, message, 403, &[])
            }
            Method::Register | Method::Invite | Method::Subscribe | Method::Message
                if (trunk.is_none() || method == Method::Register) && !self.net.phones.accounts_known =>
            {
                self.net.admission.await_accounts(&mut self.net.phones, &mut self.step, flow, message);
            }
            Method::Register | Method::Invite | Method::Subscribe | Method::Message
                if (trunk.is_none() || method == Method::Register) && message.first(Name::Authorization).is_none() =>
            {
                if method == Method::Invite {
                    self.net.trunks.report_unknown_peer(&mut self.net.phones, &mut self.step, flow, message);
                }
                self.net.admission.challenge(&mut self.step, flow, message, false);
            }
            Method::Register => {
                if let Some(server) =
                    self.net.admission.take_in(&mut self.net.wire, &mut self.net.trunks, &mut self.step, flow, message)
                {
                    self.register(&Taken { flow, message, server });
                }
            }
            Method::Invite => {
                if let Some(server) =
                    self.net.admission.take_in(&mut self.net.wire, &mut self.net.trunks, &mut self.step, flow, message)
                {
                    let taken = Taken { flow, message, server };
                    match trunk {
                        Some(trunk) => self.calls.invited(&mut self.net, &mut self.step, &taken, trunk),
                        None => self.phone_invited(&taken),
                    }
                }
            }
            Method::Subscribe | Method::Message => {
                if let Some(server) =
                    self.net.admission.take_in(&mut self.net.wire, &mut self.net.trunks, &mut self.step, flow, message)
                {
                    let taken = Taken { flow, message, server };
                    if method == Method::Subscribe {
                        self.subscriptions.subscribed(&mut self.calls, &mut self.net, &mut self.step, &taken);
                    } else {
                        self.messages.messaged(&mut self.calls, &mut self.net, &mut self.step, &taken);
                    }
                }
            }
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.net.admission.refuse(&mut self.step, flow, message, 481, &[])
            }
            // Only who has a caller can pass him on (RFC 3515 §2.4.4 leaves the policy to us).
            Method::Refer => self.net.admission.refuse(&mut self.step, flow, message, 403, &[]),
            // RFC 6665 §4.1.3.
            Method::Notify if !self.net.phones.is_known(flow.remote.ip()) => {
                self.net.admission.refuse(&mut self.step, flow, message, 481, &[])
            }
            // A 405 must have Allow (RFC 3261 §21.4.6), which is longer than the request.
            Method::Publish if !self.net.phones.is_known(flow.remote.ip()) => {
                self.net.admission.refuse(&mut self.step, flow, message, 403, &[])
            }
            Method::Ack | Method::Cancel | Method::Notify | Method::Publish => {
                self.net.admission.refuse(&mut self.step, flow, message, 405, &[(Name::Allow, ALLOW)])
            }
            // Only a 405 must have Allow (RFC 3261 §21.4.6).
            Method::Other if !self.net.phones.is_known(flow.remote.ip()) => {
                self.net.admission.refuse(&mut self.step, flow, message, 501, &[])
            }
            Method::Other => self.net.admission.refuse(&mut self.step, flow, message, 501, &[(Name::Allow, ALLOW)]),
        }
    }

    /// Handles CANCEL (RFC 3261 §9.2): 200 and the end of a waiting call; 481 if there is no INVITE to cancel, or if it comes from another
    /// source.
    fn cancelled(&mut self, flow: Flow, message: &Message<'_>) {
        let now = self.step.now;
        if self.net.wire.transactions.repeats(message, &mut self.step.out.transmits) {
            return;
        }
        let invite = self.net.wire.transactions.invite_of(message);
        if !invite.is_some_and(|invite| self.may_cancel(invite, flow)) {
            match invite.map(|invite| self.net.wire.invites.get(&invite).copied()) {
                Some(Some(who)) => self.calls.report_foreign(&mut self.net, &mut self.step, flow, message, who, 481),
                Some(None) => self.net.admission.guard.count(Reason::Foreign),
                None => {}
            }
            return self.net.admission.answer_stranger(&mut self.net.wire, &mut self.step, flow, message, 481);
        }
        match self.net.wire.transactions.receive_request(now.mono, flow, message, &mut self.step.out.transmits) {
            Received::Cancel { cancel, invite } => {
                let status = if invite.is_some() { 200 } else { 481 };
                let tag = invite
                    .and_then(|invite| self.calls.tag_of(&mut self.net, invite))
                    .unwrap_or_else(|| self.step.rng.token().to_string());
                self.net.wire.reply_with_tag(&mut self.step, &Taken { flow, message, server: cancel }, status, &tag);
                if let Some(who) = invite.and_then(|invite| self.net.wire.invites.get(&invite).copied()) {
                    self.calls.caller_gave_up(&mut self.net, &mut self.step, who, super::dialogs::q850(message));
                }
            }
            Received::New(_) | Received::Ack | Received::Absorbed | Received::Full => {}
        }
    }
}

impl Wire {
    /// Answers a request through its transaction.
    pub(super) fn reply(&mut self, step: &mut Step, taken: &Taken<'_, '_>, status: u16, headers: &[(Name, &[u8])]) {
        let now = step.now;
        let tag = step.rng.token();
        let mut response = Stencil::of(taken.message, taken.flow).response(status, Some(tag.as_str()));
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        if status == 488 && headers.is_empty() {
            response = response.header(Name::Warning, SdpError::NoAudio.warning());
        }
        self.transactions.respond(now.mono, taken.server, status, response.encode(), &mut step.out.transmits);
    }
}

impl Admission {
    /// The same for a sender without correct credentials: no state is left (RFC 3261 §26.3.2.4).
    pub(super) fn reply_and_forget(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        status: u16,
        headers: &[(Name, &[u8])],
    ) {
        let now = step.now;
        let tag = self.stateless_tags.of(taken.message);
        let response = Stencil::of(taken.message, taken.flow).response(status, Some(&tag));
        let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, value));
        wire.transactions.refuse(now.mono, taken.server, status, response.encode(), &mut step.out.transmits);
    }
}

impl Calls {
    /// The To tag of an INVITE's past and future responses.
    fn tag_of(&mut self, net: &mut NetworkParts, invite: ServerId) -> Option<String> {
        let who = net.wire.invites.get(&invite).copied();
        let dialog = who.and_then(|who| self.line_mut(who)).and_then(|line| line.dialog.as_ref());
        let tag =
            dialog.map(|dialog| dialog.key().local_tag.to_vec()).or_else(|| net.wire.transactions.to_tag(invite))?;
        String::from_utf8(tag).ok()
    }
}

impl Wire {
    fn reply_with_tag(&mut self, step: &mut Step, taken: &Taken<'_, '_>, status: u16, tag: &str) {
        let now = step.now;
        let response = Stencil::of(taken.message, taken.flow).response(status, Some(tag)).encode();
        self.transactions.respond(now.mono, taken.server, status, response, &mut step.out.transmits);
    }
}

impl Admission {
    /// Responds without state to a request that names an unknown dialog or INVITE, since every host can send one (RFC 3261 §8.2.7,
    /// §26.3.2.4). Under overload there is no response.
    pub(super) fn answer_stranger(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        status: u16,
    ) {
        if !self.sheds_stranger(wire, flow) {
            self.refuse(step, flow, message, status, &[]);
        }
    }

    /// Answers a request without any state.
    pub(super) fn refuse(
        &mut self,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        status: u16,
        headers: &[(Name, &[u8])],
    ) {
        let tag = self.stateless_tags.of(message);
        let mut response = Stencil::of(message, flow).response(status, Some(&tag));
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        if let Some(flow) = refusal_flow(flow, message) {
            step.out.transmits.push(Transmit { flow, bytes: response.encode() });
        }
    }

    fn refuse_fault(&mut self, phones: &mut Phones, step: &mut Step, flow: Flow, message: &Message<'_>, fault: Fault) {
        let tag = self.stateless_tags.of(message);
        let mut response = Stencil::of(message, flow).response(fault.status, Some(&tag)).reason(fault.why);
        if fault.status == 420 {
            for option in option_tag::not_understood(message) {
                response = response.header(Name::Unsupported, option);
            }
        }
        if fault.status == 415 {
            let readable = if phones.is_known(flow.remote.ip()) { READABLE.as_slice() } else { &READABLE_SHORT };
            response = readable.iter().fold(response, |response, (name, value)| response.header(*name, value));
        }
        if let Some(flow) = refusal_flow(flow, message) {
            step.out.transmits.push(Transmit { flow, bytes: response.encode() });
        }
    }
}

impl Switchboard {
    fn response(&mut self, flow: Flow, message: &Message<'_>, status: u16) {
        let now = self.step.now;
        let answered = self.net.wire.transactions.receive_response(now.mono, message, &mut self.step.out.transmits);
        let client = match answered {
            Answered::ToUser(client, _) => client,
            Answered::Stray => return self.late_answer(flow, message, status),
            Answered::Absorbed => return,
        };
        let Some(purpose) = self.net.wire.clients.get(&client).cloned() else {
            return self.late_answer(flow, message, status);
        };
        if let Purpose::Offer(who) = purpose
            && !self.calls.way_responds(&mut self.net, &mut self.step, who, client, message, status)
        {
            return;
        }
        if self.calls.sends_again(&mut self.net, &mut self.step, client, &purpose, message) {
            return;
        }
        if let Purpose::Offer(Who::Offer(call, leg)) = purpose {
            self.calls.offer_response(&mut self.net, &mut self.step, call, leg, message, status);
        } else if let Purpose::Offer(Who::Caller(call)) = purpose {
            self.calls.own_phone_repeats(&mut self.net, &mut self.step, call, message, status);
        } else if let Purpose::Refresh(who) = purpose {
            self.calls.refresh_response(&mut self.net, &mut self.step, who, client, message, status);
        } else if status >= 200 {
            self.net.wire.clients.remove(&client);
            self.final_response(client, purpose, message, status);
        }
    }

    /// The end of a request that has nothing to hear before it.
    fn final_response(&mut self, client: ClientId, purpose: Purpose, message: &Message<'_>, status: u16) {
        let now = self.step.now;
        match purpose {
            // Any final response shows that somebody is there; 503 says that it is not to be used (RFC 3263 §4.3).
            Purpose::TrunkPing(index, target) => match status {
                503 => self.net.trunks.trunk_silent(&mut self.net.phones, &mut self.step, index, target),
                _ => self.net.trunks.trunk_answers(&mut self.step, index),
            },
            Purpose::PhonePing(phone, _) => self.calls.phone_responds(&mut self.net, &mut self.step, &phone),
            Purpose::TrunkRegister(index, target) => {
                self.net.trunks.trunk_registered(&mut self.step, index, target, message, status)
            }
            Purpose::Notify(watch) => self.subscriptions.notify_answered(
                &mut self.calls,
                &mut self.net,
                &mut self.step,
                watch,
                message,
                status,
            ),
            Purpose::Referral(who) => {
                // 481 may concern the subscription only (RFC 5057 §5.1).
                if !matches!(status, 408 | 481) {
                    self.calls.trust(&mut self.step, who);
                }
                self.calls.referral_heard(now, who, client, status);
            }
            Purpose::Text(text) => self.text_answered(text, client, Some((message, status))),
            Purpose::Digit(who) => {
                self.calls.responded(&mut self.step, who, status);
                self.calls.digit_told(&mut self.net, &mut self.step, who, client, true);
            }
            Purpose::Inquiry(who) => {
                self.messages.inquiry_answered(&mut self.calls, &mut self.net, &mut self.step, who, status)
            }
            Purpose::Offer(_)
            | Purpose::Refresh(_)
            | Purpose::Prack(..)
            | Purpose::Farewell
            | Purpose::Leaving { .. } => {}
        }
    }

    /// The peer of a flow is out of reach.
    pub(super) fn unreachable(&mut self, flow: Flow) {
        let now = self.step.now;
        let mut events = std::mem::take(&mut self.net.wire.events);
        self.net.wire.transactions.transport_failed(now.mono, flow, &mut events);
        for event in events.drain(..) {
            self.transaction_event(event);
        }
        self.net.wire.events = events;
        if flow.is_connection() {
            self.calls.connection_lost(&mut self.net, &mut self.step, flow);
            self.subscriptions.lose_watches(&mut self.net, &mut self.step, flow);
            for user in self.net.phones.registrar.flow_closed(flow) {
                self.unregistered(&user);
            }
        } else if flow.transport.is_reliable() {
            self.calls.no_way_back(&mut self.net, &mut self.step, flow);
        }
    }
}

/// Reads one message. Over a stream it must tell its length (RFC 3261 §18.3, §20.14).
fn read(flow: Flow, bytes: &[u8]) -> Parsed<'_> {
    match wire::parse(bytes) {
        Parsed::Good(message) if flow.transport != Transport::Udp && message.first(Name::ContentLength).is_none() => {
            Parsed::Bad(message, Fault { status: 400, why: "no Content-Length" })
        }
        read @ (Parsed::Good(_) | Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => read,
    }
}

/// The error of a request outside a dialog, independent of its method (RFC 3261 §8.2.2, §8.2.3).
/// An emergency call, from a trunk or from a phone of the centre, is not rejected for an extension that it requires, nor for a body that
/// cannot be read, unless the body is compressed: it may have the offer. If its Request-URI cannot be read, To names what was dialled.
fn general_fault(message: &Message<'_>, method: Method, is_emergency: bool) -> Option<Fault> {
    let uri = message.request_uri().unwrap_or_default();
    match Uri::parse(uri) {
        Ok(Uri::Other { .. }) => return Some(Fault { status: 416, why: "Unsupported URI Scheme" }),
        Err(_) if is_emergency => {}
        Err(_) => return Some(Fault { status: 400, why: "Malformed Request-URI" }),
        Ok(Uri::Sip(_) | Uri::Tel { .. } | Uri::Service(_)) => {}
    }
    // An emergency call is served nevertheless.
    if !is_emergency && message.cseq().is_ok_and(|cseq| cseq.number >= CSEQ_END) {
        return Some(Fault { status: 400, why: "CSeq" });
    }
    if !is_emergency && option_tag::not_understood(message).next().is_some() {
        return Some(Fault { status: 420, why: "Bad Extension" });
    }
    let unread = method == Method::Invite && is_unsupported(message, is_emergency);
    unread.then_some(Fault { status: 415, why: "Unsupported Media Type" })
}

/// True if a request gets 415 for its body. With `any_kind`, a body of an unknown type is ignored.
pub(super) fn is_unsupported(message: &Message<'_>, any_kind: bool) -> bool {
    match location::unreadable(message) {
        Some(Unreadable::Encoded) => true,
        Some(Unreadable::Kind) => !any_kind,
        None => false,
    }
}
