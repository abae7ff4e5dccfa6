//! Incoming emergency calls: turns an INVITE of a trunk or phone into a call.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::cdr::fact::{EndCause, FactKind, Side};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::limits::CALLS_KEPT_MAX;
use crate::sip::dialog::Dialog;
use crate::sip::flow::{Flow, Transport};
use crate::sip::guard::Reason;
use crate::sip::location::{Location, Shape};
use crate::sip::message::ResponseTemplate;
use crate::sip::offer_answer::Agreed;
use crate::sip::sdp::{AudioCodec, AudioDescription, Direction, Local, SdpError, StreamPositions};
use crate::sip::wire::{Message, Name};
use crate::sip::{caller_number, location, offer_answer, option_tag, sdp};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::desks::desk_of;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::CallerLeg;
use crate::switchboard::calls::offer::user_part;
use crate::switchboard::calls::state::call::{Call, Caller, CallersInvite, MAX_FORWARDS};
use crate::switchboard::calls::state::callers::NumberHistory;
use crate::switchboard::calls::state::times::Times;
use crate::switchboard::ids::{LegRef, MergeKey};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::rejection::Rejected;
use crate::switchboard::session::Session;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::session::state::incoming::IncomingInvite;
use crate::switchboard::settings::AnswerMode;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::trunks::called::Called;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use crate::switchboard::wire::text::clean;

/// The legs to which a header field of the caller's INVITE is copied. The record stores it in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// Not copied: it describes the telco's network, or phones cannot use it.
    NoLeg,
    /// Copied to legs to trunks, where the called party may need the origin of the call.
    Onward,
    /// Copied to legs to trunks and to operators' phones.
    All,
}

const KEPT: [(Name, Passed); 10] = [
    (Name::HistoryInfo, Passed::Onward),
    (Name::Diversion, Passed::Onward),
    (Name::Privacy, Passed::Onward),
    (Name::CallInfo, Passed::NoLeg),
    (Name::Geolocation, Passed::NoLeg),
    (Name::PAccessNetworkInfo, Passed::All),
    (Name::PCalledPartyId, Passed::NoLeg),
    (Name::PChargingVector, Passed::NoLeg),
    (Name::PPreferredIdentity, Passed::NoLeg),
    (Name::PVisitedNetworkId, Passed::NoLeg),
];

/// Maximum number of raw header fields that are stored for one call, and of characters of each.
const KEPT_MAX: usize = 32;
pub(in crate::switchboard) const KEPT_CHARS_MAX: usize = 512;

/// The origin of an emergency call.
pub(in crate::switchboard) enum Origin {
    Trunk(usize),
    /// A phone of the centre, with its authenticated account.
    Phone(OperatorId),
}

impl Calls {
    /// Handles an INVITE of a trunk outside a dialog.
    pub(in crate::switchboard) fn invited(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        trunk: usize,
    ) {
        let (called, prefixed) = match net.trunks.called(taken.message, trunk) {
            Called::Emergency { called, prefixed } => (called, prefixed),
            Called::Test => return self.test_call(net, step, taken),
            Called::Unknown => {
                return net.trunks.reject_call(&mut net.wire, step, taken, Some(trunk), Rejected::UnknownNumber, 404);
            }
        };
        self.receive_call(net, step, taken, &Origin::Trunk(trunk), (called, prefixed));
    }

