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
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState, RingAttempt};
use crate::switchboard::calls::no_response::RESPONSE_WITHIN;
use crate::switchboard::calls::state::call::{Call, MAX_FORWARDS, Stage};
use crate::switchboard::calls::state::call_back::CallBack;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::second_address::{SECOND_INVITE_AFTER, SecondInvite, SecondRequest};
use crate::switchboard::session::Session;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;

/// An operator's second and later phones are rung only while the call has fewer ringing legs than this. The legs to
/// these phones are cancelled if a leg to another operator needs the capacity.
const EXTRA_PHONES_WHILE_BELOW: usize = LIVE_LEGS_PER_CALL_MAX / 2;

/// A new leg before its INVITE is sent.
struct NewLeg {
    to: Callee,
    /// The phone to ring; None for a number over a trunk.
    reached: Option<Reached>,
    why: String,
    ring_until: Instant,
}

impl OutgoingLeg {
    pub(in crate::switchboard) fn operator(&self) -> Option<&OperatorId> {
        match &self.to {
            Callee::Operator(operator) => Some(operator),
            Callee::Number(_) => None,
        }
    }

    pub(in crate::switchboard) fn is_ringing(&self) -> bool {
        matches!(self.state, OutgoingState::Ringing { .. })
    }
}

impl Calls {
    /// Rings one operator for a waiting or ringing call. Legs that ring already are not affected.
    pub(in crate::switchboard) fn ring_operator(
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
        let ring_until = now.mono + self.settings.calls.ring;
        if !self.ring_phones(net, step, id, &operator, &why, ring_until) {
            self.ring_attempt_impossible(net, now, id, &operator);
            self.requeue_unless_ringing(net, step, id);
        }
    }

    /// Ends a ring attempt for which no port, transaction or leg was free. It does not count against the operator.
    pub(in crate::switchboard) fn ring_attempt_impossible(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        id: CallId,
        operator: &OperatorId,
    ) {
        match self.missing_port_family(net, id, operator) {
            Some(family) => self.acd.no_port_pair(now, id, operator, Some(family)),
            None => self.acd.offer_failed(now, id, operator, true),
        }
    }

