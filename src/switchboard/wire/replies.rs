//! Responses to the requests of a transaction.

use bytes::Bytes;

use crate::limits::TEXT_BYTES_MAX;
use crate::sip::dialog::DialogKey;
use crate::sip::event::ALLOW_EVENTS;
use crate::sip::header::Via;
use crate::sip::message::Stencil;
use crate::sip::sdp::SdpError;
use crate::sip::session_timer::SECONDS_MIN;
use crate::sip::wire::{Message, Method, Name, Parsed};
use crate::sip::{option_tag, reliable, wire};
use crate::switchboard::calls::called::Called;
use crate::switchboard::calls::dialogs::{SAID_AGAIN, of_request_only};
use crate::switchboard::calls::refresh::Agreement;
use crate::switchboard::calls::reliable::Reliable;
use crate::switchboard::ids::Who;
use crate::switchboard::subscriptions::watch::{TooBrief, seconds};
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Step, Wire};

impl Wire {
    /// Responds to the peer's last request that arrives again over another path: it changes nothing and gets the same response.
    pub(in crate::switchboard) fn answer_again(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        answer: Option<Bytes>,
    ) {
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

impl Wire {
    /// True for the INVITE of an emergency call, and for requests and responses that belong to a call.
    pub(in crate::switchboard) fn concerns_a_call(&mut self, message: &Message<'_>, trunk: usize) -> bool {
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
    /// The timer that a request of the peer leads to. None when it was refused with 422, which an emergency caller never is.
    pub(in crate::switchboard) fn agree_session(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
    ) -> Option<Agreement> {
        let (ours, lenient) = match who {
            Who::Caller(_) => (self.settings.session_seconds, true),
            Who::Offer(..) => (self.settings.session_seconds, false),
            // A service call is over before any timer.
            Who::Phone(_) => return Some(Agreement::NONE),
        };
        match crate::sip::session_timer::Terms::as_uas(taken.message, ours, lenient) {
            Ok(terms) => Some(Agreement(terms)),
            Err(_too_small) => {
                let least = SECONDS_MIN.to_string();
                self.reply(step, taken, 422, &[(Name::MinSe, least.as_bytes())]);
                None
            }
        }
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
    /// The state of reliable responses to this INVITE; None where they are not reliable.
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

impl Wire {
    /// 489 with what we know (RFC 6665 §4.2.1.1, §7.2).
    pub(in crate::switchboard) fn refuse_event(&mut self, step: &mut Step, taken: &Taken<'_, '_>) {
        self.reply(step, taken, 489, &[(Name::AllowEvents, ALLOW_EVENTS)]);
    }

    /// The interval that a SUBSCRIBE gets, zero for the end. None when it was refused (423, 400).
    pub(in crate::switchboard) fn granted(&mut self, step: &mut Step, taken: &Taken<'_, '_>) -> Option<u32> {
        match taken.message.number(Name::Expires).map(seconds) {
            Ok(Ok(seconds)) => return Some(seconds),
            Ok(Err(TooBrief)) => {
                let least = crate::switchboard::subscriptions::watch::SECONDS_MIN.to_string();
                self.reply(step, taken, 423, &[(Name::MinExpires, least.as_bytes())]);
            }
            Err(fault) => self.reply(step, taken, fault.status, &[]),
        }
        None
    }

    /// The 200 of a SUBSCRIBE.
    pub(in crate::switchboard) fn agree_to_watch(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        seconds: u32,
        tag: Option<&str>,
    ) {
        let now = step.now;
        let contact = self.settings.contact(taken.flow);
        let bytes = Stencil::of(taken.message, taken.flow)
            .response(200, tag)
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Expires, seconds.to_string().as_bytes())
            .header(Name::AllowEvents, ALLOW_EVENTS)
            .encode();
        self.transactions.respond(now.mono, taken.server, 200, bytes, &mut step.out.transmits);
    }
}