    /// Starts an emergency call: creates its record, assigns a port and enqueues it.
    pub(in crate::switchboard) fn receive_call(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        origin: &Origin,
        (called, prefixed): (String, bool),
    ) {
        let now = step.now;
        let trunk = match origin {
            Origin::Trunk(trunk) => Some(*trunk),
            Origin::Phone(_) => None,
        };
        let key = merge_key(taken.message);
        if net.wire.has_call(&key) {
            return net.trunks.reject_call(&mut net.wire, step, taken, trunk, Rejected::Repeated, 482);
        }
        let is_full = self.live_calls >= self.settings.calls.max || self.calls.len() >= CALLS_KEPT_MAX;
        if is_full {
            net.admission.guard.count(Reason::Overload);
        }
        let has_room = trunk.is_none_or(|trunk| net.trunks.has_room(trunk));
        let full = [
            (self.service_state.draining, Rejected::Draining),
            (is_full, Rejected::SiteFull),
            (!has_room, Rejected::TrunkFull),
        ];
        if let Some((_, reason)) = full.into_iter().find(|(is_so, _)| *is_so) {
            return net.trunks.reject_call(&mut net.wire, step, taken, trunk, reason, 503);
        }
        let tag = step.rng.token();
        let source = uri_of(taken.flow);
        let dialog = match Dialog::of_emergency_call(taken.message, tag.as_str(), &source) {
            Ok(dialog) => dialog,
            Err(fault) => {
                net.trunks.report_fault(step, taken.flow, taken.message, fault);
                return net.wire.reply(step, taken, fault.status, &[]);
            }
        };
        trunk.into_iter().for_each(|trunk| net.trunks.report_ignored_extensions(step, taken.message, trunk));
        let id = CallId::new(now.wall, &mut step.rng);
        let stencil = ResponseTemplate::of(taken.message, taken.flow);
        net.wire.respond(step, taken.server, 100, stencil.response(100, None).encode());
        let locations = location::read(taken.message);
        let (shown, known) = self.caller_of(now, taken.message, &locations, origin);
        let invite = IncomingInvite::new(net, step, taken, stencil, tag);
        let mut call = self.new_call(step, taken, (invite, dialog), shown, key.clone());
        let desk = desk_of(&self.settings.numbers.desks, &called);
        call.shown.service = self.service_shown(desk, &called);
        // A flagged number only gets a lower priority. No number is ever rejected.
        call.waiting.assign(desk, if known.prank { self.settings.callers.prank_penalty } else { 0 });
        let received = match origin {
            Origin::Trunk(trunk) => self.received(taken.message, *trunk, called, prefixed),
            Origin::Phone(account) => self.received_from(account, taken.message, called),
        };
        step.timers.insert(call.times.over_at(), TimerKind::TooLong(id));
        self.numbers.numbers_in_call.add(call.shown.number.as_deref());
        self.add_call(id, call);
        net.wire.hold_stream(id, taken.flow);
        if let Some(session) = self.session_mut(LegRef::Caller(id)) {
            session.look_up(net, step, LegRef::Caller(id));
        }
        net.wire.note_call(key, id);
        net.wire.await_final(taken.server, LegRef::Caller(id));
        self.fact(net, step, id, received);
        match origin {
            Origin::Trunk(trunk) => net.trunks.reserve_channel(*trunk, LegRef::Caller(id)),
            Origin::Phone(account) => self.begin_internal(net, now, id, account),
        }
        self.tell_known(net, step, id, known);
        for location in locations {
            self.fact(net, step, id, FactKind::Located { location });
        }
        self.admit(net, step, id, taken.message);
    }

    /// The caller's display data, and the history of the number.
    fn caller_of(
        &mut self,
        now: Now,
        message: &Message<'_>,
        locations: &[Location],
        origin: &Origin,
    ) -> (Caller, NumberHistory) {
        let trunk = match origin {
            Origin::Trunk(trunk) => *trunk,
            Origin::Phone(account) => {
                let shown = shown(message, locations, "");
                return (Caller { number: Some(account.to_string()), ..shown }, NumberHistory::default());
            }
        };
        let mut shown = shown(message, locations, self.country_of(trunk));
        let known = self.knows(now, shown.number.as_deref());
        shown.notice = self.notice_of(known);
        (shown, known)
    }

    fn received(&self, message: &Message<'_>, trunk: usize, called: String, prefixed: bool) -> FactKind {
        let mut headers = Vec::new();
        let country = self.country_of(trunk);
        let raw = [
            ("P-Asserted-Identity", Name::PAssertedIdentity, caller_number::asserted(message)),
            ("From", Name::From, caller_number::presented(message)),
        ];
        let [asserted, presented] = raw.map(|(text, name, raw)| {
            let known = raw.clone().map(|raw| known_as(raw, country));
            if known.is_none() || known != raw || message.is_replaced(name) {
                headers
                    .extend(message.as_it_came(name).map(|whole| format!("{text}: {}", clean(whole, KEPT_CHARS_MAX))));
            }
            known
        });
        // A value that siaga normalises is also stored as received, before the other header fields.
        if prefixed {
            headers.push(format!("Request-URI: {}", clean(message.request_uri().unwrap_or_default(), KEPT_CHARS_MAX)));
        }
        let required = message.lines(Name::Require).take(KEPT_MAX).filter(|_| has_unknown_extension(message));
        headers.extend(required.map(|value| format!("Require: {}", clean(value, KEPT_CHARS_MAX))));
        for (name, _) in KEPT {
            for value in message.lines(name).take(KEPT_MAX) {
                headers.push(format!("{}: {}", name.as_str(), clean(value, KEPT_CHARS_MAX)));
            }
        }
        for (kind, body) in location::ignored(message) {
            let (kind, body) = (clean(kind.as_bytes(), 128), clean(body.as_bytes(), KEPT_CHARS_MAX));
            headers.push(format!("Content-Type: {kind} (body, not read): {body}"));
        }
        headers.truncate(KEPT_MAX);
        FactKind::Received {
            mode: self.acd.mode(),
            trunk: self.settings.trunks.get(trunk).map(|trunk| trunk.name.clone()).unwrap_or_default(),
            asserted,
            presented,
            called,
            sip_call_id: clean(message.call_id().unwrap_or_default(), KEPT_CHARS_MAX),
            headers,
            internal: None,
        }
    }

