//! Responses to the requests of a transaction.

use crate::limits::TEXT_BYTES_MAX;
use crate::sip::header::Via;
use crate::sip::message::Stencil;
use crate::sip::sdp::SdpError;
use crate::sip::wire::{Message, Name};
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Step, Wire};

impl Wire {
    /// Answers a request through its transaction.
    pub(in crate::switchboard) fn reply(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        status: u16,
        headers: &[(Name, &[u8])],
    ) {
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

impl Wire {
    pub(in crate::switchboard) fn reply_with_tag(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        status: u16,
        tag: &str,
    ) {
        let now = step.now;
        let response = Stencil::of(taken.message, taken.flow).response(status, Some(tag)).encode();
        self.transactions.respond(now.mono, taken.server, status, response, &mut step.out.transmits);
    }
}

impl Wire {
    /// The status that a request gets which has lost its way.
    ///
    /// 482: one of its Via carries the branch of a request of ours that is under way, so it has come back (RFC 3261 §16.3
    /// item 4); the branch alone tells, since another machine may bear our private address.
    /// 403: its Route wants it carried on to somebody else (RFC 3261 §16.4), and we relay for nobody. The first Route has led
    /// here, whatever name it uses, and is taken off; so are those that name us. A trunk's Routes are stepped over: a leftover
    /// of the telco's own routing is no reason to refuse an emergency call.
    /// Never 483: Max-Forwards counts hops, and none follow after us (RFC 3261 §16.3 item 3 speaks of proxies). What we send
    /// on behalf of a caller takes his count along (RFC 7332 §4).
    pub(in crate::switchboard) fn astray(&mut self, message: &Message<'_>, of_trunk: bool) -> Option<u16> {
        let method = message.method()?;
        let mut vias = message.list(Name::Via).filter_map(|via| Via::parse(via).ok());
        let returned =
            vias.any(|via| via.branch().is_some_and(|branch| self.transactions.is_under_way(method, &branch)));
        if returned {
            return Some(482);
        }
        let elsewhere = !of_trunk && message.list(Name::Route).skip(1).any(|route| !self.settings.names_us(route));
        elsewhere.then_some(403)
    }
}

impl Wire {
    /// Rejects a REFER; its dialog continues.
    pub(in crate::switchboard) fn reject_refer(&mut self, step: &mut Step, taken: &Taken<'_, '_>, status: u16) {
        self.reply(step, taken, of_request_only(status, 403), &[]);
    }
}

impl Wire {
    /// 500 with a Retry-After between 0 and 10 s (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(in crate::switchboard) fn reply_later(&mut self, step: &mut Step, taken: &Taken<'_, '_>) {
        let seconds = step.rng.below(11).to_string();
        self.reply(step, taken, 500, &[(Name::RetryAfter, seconds.as_bytes())]);
    }

    /// 200 with our Contact, and a description where there is one.
    pub(in crate::switchboard) fn reply_described(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        body: Option<&[u8]>,
        headers: &[(Name, &[u8])],
    ) {
        let now = step.now;
        let bytes = self.settings.describe_response(taken, body, headers);
        self.transactions.respond(now.mono, taken.server, 200, bytes, &mut step.out.transmits);
    }
}

impl Wire {
    pub(in crate::switchboard) fn refuse_text(&mut self, step: &mut Step, taken: &Taken<'_, '_>, status: u16) {
        match status {
            503 => self.reply(step, taken, 503, &[(Name::RetryAfter, b"5")]),
            _ => self.reply(step, taken, status, &[]),
        }
    }

    /// Refuses what is too long (413), or has a body of no type (415).
    pub(in crate::switchboard) fn is_fit(&mut self, step: &mut Step, taken: &Taken<'_, '_>) -> bool {
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

/// Gives `status` if a response with it concerns its request only, else `otherwise`. Other statuses end the dialog or one of its usages
/// (RFC 5057 §5.1): at 404, 408, 416 and 481 clients end their calls.
pub(in crate::switchboard) const fn of_request_only(status: u16, otherwise: u16) -> u16 {
    match status {
        200..=299 | 400 | 403 | 406 | 412..=415 | 420 | 421 | 486 | 488 | 491 | 493 | 503 | 513 | 600 | 603 | 606 => {
            status
        }
        _ => otherwise,
    }
}
