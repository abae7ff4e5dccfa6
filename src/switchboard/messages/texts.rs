//! MESSAGE (RFC 3428): texts between operators, from the centre to operators, and between the two sides of a call.
//! siaga relays a text and never stores it: a text that no phone accepts is rejected, and logs and facts never contain
//! it.

mod repeats;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::limits::TEXTS_MAX;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message;
use crate::sip::message::{Builder, ResponseTemplate};
use crate::sip::transaction::{ClientId, ServerId};
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::{BoundPhone, LegRef, TextId};
use crate::switchboard::messages::Messages;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::ConsoleReply;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::second_address::{SECOND_INVITE_AFTER, SecondRequest};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::connections::DATAGRAM_BYTES_MAX;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use crate::switchboard::wire::replies::of_request_only;

/// Header fields that are forwarded unchanged with a text (RFC 3428 §4, §5).
const CARRIED: [Name; 8] = [
    Name::ContentType,
    Name::ContentDisposition,
    Name::ContentEncoding,
    Name::ContentId,
    Name::Date,
    Name::Expires,
    Name::Priority,
    Name::Subject,
];

/// Maximum time to the final response for the sender of a text in a call. It is well below the sender's timer F, whose
/// expiry could end the call.
pub(in crate::switchboard) const ANSWERED_IN: Duration = Duration::from_secs(16);
/// The status for a text in a call that the other side did not accept. It affects only this request.
pub(in crate::switchboard) const NOT_TAKEN: u16 = 486;

/// Maximum repetitions of a text, each in its own transaction, that get the response to the first. Further ones get
/// 500.
const REPEATS_MAX: usize = 4;

/// The server transaction of a sender.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Asker {
    server: ServerId,
    stencil: ResponseTemplate,
}

/// A response to the sender of a text.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Answer {
    pub(in crate::switchboard) status: u16,
    /// Header fields that explain a rejection.
    headers: Vec<(Name, Bytes)>,
}

/// A text that has been forwarded to the phones of one operator and waits for responses.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Text {
    /// None for a text of the centre.
    asker: Option<Asker>,
    /// Copies of the request in other transactions: they took another path, or the sender has repeated the request.
    repeats: Vec<Asker>,
    /// The sender's dialog, and the CSeq of the request.
    sender: Option<(DialogKey, u32)>,
    /// Pending client transactions, each with its phone; None for a text in a call.
    pub(in crate::switchboard) asked: PendingTexts,
    /// Requests to second addresses, by the transaction with the first address. They are sent at `seconds_at` if a
    /// phone has not responded at its first address.
    pub(in crate::switchboard) seconds: Seconds,
    seconds_at: Option<Instant>,
    pub(in crate::switchboard) best: Option<Answer>,
    pub(in crate::switchboard) in_call: Option<InCall>,
}

pub(in crate::switchboard) type PendingTexts = BTreeMap<ClientId, Option<BoundPhone>>;

type Seconds = BTreeMap<ClientId, SecondRequest>;

/// A text from one side of a call to the other.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct InCall {
    pub(in crate::switchboard) to: LegRef,
    pub(in crate::switchboard) until: Instant,
}

/// All texts that wait for a response, and the number of the last text.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Texts {
    pub(in crate::switchboard) all: BTreeMap<TextId, Text>,
    /// The last text in each dialog whose sender waits for a response.
    by_dialog: BTreeMap<DialogKey, TextId>,
    last_id: u64,
}

impl Texts {
    pub(in crate::switchboard) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The time by which the sender of a text in a call must get a response.
    pub(in crate::switchboard) fn due(&self, id: TextId) -> Option<Instant> {
        self.all.get(&id).and_then(|text| text.in_call).map(|in_call| in_call.until)
    }

    /// The time at which a text without a response is sent to the second addresses of its phones.
    pub(in crate::switchboard) fn seconds_at(&self, id: TextId) -> Option<Instant> {
        self.all.get(&id).and_then(|text| text.seconds_at)
    }

    /// Stores the dialog and CSeq of a text's request.
    pub(in crate::switchboard) fn came_by(&mut self, id: TextId, message: &Message<'_>) {
        let (Some(key), Ok(cseq)) = (DialogKey::of_request(message), message.cseq()) else { return };
        if let Some(text) = self.all.get_mut(&id) {
            text.sender = Some((key.clone(), cseq.number));
            self.by_dialog.insert(key, id);
        }
    }

