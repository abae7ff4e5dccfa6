//! Responses that are sent through server transactions.

use bytes::Bytes;

use crate::limits::TEXT_BYTES_MAX;
use crate::sip::header::Via;
use crate::sip::message::{ALLOW, ResponseTemplate, SUPPORTED};
use crate::sip::sdp::SdpError;
use crate::sip::wire;
use crate::sip::wire::{Message, Name, Parsed};
use crate::switchboard::settings::Site;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// The header fields of the first response that are copied to a repeated response, besides those of every response.
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

impl Wire {
    /// Sends a response through the transaction of a request.
    pub(in crate::switchboard) fn reply(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        status: u16,
        headers: &[(Name, &[u8])],
    ) {
        let now = step.now;
        let tag = step.rng.token();
        let mut response = ResponseTemplate::of(taken.message, taken.flow).response(status, Some(tag.as_str()));
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        if status == 488 && headers.is_empty() {
            response = response.header(Name::Warning, SdpError::NoAudio.warning());
        }
        self.transactions.respond(now.mono, taken.server, status, response.encode(), &mut step.out.transmits);
    }

    pub(in crate::switchboard) fn reply_with_tag(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        status: u16,
        tag: &str,
    ) {
        let now = step.now;
        let response = ResponseTemplate::of(taken.message, taken.flow).response(status, Some(tag)).encode();
        self.transactions.respond(now.mono, taken.server, status, response, &mut step.out.transmits);
    }

    /// The status for a request that has looped or whose Route leads elsewhere; None for other requests.
    ///
    /// 482: a Via carries the branch of an outgoing request that is in progress, so that request has come back
    /// (RFC 3261 §16.3 item 4). Only the branch is compared, since another host may have the same private address.
    /// 403: a Route leads to another server (RFC 3261 §16.4); siaga relays requests for no one. The first Route has led
    /// here, whatever name it uses, and is ignored, as are Routes with an address or the domain of siaga. All Routes of
    /// a trunk's request are ignored, so that leftovers of the telco's routing never cause the rejection of an
    /// emergency call.
    /// Never 483: siaga is the last hop, and the Max-Forwards check is for proxies (RFC 3261 §16.3 item 3). Requests
    /// that siaga sends for a caller continue the caller's count (RFC 7332 §4).
    pub(in crate::switchboard) fn astray(&mut self, message: &Message<'_>, of_trunk: bool) -> Option<u16> {
        let method = message.method()?;
        let mut vias = message.list(Name::Via).filter_map(|via| Via::parse(via).ok());
        let returned =
            vias.any(|via| via.branch().is_some_and(|branch| self.transactions.is_under_way(method, &branch)));
        if returned {
            return Some(482);
        }
        let elsewhere = !of_trunk && message.list(Name::Route).skip(1).any(|route| !self.settings.site.names_us(route));
        elsewhere.then_some(403)
    }

    /// Rejects a REFER without ending its dialog.
    pub(in crate::switchboard) fn reject_refer(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        status: u16,
    ) {
        self.reply(step, taken, of_request_only(status, 403), &[]);
    }

    /// 500 with a Retry-After between 0 and 10 s (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(in crate::switchboard) fn reply_later(&mut self, step: &mut Step, taken: &IncomingRequest<'_, '_>) {
        let seconds = step.rng.below(11).to_string();
        self.reply(step, taken, 500, &[(Name::RetryAfter, seconds.as_bytes())]);
    }

    /// Sends 200 with siaga's Contact and, if `body` is given, an SDP body.
    pub(in crate::switchboard) fn reply_described(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        body: Option<&[u8]>,
        headers: &[(Name, &[u8])],
    ) {
        let now = step.now;
        let bytes = self.settings.site.describe_response(taken, body, headers);
        self.transactions.respond(now.mono, taken.server, 200, bytes, &mut step.out.transmits);
    }

    pub(in crate::switchboard) fn refuse_text(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        status: u16,
    ) {
        match status {
            503 => self.reply(step, taken, 503, &[(Name::RetryAfter, b"5")]),
            _ => self.reply(step, taken, status, &[]),
        }
    }

    /// Returns true if the text is acceptable. Otherwise it is rejected: 413 if it is too long, 415 if its body has no
    /// content type.
    pub(in crate::switchboard) fn is_fit(&mut self, step: &mut Step, taken: &IncomingRequest<'_, '_>) -> bool {
        let message = taken.message;
        let kind = message.first(Name::ContentType).unwrap_or_default();
        let has_kind = kind.iter().position(|byte| *byte == b'/').is_some_and(|at| at > 0);
        if message.body.len() > TEXT_BYTES_MAX {
            self.reply(step, taken, 413, &[]);
        } else if !message.body.is_empty() && !has_kind {
            self.reply(step, taken, 415, &[(Name::Accept, b"text/plain, */*;q=0.1")]);
        } else {
            return true;
        }
        false
    }
}

impl Site {
    /// A 200 with siaga's Contact and, if `body` is given, an SDP body.
    pub(in crate::switchboard) fn describe_response(
        &self,
        taken: &IncomingRequest<'_, '_>,
        body: Option<&[u8]>,
        headers: &[(Name, &[u8])],
    ) -> Bytes {
        let contact = self.contact(taken.flow);
        let mut response = ResponseTemplate::of(taken.message, taken.flow)
            .response(200, None)
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        match body {
            Some(body) => response.body("application/sdp", body).encode(),
            None => response.encode(),
        }
    }
}

impl Wire {
    /// Responds to the peer's last request that arrives again over another path: it changes nothing and gets the same response.
    pub(in crate::switchboard) fn answer_again(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        answer: Option<Bytes>,
    ) {
        let now = step.now;
        let Some(answer) = answer else { return self.reply_later(step, taken) };
        let (Parsed::Good(last) | Parsed::Bad(last, _)) = wire::parse(&answer) else { return };
        let Some(status) = last.status() else { return };
        let mut response = ResponseTemplate::of(taken.message, taken.flow).response(status, None);
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

/// Returns `status` if a response with it affects only its request, otherwise `otherwise`. Other statuses end the
/// dialog or one of its usages (RFC 5057 §5.1): clients end their calls after 404, 408, 416 and 481.
pub(in crate::switchboard) const fn of_request_only(status: u16, otherwise: u16) -> u16 {
    match status {
        200..=299 | 400 | 403 | 406 | 412..=415 | 420 | 421 | 486 | 488 | 491 | 493 | 503 | 513 | 600 | 603 | 606 => {
            status
        }
        _ => otherwise,
    }
}