    /// Assigns a port, writes the SDP answer and enqueues the call.
    fn admit(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, message: &Message<'_>) {
        let is_admitted = match self.is_at_reserve(net, id, message) {
            true => self.keep_offer(net, step, id, message),
            false => self.describe_caller(net, step, id, message),
        };
        if !is_admitted {
            return;
        }
        self.begin_dialog(net, id);
        self.enter_queue(net, step, id);
        self.waits_without_port(id);
        if self.settings.calls.answer == AnswerMode::Queue && !self.without_port.contains(&id) {
            self.answer_caller(net, step, id);
        }
        self.announcements_due.push(id);
    }

    /// Indexes the caller's dialog, so that requests in it reach the call.
    pub(in crate::switchboard) fn begin_dialog(&mut self, net: &mut NetworkParts, id: CallId) {
        if let Some(dialog) = self.calls.get(&id).and_then(|call| call.caller.session.dialog()) {
            net.wire.bind(dialog.key().clone(), LegRef::Caller(id));
        }
    }

    /// Assigns a port to the new call and writes its SDP. Returns false if that is not possible; the call has then ended.
    pub(in crate::switchboard) fn describe_caller(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        message: &Message<'_>,
    ) -> bool {
        let ending = match self.lend_described(net, step, id, location::session_description(message)) {
            Ok(true) => return true,
            Ok(false) => Ending::by(Side::Service, EndCause::NoCapacity),
            Err(why) => Ending::unusable_sdp(why),
        };
        self.end_call(net, step, id, ending);
        false
    }

    /// Assigns a port to the caller and writes the answer to this offer, or an offer. Returns false if no port is free.
    pub(in crate::switchboard) fn lend_described(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        offer: Option<&[u8]>,
    ) -> Result<bool, SdpError> {
        let who = LegRef::Caller(id);
        let offer = offer.map(|body| (body, self.settings.media.read_offer(body)));
        let read = offer.as_ref().and_then(|(_, read)| read.as_ref().ok());
        let Some(sender) = self.session(who).map(|session| session.flow().remote.ip()) else { return Ok(false) };
        let Some(mut media) = MediaSession::lend_for(&mut net.media, step, who, read, sender) else { return Ok(false) };
        media.set_formats(net.trunks.formats_of_leg(who));
        let Described { body, agreed, places, offers } = match describe(offer, media.local()) {
            Ok(described) => described,
            Err(why) => {
                net.media.return_anchor(step, media.anchor());
                return Err(why);
            }
        };
        let Some(call) = self.calls.get_mut(&id) else { return Ok(false) };
        call.caller.session.describe_invite(Bytes::from(body), offers);
        media.describe(places, agreed, offers);
        call.caller.session.set_media(media);
        Ok(true)
    }

    /// The caller's identity on outgoing legs: the number and, for displays, the location.
    pub(in crate::switchboard) fn shown_as(&self, id: CallId, to_trunk: bool) -> String {
        let shown = self.calls.get(&id).map(|call| &call.shown);
        let number = shown.and_then(|shown| shown.number.as_deref()).unwrap_or("anonymous");
        let location = shown.and_then(|shown| shown.location.as_deref());
        // Desk names and flags are not sent outside the centre.
        let call = self.calls.get(&id).filter(|_| !to_trunk);
        let [to, service, notice] = [
            call.and_then(|call| call.shown.rung_to.as_deref()),
            call.and_then(|call| call.shown.service.as_deref()),
            call.and_then(|call| call.shown.notice.as_deref()),
        ];
        let display = [to, service, Some(number), notice, location].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let display: String = display.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
        format!("\"{display}\" <sip:{}@{}>", user_part(number), self.settings.site.domain)
    }
}

