//! Ring attempts: legs to operators' phones and outside numbers, from INVITE to answer or failure.

use bytes::Bytes;

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::clock::{Instant, Now};
use crate::ids::{CallId, OperatorId};
use crate::limits::LIVE_LEGS_PER_CALL_MAX;
use crate::sip::flow::Flow;
use crate::sip::locate::Target;
use crate::sip::sdp::AudioCodec;
use crate::sip::uri::for_request_line;
use crate::sip::wire::{Method, Name};
use crate::sip::{message, session_timer};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OfferLeg, OfferState, Rung};
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::call_back::CallBack;
use crate::switchboard::calls::unheard::RESPONSE_WITHIN;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::ways::{SECOND_WAY_AFTER, SecondRequest, SecondWay};
use crate::switchboard::session::Session;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;

/// Limit of ringing legs up to which an operator's further phones ring. They are cancelled if another operator's leg
/// needs the capacity.
const SECOND_PHONES_UNTIL: usize = LIVE_LEGS_PER_CALL_MAX / 2;

/// A new leg before its INVITE is sent.
struct NewLeg {
    to: Callee,
    /// The phone to ring; None for a number over a trunk.
    reached: Option<Reached>,
    why: String,
    ring_until: Instant,
}

impl OfferLeg {
    pub(in crate::switchboard) fn operator(&self) -> Option<&OperatorId> {
        match &self.to {
            Callee::Operator(operator) => Some(operator),
            Callee::Number(_) => None,
        }
    }

    pub(in crate::switchboard) fn is_ringing(&self) -> bool {
        matches!(self.state, OfferState::Ringing { .. })
    }
}