    /// Rings the reachable phones of an operator, or all phones if none is reachable, as far as capacity allows. The
    /// first phone that answers gets the call. An open INVITE of this call is reused. Returns false if no phone rings.
    pub(in crate::switchboard) fn ring_phones(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        operator: &OperatorId,
        why: &str,
        ring_until: Instant,
    ) -> bool {
        self.cancel_open_invites_elsewhere(net, step, id, operator);
        if let Some(call) = self.calls.get_mut(&id) {
            call.history.clear_responded(operator);
        }
        let to = Callee::Operator(operator.clone());
        let mut rings = false;
        for (n, reached) in net.phones.phones_to_ring(operator).into_iter().enumerate() {
            let crowded = self.calls.get(&id).is_none_or(|call| call.ringing() >= EXTRA_PHONES_WHILE_BELOW);
            let family = self.settings.media.family_towards(reached.addresses.first.remote.ip());
            if rings && (crowded || !self.has_pair_to_spare(net, family)) {
                break;
            }
            rings |= self.reuse_open_invite(net, step, id, &reached.phone, ring_until) || {
                let why = if n > 0 { format!("another phone of the operator: {why}") } else { why.to_owned() };
                self.ring_leg(net, step, id, NewLeg { to: to.clone(), reached: Some(reached), why, ring_until })
            };
        }
        self.cancel_open_invites_of_old_phones(net, step, id, operator);
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
            self.announcements_due.push(id);
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
        self.ring_leg(net, step, id, NewLeg { to, reached: None, why, ring_until })
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
            (_, Some(reached)) => {
                Some((Bytes::from(for_request_line(&reached.phone.uri)), reached.addresses.first, false))
            }
            (Callee::Number(number), None) => {
                let (uri, flow) = net.trunks.outbound_route(self.calls.get(&id)?.dialling.trunk()?, number)?;
                Some((uri, flow, true))
            }
            (Callee::Operator(_), None) => None,
        }
    }

    /// Makes capacity for one more ringing leg of a call: an open INVITE without a response, or a second phone of an
    /// operator, is cancelled. Returns false if there is neither.
    fn make_room_for_leg(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) -> bool {
        let full = |call: &Call| call.ringing_or_open() + 1 >= LIVE_LEGS_PER_CALL_MAX;
        let Some(call) = self.calls.get(&id).filter(|call| full(call)) else { return true };
        let Some(least) = call.first_open_invite().or_else(|| call.second_phone()) else { return false };
        self.cancel_leg(net, step, id, least, OfferOutcome::Withdrawn);
        true
    }

    fn ring_leg(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, new: NewLeg) -> bool {
        let rings = self.destination(net, id, &new.to, new.reached.as_ref()).is_some()
            && self.make_room_for_leg(net, step, id)
            && self.lend_to_caller(net, step, id)
            && self.send_invite(net, step, id, new);
        if !rings {
            self.take_port_back(net, step, id);
        }
        rings
    }

    fn send_invite(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, new: NewLeg) -> bool {
        let now = step.now;
        let NewLeg { to, reached, why, ring_until } = new;
        let Some((uri, mut flow, follow_target)) = self.destination(net, id, &to, reached.as_ref()) else {
            return false;
        };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let trunk = call.dialling.trunk().filter(|_| matches!(to, Callee::Number(_)));
        let dialled = trunk.map(|trunk| (trunk, Target { transport: flow.transport, address: flow.remote }));
        let first = call.caller.session.media().and_then(MediaSession::codec);
        let leg = call.counts.next_leg();
        let who = LegRef::Outgoing(id, leg);
        let family = self.settings.media.media_family(flow.remote.ip());
        let Some(mut media) = MediaSession::lend(&mut net.media, step, who, family) else { return false };
        let formats = net.trunks.formats_of(trunk);
        media.set_srtp_policy(self.settings.media.srtp_policy(&to, flow));
        media.set_formats(formats);
        let offer = media.first_offer(formats.first().or(first).unwrap_or(AudioCodec::Pcma));
        let (tag, branch) = (step.rng.token(), format!("z9hG4bK{}", step.rng.token()));
        let second = reached.as_ref().and_then(|reached| reached.addresses.second);
        let second = second.map(|flow| (flow, format!("z9hG4bK{}", step.rng.token())));
        let sip_call_id = step.rng.token();
        let from = format!("{};tag={}", self.shown_as(id, trunk.is_some()), tag.as_str());
        let session = self.settings.session.seconds.map(|seconds| session_timer::Terms::wanted(seconds).header(true));
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
        let second = second.map_or(SecondInvite::None, |(flow, branch)| {
            let bytes = build(flow, &branch);
            SecondInvite::Due { at: now.mono + SECOND_INVITE_AFTER, invite: SecondRequest { flow, branch, bytes } }
        });
        let (anchor, mut session) = (media.anchor(), Session::new(flow, follow_target));
        session.set_media(media);
        let Some(client) = net.wire.request(step, flow, Method::Invite, &branch, bytes.clone()) else {
            net.media.return_anchor(step, anchor);
            return false;
        };
        let state = OutgoingState::Ringing { ring_until, rang: false };
        let phone = reached.as_ref().map(|one| one.phone.clone());
        let offer_leg = OutgoingLeg {
            session,
            to: to.clone(),
            client: Some(client),
            from: Bytes::from(from),
            call_id: Bytes::copy_from_slice(sip_call_id.as_str().as_bytes()),
            cseq: 1,
            state,
            dialled,
            identity_outdated: false,
            attempt: RingAttempt { phone, second, ..RingAttempt::default() },
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.legs.insert(leg, offer_leg);
        }
        net.wire.expect(client, Purpose::Invite(who));
        self.await_phone(net, step, who, reached.as_ref(), ring_until);
        trunk.into_iter().for_each(|trunk| net.trunks.reserve_channel(trunk, who));
        net.wire.keep_for_retry(client, trunk, flow, bytes, 1);
        step.timers.insert(ring_until, TimerKind::RingOver(who));
        self.fact(net, step, id, FactKind::Offered { leg, to, why });
        true
    }

    /// Starts the timers for the first response of a new leg's phone, at its first and its second address.
    fn await_phone(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        reached: Option<&Reached>,
        ring_until: Instant,
    ) {
        let Some(reached) = reached else { return };
        let now = step.now;
        if let Some(at) = self.leg_mut(who).and_then(|leg| leg.attempt.second.due()) {
            step.timers.insert(at, TimerKind::SecondInvite(who));
        }
        self.await_response(step, who, (now.mono + RESPONSE_WITHIN).min(ring_until));
        net.phones.probe_unconfirmed(&mut net.wire, step, reached);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a leg, each made by another step")]
    fn leg_invite(
        &self,
        id: CallId,
        uri: &[u8],
        flow: Flow,
        branch: &str,
        from: &str,
        sip_call_id: &str,
        to_trunk: bool,
    ) -> message::Builder {
        let (domain, contact) = (&self.settings.site.domain, self.settings.site.contact(flow));
        let call = self.calls.get(&id);
        let hops = call.filter(|_| to_trunk).map_or(MAX_FORWARDS, |call| call.invite.hops.saturating_sub(1));
        let mut invite = message::request(Method::Invite, uri)
            .via(flow.transport, self.settings.site.advertised(flow), branch)
            .header(Name::MaxForwards, hops.to_string().as_bytes())
            .header(Name::From, from.as_bytes())
            .header(Name::To, &[b"<", uri, b">"].concat())
            .header(Name::CallId, sip_call_id.as_bytes())
            .header(Name::CSeq, b"1 INVITE")
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, crate::switchboard::admission::request_checks::ALLOW)
            .header(Name::Supported, crate::switchboard::admission::request_checks::SUPPORTED);
        if let Some(call) = call {
            if !call.kind.is_placed() {
                let id = id.as_u128();
                let incident = format!("<urn:emergency:uid:callid:{id:032x}:{domain}>;purpose=emergency-CallId");
                invite = invite.header(Name::CallInfo, incident.as_bytes());
            }
            if to_trunk && call.kind.call_back().is_some() {
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
            let headers_for_trunks = call.shown.headers_for_trunks.iter().filter(|_| to_trunk);
            for (name, value) in call.shown.headers.iter().chain(headers_for_trunks) {
                invite = invite.header(*name, value);
            }
        }
        invite
    }
}

/// A number as the user part of a SIP URI. Characters that are not allowed there are escaped (RFC 3261 §25.1).
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