    /// Removes a text.
    fn remove(&mut self, id: TextId) -> Option<Text> {
        let text = self.all.remove(&id)?;
        if let Some((key, _)) = &text.sender
            && self.by_dialog.get(key) == Some(&id)
        {
            self.by_dialog.remove(key);
        }
        Some(text)
    }

    fn add(&mut self, asker: Option<Asker>, asked: PendingTexts, in_call: Option<InCall>) -> TextId {
        self.last_id += 1;
        let id = TextId(self.last_id);
        let (repeats, sender) = (Vec::new(), None);
        let (seconds, seconds_at) = (Seconds::new(), None);
        self.all.insert(id, Text { asker, repeats, sender, asked, seconds, seconds_at, best: None, in_call });
        id
    }
}

/// The sender, header fields and body of a text.
pub(in crate::switchboard) struct Letter<'m> {
    from: &'m str,
    hops: u32,
    headers: Vec<(Name, &'m [u8])>,
    body: &'m [u8],
}

impl<'m> Letter<'m> {
    /// Reads the content of a MESSAGE that `from` sends.
    pub(in crate::switchboard) fn of(message: &'m Message<'_>, from: &'m str, hops: u32) -> Self {
        let headers = CARRIED.into_iter().filter_map(|name| Some((name, message.first(name)?))).collect();
        Self { from, hops, headers, body: message.body }
    }

    /// Writes the text into a request.
    pub(in crate::switchboard) fn write(&self, mut request: Builder) -> Builder {
        let mut kind = "text/plain";
        for (name, value) in &self.headers {
            match (*name, std::str::from_utf8(value)) {
                (Name::ContentType, Ok(value)) => kind = value,
                (name, _) => request = request.header(name, value),
            }
        }
        if self.body.is_empty() { request } else { request.body(kind, self.body) }
    }
}

impl Messages {
    /// Handles a MESSAGE outside a dialog that does not come from a trunk: a text from operator to operator.
    pub(in crate::switchboard) fn messaged(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
    ) {
        let Some(account) = calls.authenticate(net, step, taken) else { return };
        let Some(sender) = net.phones.speaker(account) else { return net.wire.reply(step, taken, 403, &[]) };
        let Some(to) = net.phones.operator_at(taken.message.request_uri().unwrap_or_default()) else {
            return net.wire.reply(step, taken, 404, &[]);
        };
        let to = net.phones.user_of(&to);
        // The text is forwarded, so Max-Forwards is decremented (RFC 3261 §16.3).
        let hops = taken.message.number(Name::MaxForwards).ok().flatten().unwrap_or(70).min(70);
        let Some(hops) = hops.checked_sub(1) else { return net.wire.reply(step, taken, 483, &[]) };
        if !net.wire.is_fit(step, taken) {
            return;
        }
        // The sender is the authenticated operator, whatever From contains.
        let tag = step.rng.token();
        let shown = net.phones.accounts.get(&sender).map_or(sender.as_str(), |account| account.name.as_str());
        let from = format!("{}<sip:{sender}@{}>;tag={tag}", display(shown), self.settings.site.domain);
        let letter = Letter::of(taken.message, &from, hops);
        match self.send_text(net, step, &to, &letter) {
            Ok((asked, seconds)) => {
                let id = self.await_answers(net, taken, asked, None);
                self.await_seconds(step, id, seconds);
            }
            Err(status) => net.wire.refuse_text(step, taken, status),
        }
    }

    /// Responds to the sender of a text in a call if the other side has not responded in time.
    pub(in crate::switchboard) fn text_due(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        id: TextId,
    ) {
        self.conclude(calls, net, step, id);
    }

