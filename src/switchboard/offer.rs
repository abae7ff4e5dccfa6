//! Offers: legs towards operators' phones and the fallback number, from INVITE to answer or outcome.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::clock::{Instant, Now};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::limits::LIVE_LEGS_PER_CALL_MAX;
use crate::media::command::{AnchorId, Command};
use crate::sip::flow::{Flow, Transport};
use crate::sip::locate::Target;
use crate::sip::message;
use crate::sip::sdes::{MasterKey, Secrecy, Terms};
use crate::sip::sdp::{self, AudioCodec, AudioDescription, Direction, Formats, Local, Places, SdpError};
use crate::sip::session_timer;
use crate::sip::wire::{Message, Method, Name};

use super::call::{Call, Stage};
use super::call_back::CallBack;
use super::leg::{Line, OfferLeg, OfferState, Sound, Who, outcome_of};
use super::settings::SrtpOffer;
use super::timers::Alarm;
use super::trunk::next_way;
use super::{Purpose, Switchboard};

/// While fewer legs of a call ring, an operator's second and further phones ring too. They make way when others need the room.
const SECOND_PHONES_UNTIL: usize = LIVE_LEGS_PER_CALL_MAX / 2;

impl OfferLeg {
    pub(super) fn operator(&self) -> Option<&OperatorId> {
        match &self.to {
            Callee::Operator(operator) => Some(operator),
            Callee::Number(_) => None,
        }
    }

    pub(super) fn is_ringing(&self) -> bool {
        matches!(self.state, OfferState::Ringing { .. })
    }
}

impl Switchboard {
    /// Rings one operator for a call that waits, or rings at others already: those go on ringing, whatever becomes of this leg.
    pub(super) fn offer(&mut self, now: Now, id: CallId, operator: OperatorId, why: String) {
        let Some(call) = self.calls.get_mut(&id) else {
            return self.acd.leave(now, id);
        };
        call.stage = Stage::Offered;
        let ring_until = now.mono + self.settings.ring;
        if !self.ring_phones(now, id, &operator, &why, ring_until) {
            self.acd.offer_failed(now, id, &operator, false);
            self.unless_it_rings(id);
        }
    }

    /// Rings all phones of an operator, as far as there is room: the first that is answered has the call. False: none rings.
    pub(super) fn ring_phones(
        &mut self,
        now: Now,
        id: CallId,
        operator: &OperatorId,
        why: &str,
        ring_until: Instant,
    ) -> bool {
        if let Some(call) = self.calls.get_mut(&id) {
            call.heard_from.remove(operator);
        }
        let to = Callee::Operator(operator.clone());
        let mut rings = self.ring(now, id, to.clone(), why.to_owned(), ring_until);
        for phone in 1..self.phones_of(operator).count() {
            if self.calls.get(&id).is_some_and(|call| call.ringing() < SECOND_PHONES_UNTIL) {
                let why = format!("another phone of his: {why}");
                rings |= self.ring_phone(now, id, (to.clone(), phone), why, ring_until);
            }
        }
        rings
    }

    /// True while another leg rings the same operator.
    pub(super) fn rings_another_phone(&self, id: CallId, to: &Callee) -> bool {
        self.calls.get(&id).is_some_and(|call| call.legs.values().any(|leg| leg.is_ringing() && leg.to == *to))
    }

    /// An offer is over: when nobody else rings for it, the call waits.
    fn unless_it_rings(&mut self, id: CallId) {
        if self.calls.get(&id).is_some_and(|call| !call.rings()) {
            self.back_to_queue(id);
        }
    }