impl Calls {
    /// Rings one operator for a waiting or ringing call. Legs that ring already are not affected.
    pub(in crate::switchboard) fn offer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: OperatorId,
        why: String,
    ) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return self.acd.leave(now, id);
        };
        // A fallback in progress continues in parallel.
        if !call.is_falling_back() {
            call.stage = Stage::Offered;
        }
        let ring_until = now.mono + self.settings.ring;
        if !self.ring_phones(net, step, id, &operator, &why, ring_until) {
            self.is_not_rung(net, now, id, &operator);
            self.requeue_unless_ringing(net, step, id);
        }
    }

    /// Ends a ring attempt for which no port, transaction or leg was free. It does not count against the operator.
    pub(in crate::switchboard) fn is_not_rung(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        id: CallId,
        operator: &OperatorId,
    ) {
        match self.family_lacking(net, id, operator) {
            Some(family) => self.acd.lacks_pair(now, id, operator, Some(family)),
            None => self.acd.offer_failed(now, id, operator, true),
        }
    }

    /// Rings all responding phones of an operator, as far as capacity allows. The first that answers gets the call. An
    /// open INVITE of this call is reused. Returns false if no phone rings.
    pub(in crate::switchboard) fn ring_phones(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: &OperatorId,
        why: &str,
        ring_until: Instant,
    ) -> bool {
        self.cancel_unheard_elsewhere(net, step, id, operator);
        if let Some(call) = self.calls.get_mut(&id) {
            call.heard_from.remove(operator);
        }
        let to = Callee::Operator(operator.clone());
        let mut rings = false;
        for (n, reached) in net.phones.phones_to_ring(operator).into_iter().enumerate() {
            let crowded = self.calls.get(&id).is_none_or(|call| call.ringing() >= SECOND_PHONES_UNTIL);
            let family = self.settings.family_towards(reached.ways.first.remote.ip());
            if rings && (crowded || !self.has_pair_to_spare(net, family)) {
                break;
            }
            rings |= self.take_up_unheard(net, step, id, &reached.phone, ring_until) || {
                let why = if n > 0 { format!("another phone of his: {why}") } else { why.to_owned() };
                self.ring_at(net, step, id, NewLeg { to: to.clone(), reached: Some(reached), why, ring_until })
            };
        }
        self.cancel_unheard_of_old_phones(net, step, id, operator);
        rings
    }

    /// True while another leg rings the same operator.
    pub(in crate::switchboard) fn rings_another_phone(&self, id: CallId, to: &Callee) -> bool {
        self.calls.get(&id).is_some_and(|call| call.legs.values().any(|leg| leg.is_ringing() && leg.to == *to))
    }

    /// Requeues the call after a leg has ended, if no other leg rings.
    pub(in crate::switchboard) fn requeue_unless_ringing(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
    ) {
        if self.calls.get(&id).is_some_and(|call| !call.rings() && !call.is_falling_back()) {
            self.back_to_queue(net, step, id);
        }
    }

    pub(in crate::switchboard) fn back_to_queue(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id).filter(|call| !call.is_over()) {
            call.stage = Stage::Queued;
            self.touched.push(id);
            self.take_port_back(net, step, id);
        }
    }

    /// Sends the INVITE of a new leg to a number over the current trunk. Returns false if no route, port or capacity is
    /// available.
    pub(in crate::switchboard) fn ring_number(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: Callee,
        why: String,
        ring_until: Instant,
    ) -> bool {
        self.ring_at(net, step, id, NewLeg { to, reached: None, why, ring_until })
    }

    /// The Request-URI and flow of a leg, and whether later requests go to the remote target.
    fn destination(
        &self,
        net: &NetworkParts,
        id: CallId,
        to: &Callee,
        reached: Option<&Reached>,
    ) -> Option<(Bytes, Flow, bool)> {
        match (to, reached) {
            (_, Some(reached)) => Some((Bytes::from(for_request_line(&reached.phone.uri)), reached.ways.first, false)),
            (Callee::Number(number), None) => {
                let (uri, flow) = net.trunks.outbound_route(self.calls.get(&id)?.dialling?.0, number)?;
                Some((uri, flow, true))
            }
            (Callee::Operator(_), None) => None,
        }
    }

    /// Makes capacity for one more ringing leg of a call: an open INVITE without a response, or a second phone of an
    /// operator, is cancelled. Returns false if there is neither.
    fn has_room_for_leg(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) -> bool {
        let full = |call: &Call| call.ringing_or_open() + 1 >= LIVE_LEGS_PER_CALL_MAX;
        let Some(call) = self.calls.get(&id).filter(|call| full(call)) else { return true };
        let Some(least) = call.first_unheard().or_else(|| call.second_phone()) else { return false };
        self.cancel_leg(net, step, id, least, OfferOutcome::Withdrawn);
        true
    }

    fn ring_at(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, new: NewLeg) -> bool {
        let rings = self.destination(net, id, &new.to, new.reached.as_ref()).is_some()
            && self.has_room_for_leg(net, step, id)
            && self.lend_to_caller(net, step, id)
            && self.invite_at(net, step, id, new);
        if !rings {
            self.take_port_back(net, step, id);
        }
        rings
    }

    fn invite_at(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, new: NewLeg) -> bool {
        let now = step.now;
        let NewLeg { to, reached, why, ring_until } = new;
        let Some((uri, mut flow, follow_target)) = self.destination(net, id, &to, reached.as_ref()) else {
            return false;
        };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let trunk = call.dialling.map(|(trunk, _)| trunk).filter(|_| matches!(to, Callee::Number(_)));
        let dialled = trunk.map(|trunk| (trunk, Target { transport: flow.transport, address: flow.remote }));
        let first = call.caller.session.media().and_then(MediaSession::codec);
        let leg = call.take_leg_no();
        let who = LegRef::Outgoing(id, leg);
        let family = self.settings.media_family(flow.remote.ip());
        let Some(mut media) = MediaSession::lend(&mut net.media, step, who, family) else { return false };
        let formats = self.settings.formats_of(trunk);
        media.set_secrecy(self.settings.secrecy(&to, flow));
        media.set_formats(formats);
        let offer = media.first_offer(formats.first().or(first).unwrap_or(AudioCodec::Pcma));
        let (tag, branch) = (step.rng.token(), format!("z9hG4bK{}", step.rng.token()));
        let second = reached.as_ref().and_then(|reached| reached.ways.second);
        let second = second.map(|flow| (flow, format!("z9hG4bK{}", step.rng.token())));
        let sip_call_id = step.rng.token();
        let from = format!("{};tag={}", self.shown_as(id, trunk.is_some()), tag.as_str());
        let session = self.settings.session_seconds.map(|seconds| session_timer::Terms::wanted(seconds).header(true));
        let build = |flow: Flow, branch: &str| {
            let invite = self.leg_invite(id, &uri, flow, branch, &from, sip_call_id.as_str(), trunk.is_some());
            let invite = match &session {
                Some(session) => invite.header(Name::SessionExpires, session.as_bytes()),
                None => invite,
            };
            invite.body("application/sdp", &offer).encode()
        };
        let mut bytes = build(flow, &branch);
        if let Some(large) = net.trunks.large_flow(flow, bytes.len()) {
            (flow, bytes) = (large, build(large, &branch));
        }
        let second = second.map_or(SecondWay::None, |(flow, branch)| {
            let bytes = build(flow, &branch);
            SecondWay::Due { at: now.mono + SECOND_WAY_AFTER, invite: SecondRequest { flow, branch, bytes } }
        });
        let (anchor, mut session) = (media.anchor(), Session::new(flow, follow_target));
        session.set_media(media);
        let Some(client) = net.wire.request(step, flow, Method::Invite, &branch, bytes.clone()) else {
            net.media.return_anchor(step, anchor);
            return false;
        };
        let state = OfferState::Ringing { ring_until, rang: false };
        let from = Bytes::from(from);
        let call_id = Bytes::copy_from_slice(sip_call_id.as_str().as_bytes());
        let offer_leg = OfferLeg {
            session,
            to: to.clone(),
            client: Some(client),
            from,
            call_id,
            cseq: 1,
            state,
            dialled,
            shows_another: false,
            rung: Rung { phone: reached.as_ref().map(|one| one.phone.clone()), second, ..Rung::default() },
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.legs.insert(leg, offer_leg);
        }
        net.wire.expect(client, Purpose::Invite(who));
        if let Some(reached) = &reached {
            self.await_phone(net, step, who, reached, ring_until);
        }
        if let Some(trunk) = trunk {
            net.trunks.reserve_channel(trunk, who);
        }
        net.wire.keep_for_retry(client, trunk, flow, bytes, 1);
        step.alarms.insert(ring_until, Alarm::RingOver(who));
        self.fact(net, step, id, FactKind::Offered { leg, to, why });
        true
    }

    /// Starts the timers for the first response of a new leg's phone, at its first and its second address.
    fn await_phone(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        reached: &Reached,
        ring_until: Instant,
    ) {
        let now = step.now;
        if let Some(at) = self.leg_mut(who).and_then(|leg| leg.rung.second.due()) {
            step.alarms.insert(at, Alarm::SecondWay(who));
        }
        self.await_response(step, who, (now.mono + RESPONSE_WITHIN).min(ring_until));
        net.phones.probe_doubtful(&mut net.wire, step, reached);
    }
}