    /// Sends a text of the centre to one operator or to all, without waiting for responses. Returns the operators to
    /// whose phones it was sent, and the others.
    pub(in crate::switchboard) fn announce_text(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        to: Option<OperatorId>,
        text: &str,
    ) -> ConsoleReply {
        let all = match to {
            Some(operator) if !net.phones.has_account(&operator) => return ConsoleReply::UnknownOperator,
            Some(operator) => vec![operator],
            None => net.phones.accounts.keys().cloned().collect(),
        };
        let tag = step.rng.token();
        let from =
            format!("{}<sip:siaga@{}>;tag={tag}", display(&self.settings.numbers.emergency), self.settings.site.domain);
        let headers = vec![(Name::ContentType, b"text/plain;charset=UTF-8".as_slice())];
        let letter = Letter { from: &from, hops: 70, headers, body: text.as_bytes() };
        let (mut sent, mut unsent) = (Vec::new(), Vec::new());
        for operator in all {
            match self.send_text(net, step, &operator, &letter) {
                Ok((asked, seconds)) => {
                    let id = self.expect_answers(net, None, asked, None);
                    self.await_seconds(step, id, seconds);
                    sent.push(operator);
                }
                Err(_) => unsent.push(operator),
            }
        }
        ConsoleReply::Messages { sent, unsent }
    }

    /// Sends the best response of the phones to the sender of a text.
    pub(in crate::switchboard) fn conclude(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        id: TextId,
    ) {
        let Some(text) = self.texts.remove(id) else { return };
        if let Some(at) = text.seconds_at {
            step.timers.remove(at, TimerKind::TextAgain(id));
        }
        for client in text.asked.into_keys() {
            net.wire.forget(client);
        }
        if let Some(InCall { until, .. }) = text.in_call {
            step.timers.remove(until, TimerKind::Text(id));
        }
        let Some(asker) = text.asker else { return };
        let none = if text.in_call.is_some() { NOT_TAKEN } else { 480 };
        let mut answer = text.best.unwrap_or(Answer { status: none, headers: Vec::new() });
        if text.in_call.is_some() {
            answer.status = if answer.status == 503 { NOT_TAKEN } else { of_request_only(answer.status, NOT_TAKEN) };
        }
        let tag = step.rng.token();
        for asker in [asker].into_iter().chain(text.repeats) {
            let mut response = asker.stencil.response(answer.status, Some(tag.as_str()));
            for (name, value) in &answer.headers {
                response = response.header(*name, value);
            }
            let bytes = response.encode();
            if let Some((key, cseq)) = &text.sender
                && let Some(who) = net.wire.leg_in(key)
                && let Some(dialog) = calls.dialog_mut(who, key)
            {
                dialog.keep_late_answer((Method::Message, *cseq), bytes.clone());
            }
            net.wire.respond(step, asker.server, answer.status, bytes);
        }
    }

    /// Schedules the copies to second addresses, for phones that do not respond at their first address within a second.
    fn await_seconds(&mut self, step: &mut Step, id: TextId, seconds: Seconds) {
        let now = step.now;
        let Some(text) = self.texts.all.get_mut(&id).filter(|_| !seconds.is_empty()) else { return };
        let at = now.mono + SECOND_INVITE_AFTER;
        (text.seconds, text.seconds_at) = (seconds, Some(at));
        step.timers.insert(at, TimerKind::TextAgain(id));
    }

    pub(in crate::switchboard) fn text_again(&mut self, net: &mut NetworkParts, step: &mut Step, id: TextId) {
        let Some(text) = self.texts.all.get_mut(&id) else { return };
        text.seconds_at = None;
        let waiting: Vec<_> = text.asked.iter().filter_map(|(client, phone)| Some((*client, phone.clone()?))).collect();
        for first in waiting {
            self.send_text_again(net, step, id, first);
        }
    }

    pub(in crate::switchboard) fn send_text_again(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: TextId,
        (first, phone): (ClientId, BoundPhone),
    ) {
        let second = self.texts.all.get_mut(&id).and_then(|text| text.seconds.remove(&first));
        let sent = second.and_then(|second| net.wire.send_second(step, Method::Message, &second, Purpose::Message(id)));
        if let (Some(client), Some(text)) = (sent, self.texts.all.get_mut(&id)) {
            text.asked.insert(client, Some(phone));
        }
    }

