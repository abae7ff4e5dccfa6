//! Reports every INVITE that is rejected before it becomes a call, with the setting that would accept it.

use crate::switchboard::output::Output;
use crate::switchboard::output::rejection::{Rejected, Rejection};
use crate::switchboard::phones::Phones;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use crate::switchboard::wire::text::clean;

use crate::acd::section::is_dialable;
use crate::sip::flow::Flow;
use crate::sip::header::NameAddr;
use crate::sip::uri::Uri;
use crate::sip::wire::{Fault, Message, Method, Name};
use crate::sip::{caller_number, option_tag};

/// Maximum length of a called number or a list of option tags, in characters; the rest is cut off.
const CHARS_MAX: usize = 128;

impl Trunks {
    /// Rejects the INVITE of an emergency call and reports it.
    pub(in crate::switchboard) fn reject_call(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        trunk: Option<usize>,
        reason: Rejected,
        status: u16,
    ) {
        self.report_rejection(step, taken.flow, taken.message, trunk, reason, (status, None));
        match status {
            503 => wire.reply(step, taken, status, &[(Name::RetryAfter, b"5")]),
            _ => wire.reply(step, taken, status, &[]),
        }
    }

    /// Reports an error in a trunk's INVITE; other requests are ignored.
    pub(in crate::switchboard) fn report_fault(
        &mut self,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        fault: Fault,
    ) {
        if message.method() == Some(Method::Invite)
            && let Some(trunk) = self.trunk_of(flow)
        {
            let reason = Rejected::of(fault);
            self.report_rejection(step, flow, message, Some(trunk), reason, (fault.status, Some(fault.why)));
        }
    }

    /// Reports an INVITE to a number of this site from an address without a trunk or a registered phone.
    pub(in crate::switchboard) fn report_unknown_peer(
        &mut self,
        phones: &mut Phones,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
    ) {
        let called = called_user(message);
        let ours = called == self.settings.numbers.emergency
            || called.starts_with("urn:service:sos")
            || self.settings.numbers.is_desk_number(called.as_bytes())
            || self.settings.numbers.missing_prefix(&called).is_some();
        if ours && !phones.registrar.has_binding_at(flow.remote.ip()) {
            self.report_rejection(step, flow, message, None, Rejected::UnknownPeer, (401, None));
        }
    }

    /// Reports one rejected INVITE.
    pub(in crate::switchboard) fn report_rejection(
        &mut self,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        trunk: Option<usize>,
        reason: Rejected,
        (status, why): (u16, Option<&'static str>),
    ) {
        let trunk = trunk.and_then(|trunk| self.settings.trunks.get(trunk)).map(|trunk| trunk.name.clone());
        let (source, called) = (flow.remote.ip().to_canonical(), called_user(message));
        let name = trunk.as_deref().unwrap_or_default();
        let setting = match reason {
            Rejected::UnknownNumber => match self.settings.numbers.missing_prefix(&called) {
                Some(prefix) => Some(format!("called = [{prefix:?}] in the [[trunk]] with name = {name:?}")),
                None => number_setting(&called),
            },
            Rejected::UnknownPeer => Some(format!("peers = [\"{source}\"] in a [[trunk]]")),
            Rejected::ForeignHost => Some(format!("peers = [\"{source}\"] in the [[trunk]] with name = {name:?}")),
            Rejected::SiteFull => Some("a higher max_calls in [site]".to_owned()),
            Rejected::TrunkFull => Some(format!("a higher max_calls in the [[trunk]] with name = {name:?}")),
            Rejected::Malformed
            | Rejected::Scheme
            | Rejected::Body
            | Rejected::Repeated
            | Rejected::Overload
            | Rejected::Draining => None,
        };
        let caller = caller_number::of(message);
        let why = match reason {
            Rejected::UnknownNumber if called.is_empty() => Some("the Request-URI has no number"),
            Rejected::UnknownNumber
            | Rejected::UnknownPeer
            | Rejected::Malformed
            | Rejected::Scheme
            | Rejected::Body
            | Rejected::Repeated
            | Rejected::SiteFull
            | Rejected::TrunkFull
            | Rejected::Overload
            | Rejected::Draining
            | Rejected::ForeignHost => why,
        };
        let rejection = Rejection { reason, status, source, trunk, called, caller, why, setting };
        step.say(Output::Rejected(rejection));
    }

    /// Reports an error in a trunk's INVITE that is ignored.
    pub(in crate::switchboard) fn report_ignored_error(
        &mut self,
        step: &mut Step,
        message: &Message<'_>,
        trunk: usize,
        why: &'static str,
    ) {
        if message.method() != Some(Method::Invite) {
            return;
        }
        let trunk = self.settings.trunks.get(trunk).map(|trunk| trunk.name.clone()).unwrap_or_default();
        step.say(Output::Ignored { trunk, what: why.to_owned() });
    }

    /// Reports unsupported extensions that a trunk's INVITE requires. The call is accepted without them.
    pub(in crate::switchboard) fn report_ignored_extensions(
        &mut self,
        step: &mut Step,
        message: &Message<'_>,
        trunk: usize,
    ) {
        let tags: Vec<&[u8]> = option_tag::not_understood(message).collect();
        if tags.is_empty() {
            return;
        }
        let trunk = self.settings.trunks.get(trunk).map(|trunk| trunk.name.clone()).unwrap_or_default();
        let what = format!("Require: {}", clean(&tags.join(&b", "[..]), CHARS_MAX));
        step.say(Output::Ignored { trunk, what });
    }
}

/// The settings that can have `called` as a number; None if no setting can.
fn number_setting(called: &str) -> Option<String> {
    let digits = (2..=15).contains(&called.len()) && called.bytes().all(|byte| byte.is_ascii_digit());
    let desk = is_dialable(called).then(|| format!("numbers = [{called:?}] in a [[desk]]"));
    let site = digits.then(|| format!("number = {called:?} in [site]"));
    let keys: Vec<String> = desk.into_iter().chain(site).collect();
    (!keys.is_empty()).then(|| keys.join(", or "))
}

/// The user part, number or service of the Request-URI; the start of the URI if it cannot be parsed.
fn called_user(message: &Message<'_>) -> String {
    let uri = message.request_uri().unwrap_or_default();
    match Uri::parse(uri) {
        Ok(Uri::Service(service)) => format!("urn:service:{service}"),
        Ok(read) => clean(&read.user().unwrap_or_default(), CHARS_MAX),
        Err(_) => clean(NameAddr::parse(uri).map_or(uri, |address| address.uri), CHARS_MAX),
    }
}