impl Calls {
    #[expect(clippy::too_many_arguments, reason = "the parts of a leg, each made by another step")]
    fn leg_invite(
        &self,
        id: CallId,
        uri: &[u8],
        flow: Flow,
        branch: &str,
        from: &str,
        sip_call_id: &str,
        outwards: bool,
    ) -> message::Builder {
        let (domain, contact) = (&self.settings.domain, self.settings.contact(flow));
        let call = self.calls.get(&id);
        let hops = call.filter(|_| outwards).map_or(70, |call| call.hops.saturating_sub(1));
        let mut invite = message::request(Method::Invite, uri)
            .via(flow.transport, self.settings.advertised(flow), branch)
            .header(Name::MaxForwards, hops.to_string().as_bytes())
            .header(Name::From, from.as_bytes())
            .header(Name::To, &[b"<", uri, b">"].concat())
            .header(Name::CallId, sip_call_id.as_bytes())
            .header(Name::CSeq, b"1 INVITE")
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, crate::switchboard::admission::door::ALLOW)
            .header(Name::Supported, crate::switchboard::admission::door::SUPPORTED);
        if let Some(call) = call {
            if call.placed_by.is_none() {
                let id = id.as_u128();
                let incident = format!("<urn:emergency:uid:callid:{id:032x}:{domain}>;purpose=emergency-CallId");
                invite = invite.header(Name::CallInfo, incident.as_bytes());
            }
            if outwards && call.call_back.is_some() {
                invite = CallBack::mark(invite);
            }
            if let Some(by) = call.transfer.as_ref().and_then(|transfer| transfer.referred_by.as_ref()) {
                invite = invite.header(Name::ReferredBy, by);
            }
            if let Some(number) = &call.shown.number {
                let identity = format!("<sip:{}@{domain}>", user_part(number));
                invite = invite.header(Name::PAssertedIdentity, identity.as_bytes());
            }
            if let Some(geo) = &call.shown.geo {
                invite = invite.header(Name::Geolocation, geo.as_bytes());
            }
            let onward = call.shown.onward.iter().filter(|_| outwards);
            for (name, value) in call.shown.headers.iter().chain(onward) {
                invite = invite.header(*name, value);
            }
        }
        invite
    }
}

/// A number as the user part of a SIP URI, with other characters escaped (RFC 3261 §25.1).
pub(in crate::switchboard) fn user_part(number: &str) -> String {
    use std::fmt::Write as _;
    let mut user = String::with_capacity(number.len());
    for byte in number.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            user.push(char::from(byte));
        } else if write!(user, "%{byte:02X}").is_err() {
            break;
        }
    }
    user
}