    pub(super) fn back_to_queue(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id).filter(|call| !call.is_over()) {
            call.stage = Stage::Queued;
            self.touched.push(id);
        }
    }

    /// Where a callee, or one of an operator's phones, is reached: Request-URI, flow, and whether the leg follows its target.
    fn destination(&self, id: CallId, to: &Callee, phone: usize) -> Option<(Bytes, Flow, bool)> {
        match to {
            Callee::Operator(operator) => {
                let binding = self.phones_of(operator).nth(phone)?;
                Some((binding.uri.clone(), binding.flow, false))
            }
            Callee::Number(number) => {
                let (uri, flow) = self.way_out(self.calls.get(&id)?.dialling?.0, number)?;
                Some((uri, flow, true))
            }
        }
    }

    /// Sends the INVITE of a new leg. False when it cannot be: no binding, no port, no room.
    pub(super) fn ring(&mut self, now: Now, id: CallId, to: Callee, why: String, ring_until: Instant) -> bool {
        self.ring_phone(now, id, (to, 0), why, ring_until)
    }

    /// Whether one more leg of a call may ring: second phones of operators make way for it.
    fn has_room_for_leg(&mut self, now: Now, id: CallId) -> bool {
        let full = |call: &Call| call.ringing() + 1 >= LIVE_LEGS_PER_CALL_MAX;
        let Some(call) = self.calls.get(&id).filter(|call| full(call)) else { return true };
        let Some(second) = call.second_phone() else { return false };
        self.cancel_leg(now, id, second, OfferOutcome::Withdrawn);
        true
    }

    fn ring_phone(
        &mut self,
        now: Now,
        id: CallId,
        (to, phone): (Callee, usize),
        why: String,
        ring_until: Instant,
    ) -> bool {
        let Some((uri, mut flow, follow_target)) = self.destination(id, &to, phone) else { return false };
        if !self.has_room_for_leg(now, id) {
            return false;
        }
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let trunk = call.dialling.map(|(trunk, _)| trunk).filter(|_| matches!(to, Callee::Number(_)));
        let dialled = trunk.map(|trunk| (trunk, Target { transport: flow.transport, address: flow.remote }));
        let first = call.caller.line.sound.as_ref().and_then(|sound| sound.agreed).map(|agreed| agreed.codec);
        let leg = call.take_leg_no();
        let who = Who::Offer(id, leg);
        let family = self.media_family(flow.remote.ip());
        let Some(mut sound) = self.lend_sound(who, family) else { return false };
        sound.local.terms.secrecy = self.secrecy(&to, flow);
        sound.local.formats = self.formats_of(trunk);
        let first = sound.local.formats.first().or(first).unwrap_or(AudioCodec::Pcma);
        let offer = sdp::write_offer(sound.local, first, Direction::SendRecv, &sound.places);
        let (tag, branch) = (self.rng.token(), format!("z9hG4bK{}", self.rng.token()));
        let sip_call_id = self.rng.token();
        let from = format!("{};tag={}", self.shown_as(id, trunk.is_some()), tag.as_str());
        let session = self.settings.session_seconds.map(|seconds| session_timer::Terms::wanted(seconds).header(true));
        let build = |flow: Flow| {
            let invite = self.leg_invite(id, &uri, flow, &branch, &from, sip_call_id.as_str(), trunk.is_some());
            let invite = match &session {
                Some(session) => invite.header(Name::SessionExpires, session.as_bytes()),
                None => invite,
            };
            invite.body("application/sdp", &offer).encode()
        };
        let mut bytes = build(flow);
        if let Some(large) = self.large_flow(flow, bytes.len()) {
            (flow, bytes) = (large, build(large));
        }
        let (anchor, mut line) = (sound.anchor, Line::new(flow, follow_target));
        line.sound = Some(sound);
        let sent = self.transactions.send(now.mono, flow, Method::Invite, &branch, bytes.clone(), &mut self.transmits);
        let Some(client) = sent else {
            self.return_anchor(anchor);
            return false;
        };
        let state = OfferState::Ringing { ring_until, rang: false };
        let (from, early) = (Bytes::from(from), BTreeMap::new());
        let call_id = Bytes::copy_from_slice(sip_call_id.as_str().as_bytes());
        let offer_leg = OfferLeg {
            line,
            to: to.clone(),
            client: Some(client),
            from,
            call_id,
            cseq: 1,
            state,
            early,
            dialled,
            shows_another: false,
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.legs.insert(leg, offer_leg);
        }
        self.clients.insert(client, Purpose::Offer(who));
        self.probe_doubtful(now, flow, &uri);
        if let Some(trunk) = trunk {
            self.take_seat(trunk, who);
        }
        self.may_be_asked(client, trunk, flow, bytes, 1);
        self.alarms.insert(ring_until, Alarm::RingOver(who));
        self.fact(now, id, FactKind::Offered { leg, to, why });
        true
    }

    /// Lends a port of the address family of `towards`, and opens it.
    pub(super) fn lend_sound(&mut self, who: Who, towards: IpAddr) -> Option<Sound> {
        let (anchor, bound) = self.ports.lend(towards)?;
        self.anchors.insert(anchor, who);
        self.media.push(Command::Open { anchor });
        let session = self.rng.next_u64() >> 2;
        let terms = Terms::new(self.master_key());
        let mut advertised = self.settings.media_addresses.iter().copied();
        let address = advertised.find(|ip| ip.is_ipv4() == bound.is_ipv4()).unwrap_or(bound.ip());
        let (port, formats) = (bound.port(), Formats::ANY);
        let local = Local { address, port, session, version: 1, terms, formats };
        Some(Sound {
            anchor,
            local,
            places: Places::default(),
            agreed: None,
            heard: false,
            silent: false,
            offered: false,
        })
    }

    /// True if there is a media address of that family.
    fn has_media_towards(&self, peer: IpAddr) -> bool {
        self.settings.media_addresses.iter().any(|ours| ours.is_ipv4() == peer.is_ipv4())
    }

    /// The address whose family the media of a peer has: the peer's own, if there is a media address of that family.
    pub(super) fn media_family(&self, peer: IpAddr) -> IpAddr {
        let any = self.settings.media_addresses.first().copied();
        if self.has_media_towards(peer) { peer } else { any.unwrap_or(peer) }
    }

    /// Reads an offer: a stream of an address family of which there is a media address.
    pub(super) fn read_offer(&self, body: &[u8]) -> Result<AudioDescription, SdpError> {
        sdp::read_for(body, |address| self.has_media_towards(address))
    }

    /// Lends a port for the answer to an offer. Without an address in it the family is that of its sender.
    pub(super) fn lend_for(&mut self, who: Who, offer: Option<&AudioDescription>, sender: IpAddr) -> Option<Sound> {
        let named = offer.map(|offer| offer.rtp.ip()).filter(|address| !address.is_unspecified());
        self.lend_sound(who, named.unwrap_or_else(|| self.media_family(sender)))
    }

    /// What a trunk wants of its legs' sound; phones have no wishes of ours.
    pub(super) fn formats_of(&self, trunk: Option<usize>) -> Formats {
        let trunk = trunk.and_then(|trunk| self.settings.trunks.get(trunk));
        trunk.map_or(Formats::ANY, |trunk| trunk.terms.formats)
    }

    /// A key of ours for SRTP.
    pub(super) fn master_key(&mut self) -> MasterKey {
        let mut key = MasterKey([0; 30]);
        self.rng.fill(&mut key.0);
        key
    }

    /// What a leg of ours wants of SRTP.
    pub(super) fn secrecy(&self, to: &Callee, flow: Flow) -> Secrecy {
        match (to, self.settings.srtp) {
            (Callee::Number(_), _) | (Callee::Operator(_), SrtpOffer::Never) => Secrecy::AsOffered,
            (Callee::Operator(_), SrtpOffer::UnderTls) if flow.transport == Transport::Tls => Secrecy::Wanted,
            (Callee::Operator(_), SrtpOffer::UnderTls) => Secrecy::AsOffered,
            (Callee::Operator(_), SrtpOffer::Always) => Secrecy::Required,
        }
    }

    /// Gives a port back that no leg has taken over.
    pub(super) fn return_anchor(&mut self, anchor: AnchorId) {
        self.anchors.remove(&anchor);
        self.ports.give_back(anchor);
        self.media.push(Command::Close { anchor });
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
        outwards: bool,
    ) -> message::Builder {
        let (domain, contact) = (&self.settings.domain, self.contact(flow));
        let call = self.calls.get(&id);
        let hops = call.filter(|_| outwards).map_or(70, |call| call.hops.saturating_sub(1));
        let mut invite = message::request(Method::Invite, uri)
            .via(flow.transport, self.advertised(flow), branch)
            .header(Name::MaxForwards, hops.to_string().as_bytes())
            .header(Name::From, from.as_bytes())
            .header(Name::To, &[b"<", uri, b">"].concat())
            .header(Name::CallId, sip_call_id.as_bytes())
            .header(Name::CSeq, b"1 INVITE")
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, super::door::ALLOW)
            .header(Name::Supported, super::door::SUPPORTED);
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

    /// A phone has answered our INVITE with something.
    pub(super) fn offer_response(&mut self, now: Now, id: CallId, leg: LegNo, message: &Message<'_>, status: u16) {
        let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
        match (status, offer.state) {
            (100, _) | (101..200, OfferState::Cancelling | OfferState::Talking) => {}
            (101..200, OfferState::Ringing { ring_until, rang }) => {
                if !self.early_response(now, id, leg, message) {
                    return;
                }
                let Some(offer) = self.calls.get_mut(&id).and_then(|call| call.legs.get_mut(&leg)) else { return };
                offer.state = OfferState::Ringing { ring_until, rang: true };
                let operator = offer.operator().cloned();
                if let Some(call) = self.calls.get_mut(&id) {
                    call.heard_from.extend(operator);
                }
                if !rang {
                    self.stir_leg(id, leg);
                    self.fact(now, id, FactKind::Ringing { leg });
                    self.tell_ringing(now, id, leg);
                }
            }
            (200..300, OfferState::Ringing { .. }) => self.offer_answered(now, id, leg, message),
            (200..300, OfferState::Cancelling) => {
                self.refuse_late_answer(now, id, leg, message);
                self.drop_leg(now, id, leg);
            }
            (200..300, OfferState::Talking) => self.repeated_answer(now, id, leg, message),
            _ => self.offer_refused(now, id, leg, status),
        }
    }

    /// No response came, or the network refused to carry the INVITE.
    pub(super) fn offer_unanswered(&mut self, now: Now, id: CallId, leg: LegNo, status: u16) {
        let state = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.state);
        match state {
            Some(OfferState::Ringing { rang: true, .. }) => {
                self.offer_over(now, id, leg, OfferOutcome::NoAnswer, Some(status));
            }
            Some(OfferState::Ringing { rang: false, .. }) => {
                // Nobody is there: no more offers until the phone registers or answers a keep-alive.
                if let Some(operator) = self.silent_operator(id, leg) {
                    self.acd.set_reachable(now, &operator, false);
                }
                self.offer_over(now, id, leg, OfferOutcome::Unreachable, Some(status));
            }
            Some(OfferState::Cancelling) => self.drop_leg(now, id, leg),
            Some(OfferState::Talking) | None => {}
        }
    }

    /// The operator of a leg that nobody answers, unless another phone of his rings or has said something.
    fn silent_operator(&self, id: CallId, no: LegNo) -> Option<OperatorId> {
        let call = self.calls.get(&id)?;
        let operator = call.legs.get(&no)?.operator()?;
        let his =
            |(other, leg): (&LegNo, &OfferLeg)| *other != no && leg.is_ringing() && leg.operator() == Some(operator);
        (!call.heard_from.contains(operator) && !call.legs.iter().any(his)).then(|| operator.clone())
    }

    fn offer_refused(&mut self, now: Now, id: CallId, leg: LegNo, status: u16) {
        let state = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.state);
        match state {
            Some(OfferState::Ringing { .. }) => {
                let to = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.to.clone());
                if let (Some(call), Some(Callee::Operator(operator))) = (self.calls.get_mut(&id), to.as_ref()) {
                    call.heard_from.insert(operator.clone());
                }
                // What is refused for good (RFC 3261 §21.6) need not ring at another phone of the same person.
                if let Some(Callee::Operator(operator)) = to.filter(|_| status >= 600) {
                    self.cancel_other_phones(now, id, leg, &operator, OfferOutcome::Withdrawn);
                }
                self.offer_over(now, id, leg, outcome_of(status), Some(status));
            }
            Some(OfferState::Cancelling) => self.drop_leg(now, id, leg),
            Some(OfferState::Talking) | None => {}
        }
    }

    /// An offer has ended by itself: the leg is gone, the caller waits on in his old place.
    pub(super) fn offer_over(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegNo,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        let Some(to) = self.calls.get(&id).and_then(|call| call.legs.get(&leg)).map(|leg| leg.to.clone()) else {
            return;
        };
        if let Some(call) = self.calls.get_mut(&id).filter(|_| matches!(to, Callee::Number(_))) {
            call.next_way = next_way(outcome, sip_status);
            if let Some((trunk, server)) = call.legs.get(&leg).and_then(|leg| leg.dialled) {
                call.dialling = Some((trunk, Some(server)));
            }
        }
        self.drop_leg(now, id, leg);
        self.offer_ended(now, id, leg, to, outcome, sip_status);
    }

    /// Writes the outcome down, tells the ACD, and finds the call's next stage.
    pub(super) fn offer_ended(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegNo,
        to: Callee,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        self.fact(now, id, FactKind::OfferEnded { leg, to: to.clone(), outcome, sip_status });
        if self.is_guest(id, leg) {
            return self.guest_refused(now, id, leg, &to, outcome, sip_status);
        }
        let Some(stage) = self.calls.get(&id).map(|call| call.stage.clone()) else { return };
        let falling_back = matches!(stage, Stage::AllPhones { .. } | Stage::Number);
        if let (Callee::Operator(operator), false) = (&to, stage == Stage::Ended || self.rings_another_phone(id, &to)) {
            let blameless = falling_back || outcome == OfferOutcome::Withdrawn;
            self.acd.offer_failed(now, id, operator, blameless);
        }
        match stage {
            Stage::Offered if self.dial_again(now, id, &to, super::outside::WHY) => {}
            Stage::Offered => self.unless_it_rings(id),
            Stage::Number if self.dial_again(now, id, &to, self.why_fallback()) => {}
            Stage::AllPhones { .. } | Stage::Number => self.next_fallback(now, id),
            Stage::Transfer { .. } => self.transfer_refused(now, id, &to, outcome, sip_status),
            Stage::OwnPhones { .. } => self.own_phone_refused(now, id, outcome, sip_status),
            Stage::Placed => self.placed_refused(now, id, &to, outcome, sip_status),
            Stage::Queued | Stage::Talking { .. } | Stage::Ended => {}
        }
    }
}

/// A number as the user part of a SIP URI: what may not stand there is escaped (RFC 3261 §25.1).
pub(super) fn user_part(number: &str) -> String {
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
