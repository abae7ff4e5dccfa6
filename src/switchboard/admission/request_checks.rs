//! Header fields of responses, and the checks of requests from the network. Unknown sources cause no state.

use crate::sip::dialog::CSEQ_END;
use crate::sip::event::ALLOW_EVENTS;
use crate::sip::flow::{Flow, Transmit};
use crate::sip::location::Unreadable;
use crate::sip::message::{ResponseTemplate, refusal_flow};
use crate::sip::transaction::{Received, ServerId};
use crate::sip::uri::Uri;
use crate::sip::wire::{Fault, Message, Method, Name};
use crate::sip::{location, option_tag};
use crate::switchboard::admission::Admission;
use crate::switchboard::output::rejection::Rejected;
use crate::switchboard::phones::Phones;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::incoming_request::IncomingRequest;

pub(in crate::switchboard) use crate::sip::message::{ALLOW, SUPPORTED};

/// The accepted body types: SDP, DTMF digits and texts, which may have any type.
pub(in crate::switchboard) const ACCEPT: &[u8] =
    b"application/sdp, application/dtmf-relay, application/dtmf, text/plain, */*;q=0.1";

/// The header fields of the 200 to OPTIONS (RFC 3261 §11.2).
pub(in crate::switchboard) const ABILITIES: [(Name, &[u8]); 6] = [
    (Name::Allow, ALLOW),
    (Name::AllowEvents, ALLOW_EVENTS),
    (Name::Supported, SUPPORTED),
    (Name::Accept, ACCEPT),
    (Name::AcceptEncoding, b"identity"),
    (Name::AcceptLanguage, b"id, en"),
];

/// The header fields of a 415 to an INVITE or UPDATE: the supported bodies (RFC 3261 §21.4.13).
pub(in crate::switchboard) const READABLE: [(Name, &[u8]); 2] =
    [(Name::Accept, b"application/sdp, multipart/mixed, application/pidf+xml"), (Name::AcceptEncoding, b"identity")];

/// The shorter form of `READABLE` for sources that may be forged.
const READABLE_SHORT: [(Name, &[u8]); 1] = [(Name::Accept, b"application/sdp")];

impl Admission {
    /// Opens a server transaction. Returns None for a repetition, and if the table is full (503 has then been sent).
    pub(in crate::switchboard) fn open_transaction(
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
                    trunks.report_rejection(step, flow, message, Some(trunk), Rejected::Overload, (503, None));
                }
                self.refuse(step, flow, message, 503, &[(Name::RetryAfter, b"5")]);
                None
            }
            Received::Cancel { .. } | Received::Ack | Received::Absorbed => None,
        }
    }

    /// Sends a final response to a sender without correct credentials and keeps no state (RFC 3261 §26.3.2.4).
    pub(in crate::switchboard) fn reply_and_forget(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        status: u16,
        headers: &[(Name, &[u8])],
    ) {
        let now = step.now;
        let tag = self.stateless_tags.of(taken.message);
        let response = ResponseTemplate::of(taken.message, taken.flow).response(status, Some(&tag));
        let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, value));
        wire.transactions.refuse(now.mono, taken.server, status, response.encode(), &mut step.out.transmits);
    }

    /// Responds without state to a request that names an unknown dialog or INVITE, since every host can send one (RFC 3261 §8.2.7,
    /// §26.3.2.4). Under overload there is no response.
    pub(in crate::switchboard) fn respond_statelessly(
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

    /// Sends a response without keeping state.
    pub(in crate::switchboard) fn refuse(
        &mut self,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        status: u16,
        headers: &[(Name, &[u8])],
    ) {
        let tag = self.stateless_tags.of(message);
        let mut response = ResponseTemplate::of(message, flow).response(status, Some(&tag));
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        if let Some(flow) = refusal_flow(flow, message) {
            step.out.transmits.push(Transmit { flow, bytes: response.encode() });
        }
    }

    pub(in crate::switchboard) fn refuse_fault(
        &mut self,
        phones: &mut Phones,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        fault: Fault,
    ) {
        let tag = self.stateless_tags.of(message);
        let mut response = ResponseTemplate::of(message, flow).response(fault.status, Some(&tag)).reason(fault.why);
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

/// Checks a request outside a dialog, independent of its method (RFC 3261 §8.2.2, §8.2.3).
/// An emergency call from a trunk or a phone of the centre is not rejected for a required extension, nor for an
/// unreadable body. Exception: a compressed body, which may contain the offer, gets 415. If its Request-URI is
/// malformed, the called number is read from To.
pub(in crate::switchboard) fn general_fault(
    message: &Message<'_>,
    method: Method,
    is_emergency: bool,
) -> Option<Fault> {
    let uri = message.request_uri().unwrap_or_default();
    match Uri::parse(uri) {
        Ok(Uri::Other { .. }) => return Some(Fault { status: 416, why: "Unsupported URI Scheme" }),
        Err(_) if is_emergency => {}
        Err(_) => return Some(Fault { status: 400, why: "Malformed Request-URI" }),
        Ok(Uri::Sip(_) | Uri::Tel { .. } | Uri::Service(_)) => {}
    }
    // An emergency call is accepted despite these errors.
    if !is_emergency && message.cseq().is_ok_and(|cseq| cseq.number >= CSEQ_END) {
        return Some(Fault { status: 400, why: "CSeq" });
    }
    if !is_emergency && option_tag::not_understood(message).next().is_some() {
        return Some(Fault { status: 420, why: "Bad Extension" });
    }
    let unread = method == Method::Invite && is_unsupported(message, is_emergency);
    unread.then_some(Fault { status: 415, why: "Unsupported Media Type" })
}

/// True if a request gets 415 for its body. If `any_kind` is true, a body of an unknown type is ignored.
pub(in crate::switchboard) fn is_unsupported(message: &Message<'_>, any_kind: bool) -> bool {
    match location::unreadable(message) {
        Some(Unreadable::Encoded) => true,
        Some(Unreadable::Kind) => !any_kind,
        None => false,
    }
}