/// The first SDP for a caller.
pub(in crate::switchboard) struct Described {
    body: Vec<u8>,
    agreed: Option<Agreed>,
    places: StreamPositions,
    /// The body is an offer; the answer comes in the ACK.
    pub(in crate::switchboard) offers: bool,
}

/// Answers the caller's offer. Without a readable offer, writes an offer. An offer without audio is answered with port 0; siaga offers
/// audio later by re-INVITE (RFC 3264 §5).
pub(in crate::switchboard) fn describe(
    offer: Option<(&[u8], Result<AudioDescription, SdpError>)>,
    local: Local,
) -> Result<Described, SdpError> {
    match offer {
        Some((_, Ok(offer))) => {
            let (body, agreed) = offer_answer::answer(&offer, local, None)?;
            Ok(Described { body, agreed: Some(agreed), places: StreamPositions::of(&offer), offers: false })
        }
        Some((body, Err(SdpError::NoAudio))) => {
            let (body, places) = sdp::refuse_all(body, local)?;
            Ok(Described { body, agreed: None, places, offers: false })
        }
        Some((_, Err(SdpError::Malformed))) | None => {
            let first = local.formats.first().unwrap_or(AudioCodec::Pcma);
            let places = StreamPositions::default();
            let body = sdp::write_offer(local, first, Direction::SendRecv, &places);
            Ok(Described { body, agreed: None, places, offers: true })
        }
        Some((_, Err(why @ (SdpError::NoCrypto | SdpError::NoCodec | SdpError::OtherFamily)))) => Err(why),
    }
}

pub(in crate::switchboard) fn merge_key(message: &Message<'_>) -> MergeKey {
    let tag = message.from().ok().and_then(|from| from.tag().map(|tag| Bytes::copy_from_slice(&tag)));
    let call_id = Bytes::copy_from_slice(message.call_id().unwrap_or_default());
    (tag.unwrap_or_default(), call_id, message.cseq().map_or(0, |cseq| cseq.number))
}

/// The URI of the host and port at the other end of a flow.
fn uri_of(flow: Flow) -> String {
    let transport = match flow.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    format!("sip:{}{transport}", SocketAddr::new(flow.remote.ip().to_canonical(), flow.remote.port()))
}

/// The number in E.164 if a country is set and the conversion is unambiguous; otherwise as received.
fn known_as(raw: String, country: &str) -> String {
    if country.is_empty() {
        return raw;
    }
    crate::sip::number::e164(&raw, country).unwrap_or(raw)
}

fn has_unknown_extension(message: &Message<'_>) -> bool {
    option_tag::not_understood(message).next().is_some()
}

/// The caller's display data for operators' phones.
pub(in crate::switchboard) fn shown(message: &Message<'_>, locations: &[Location], country: &str) -> Caller {
    let number = caller_number::of(message);
    let number = number.map(|raw| known_as(raw, country));
    let fields = |to: Passed| {
        let names = KEPT.into_iter().filter(move |(_, passed)| *passed == to).map(|(name, _)| name);
        names.flat_map(|name| message.lines(name).take(4).map(move |value| (name, value.to_vec()))).collect()
    };
    let (headers, headers_for_trunks) = (fields(Passed::All), fields(Passed::Onward));
    let best = locations.first();
    let location = best.map(Location::brief).filter(|text| !text.is_empty());
    let geo = locations.iter().find_map(|location| location.shape.as_ref()).map(geo_uri);
    Caller { number, location, headers, headers_for_trunks, geo, ..Caller::default() }
}

/// A `geo:` URI (RFC 5870 §3.3).
fn geo_uri(shape: &Shape) -> String {
    match shape {
        Shape::Point { latitude, longitude } => format!("<geo:{latitude},{longitude}>"),
        Shape::Circle { latitude, longitude, radius_m } => format!("<geo:{latitude},{longitude};u={radius_m}>"),
    }
}

impl Calls {
    /// A new call with its caller's leg.
    pub(in crate::switchboard) fn new_call(
        &self,
        step: &Step,
        taken: &IncomingRequest<'_, '_>,
        (invite, dialog): (IncomingInvite, Dialog),
        shown: Caller,
        merge_key: MergeKey,
    ) -> Call {
        let mut session = Session::of_caller(taken.flow, dialog, invite);
        session.read_allow(taken.message);
        let hops = taken.message.number(Name::MaxForwards).ok().flatten().unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS);
        let times = Times::new(step.now, step.now.mono + self.settings.calls.long_call);
        Call::new(times, CallerLeg::new(session), shown, CallersInvite { merge_key, hops })
    }
}