    /// Sends a text to all phones of an operator. Errors: 480 if no phone is registered, 413 if the text is too long
    /// for every phone, 503 if no transaction is free.
    fn send_text(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        to: &OperatorId,
        letter: &Letter<'_>,
    ) -> Result<(PendingTexts, Seconds), u16> {
        let crowded = net.wire.transactions_open() >= self.settings.guard.crowded_at;
        if crowded || self.texts.all.len() >= TEXTS_MAX {
            return Err(503);
        }
        let phones: Vec<Reached> =
            net.phones.phone_accounts(to).flat_map(|account| net.phones.phones_of_account(account)).collect();
        if phones.is_empty() {
            return Err(480);
        }
        let (mut asked, mut seconds, mut refusal) = (PendingTexts::new(), Seconds::new(), 413);
        let address = format!("<sip:{to}@{}>", self.settings.site.domain);
        for Reached { phone, addresses } in phones {
            let (branch, call_id) = (format!("z9hG4bK{}", step.rng.token()), step.rng.token());
            let second = addresses.second.map(|flow| (flow, format!("z9hG4bK{}", step.rng.token())));
            let build = |flow: Flow, branch: &str| {
                let request = message::request(Method::Message, &crate::sip::uri::for_request_line(&phone.uri))
                    .via(flow.transport, self.settings.site.advertised(flow), branch)
                    .header(Name::MaxForwards, letter.hops.to_string().as_bytes())
                    .header(Name::From, letter.from.as_bytes())
                    .header(Name::To, address.as_bytes())
                    .header(Name::CallId, call_id.as_str().as_bytes())
                    .header(Name::CSeq, b"1 MESSAGE");
                Some(letter.write(request).encode()).filter(|bytes| fits(flow, bytes))
            };
            let Some(bytes) = build(addresses.first, &branch) else { continue };
            let second =
                second.and_then(|(flow, branch)| Some(SecondRequest { bytes: build(flow, &branch)?, flow, branch }));
            let (flow, method) = (addresses.first, Method::Message);
            match net.wire.request(step, flow, method, &branch, bytes) {
                Some(first) => {
                    asked.insert(first, Some(phone));
                    seconds.extend(second.map(|second| (first, second)));
                }
                None => refusal = 503,
            }
        }
        if asked.is_empty() { Err(refusal) } else { Ok((asked, seconds)) }
    }

    pub(in crate::switchboard) fn await_answers(
        &mut self,
        net: &mut NetworkParts,
        taken: &IncomingRequest<'_, '_>,
        asked: PendingTexts,
        in_call: Option<InCall>,
    ) -> TextId {
        let stencil = ResponseTemplate::of(taken.message, taken.flow);
        self.expect_answers(net, Some(Asker { server: taken.server, stencil }), asked, in_call)
    }

    fn expect_answers(
        &mut self,
        net: &mut NetworkParts,
        asker: Option<Asker>,
        asked: PendingTexts,
        in_call: Option<InCall>,
    ) -> TextId {
        let clients: Vec<ClientId> = asked.keys().copied().collect();
        let id = self.texts.add(asker, asked, in_call);
        clients.into_iter().for_each(|client| net.wire.expect(client, Purpose::Message(id)));
        id
    }
}

impl Answer {
    /// The parts of a phone's response that are returned to the sender. A redirection or challenge becomes 480, since
    /// the sender could not follow it.
    pub(in crate::switchboard) fn of(message: &Message<'_>, status: u16) -> Self {
        let status = if matches!(status, 300..=399 | 401 | 407) { 480 } else { status };
        let told = [Name::Accept, Name::RetryAfter, Name::Unsupported];
        let header = |name| Some((name, Bytes::copy_from_slice(message.first(name)?)));
        let headers = if status < 300 { Vec::new() } else { told.into_iter().filter_map(header).collect() };
        Self { status, headers }
    }

    /// The rank of a response, lower is better: 2xx, then 6xx, which applies to all phones, then the lowest status
    /// (RFC 3261 §16.7).
    pub(in crate::switchboard) const fn rank(&self) -> u16 {
        match self.status {
            600.. => 300,
            status => status,
        }
    }
}

/// True if a MESSAGE may be sent over this flow. Over UDP it must fit into one packet (RFC 3428 §8).
pub(in crate::switchboard) fn fits(flow: Flow, bytes: &Bytes) -> bool {
    flow.transport != Transport::Udp || bytes.len() <= DATAGRAM_BYTES_MAX
}

/// A quoted display name.
fn display(name: &str) -> String {
    let name: String = name.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
    format!("\"{name}\" ")
}
