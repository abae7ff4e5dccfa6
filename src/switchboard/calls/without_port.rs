//! Callers who wait without a port. If few port pairs are free, new callers leave them to operators' phones: such a
//! caller waits with 180 and without early media. The call gets a port when a phone is rung for it, and returns the
//! port if the ringing ends without an answer. The call's position in the queue does not change.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::{CallerLeg, OutgoingLeg};
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::without_port::WithoutPort;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::state::incoming::Description;
use crate::switchboard::settings::AnswerMode;
use crate::switchboard::settings::media::family;
use crate::switchboard::step::Step;
use bytes::Bytes;
use std::collections::BTreeSet;

use crate::acd::{Decision, Family};
use crate::cdr::fact::Callee;
use crate::ids::{CallId, OperatorId};
use crate::limits::WAITING_CALLS_SEARCHED_MAX;
use crate::sip::location::session_description;
use crate::sip::wire::Message;

impl CallerLeg {
    /// True while the caller waits without a port, or has one only while a phone rings.
    pub(in crate::switchboard) fn port_is_uncertain(&self) -> bool {
        self.without_port.is_some()
    }

    /// Whether siaga's SDP for the caller is known.
    pub(in crate::switchboard) fn description(&self) -> Description {
        let without = self.without_port.as_ref();
        without.map_or(Description::Known, |without| Description::Unknown { offers: without.offers })
    }
}

impl Calls {
    /// True if a new caller must wait without a port, because only the reserve is free.
    pub(in crate::switchboard) fn is_at_reserve(&self, net: &NetworkParts, id: CallId, invite: &Message<'_>) -> bool {
        let ready = self.acd.ready_count();
        let is_reached = |family| net.media.ports.has(family) && !net.media.ports.exceed_reserve(family, ready);
        // The SDP is read only if the result depends on it.
        (is_reached(Family::V4) || is_reached(Family::V6))
            && is_reached(self.family_of(id, session_description(invite)))
    }

    /// Stores the data for lending a port later. Returns false if the offer cannot be answered; the call has then
    /// ended.
    pub(in crate::switchboard) fn keep_offer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        invite: &Message<'_>,
    ) -> bool {
        let body = session_description(invite);
        match self.describes_later(net, step, id, body) {
            Ok(offers) => {
                let (offer, family) = (body.map(Bytes::copy_from_slice), self.family_of(id, body));
                if let Some(call) = self.calls.get_mut(&id) {
                    call.caller.without_port = Some(WithoutPort { offer, offers, family });
                }
                true
            }
            Err(why) => {
                self.end_call(net, step, id, Ending::unusable_sdp(why));
                false
            }
        }
    }

    /// Marks a queued call as waiting without a port.
    pub(in crate::switchboard) fn waits_without_port(&mut self, id: CallId) {
        let without = self.calls.get(&id).filter(|call| call.caller.session.media().is_none());
        let Some(without) = without.and_then(|call| call.caller.without_port.as_ref()) else { return };
        self.acd.set_without_port(id, Some(without.family));
        self.without_port.insert(id);
    }

    /// Lends a port to a caller who waits without one. Returns true if the caller has a port now, or did not wait for
    /// one.
    pub(in crate::switchboard) fn lend_to_caller(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
    ) -> bool {
        if !self.without_port.contains(&id) {
            return true;
        }
        let caller = self.calls.get(&id).map(|call| &call.caller);
        let Some(without) = caller.and_then(|caller| caller.without_port.as_ref()) else { return false };
        let offer = without.offer.clone();
        match self.lend_described(net, step, id, offer.as_deref()) {
            Ok(true) => {
                self.without_port.remove(&id);
                self.acd.set_without_port(id, None);
                true
            }
            Ok(false) => false,
            // The trunk's codecs were changed in the configuration.
            Err(why) => {
                self.end_call(net, step, id, Ending::unusable_sdp(why));
                false
            }
        }
    }

    /// Takes back the port of a caller who has it only while a phone rings, if no phone rings.
    pub(in crate::switchboard) fn take_port_back(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        // An open INVITE may still be answered.
        let in_use = |call: &Call| call.rings() || call.legs.values().any(OutgoingLeg::has_open_invite);
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.is_over() && !in_use(call)) else { return };
        if !call.caller.port_is_uncertain() {
            return;
        }
        let Some(media) = call.caller.session.take_media() else { return };
        call.caller.session.describe_invite(Bytes::new(), false);
        // The port was never sent to the peer.
        net.media.return_anchor(step, media.anchor());
        self.waits_without_port(id);
    }

    /// The next decision of the ACD, as far as free ports allow.
    pub(in crate::switchboard) fn next_decision(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
    ) -> Option<Decision> {
        let now = step.now;
        loop {
            while let Some(call) = self.ports_to_take_back.pop() {
                self.take_port_back(net, step, call);
            }
            self.acd.set_free_pairs(net.media.ports.free());
            let decision = self.acd.decide(now);
            if decision.is_some() || !self.acd.is_out_of_ports() || !self.open_invite_gives_port(net, step) {
                return decision;
            }
        }
    }

    /// Lends ports to the callers who have waited longest without one, as far as the reserve allows. They then hear the
    /// queue or are answered, as all others.
    pub(in crate::switchboard) fn lend_beyond_reserve(&mut self, net: &mut NetworkParts, step: &mut Step) {
        while let Some(id) = self.first_beyond_reserve(net) {
            if !self.lend_to_caller(net, step, id) {
                break;
            }
            if let Some(call) = self.calls.get_mut(&id) {
                call.caller.without_port = None;
            }
            if self.settings.calls.answer == AnswerMode::Queue {
                self.answer_caller(net, step, id);
            }
            self.announcements_due.push(id);
        }
    }

    /// The caller who has waited longest for a pair of a family with more free pairs than the reserve.
    fn first_beyond_reserve(&self, net: &NetworkParts) -> Option<CallId> {
        let ready = self.acd.ready_count();
        let exceeds = |family| net.media.ports.exceed_reserve(family, ready);
        if !Family::ALL.into_iter().any(exceeds) {
            return None;
        }
        let family = |id: &CallId| self.calls.get(id)?.caller.without_port.as_ref().map(|one| one.family);
        let mut searched = self.without_port.iter().take(WAITING_CALLS_SEARCHED_MAX);
        searched.find(|id| family(id).is_some_and(exceeds)).copied()
    }

    /// The address family of which a pair is missing: no pair is free for any of the operator's phones, beside one for
    /// the caller if the caller needs one. None if a lack of pairs is not the reason that no phone was rung.
    pub(in crate::switchboard) fn missing_port_family(
        &self,
        net: &NetworkParts,
        id: CallId,
        operator: &OperatorId,
    ) -> Option<Family> {
        let lacks = self.calls.get(&id).filter(|_| self.without_port.contains(&id));
        let lacks = lacks.and_then(|call| call.caller.without_port.as_ref()).map(|without| without.family);
        let (phones, free) = (net.phones.families_of_phones(operator), net.media.ports.free());
        phones.first().copied().filter(|_| !phones.iter().any(|phone| free.allow(lacks, *phone)))
    }

    /// True if an operator may place a call, which needs one more pair for each party, of the family of its phone. The
    /// reserve of these families must stay free. For an operator who has a caller, only the pairs for one conversation
    /// must stay free: a consultation leads to a transfer, which frees two pairs.
    pub(in crate::switchboard) fn has_pairs_for_placed(
        &self,
        net: &NetworkParts,
        by: &OperatorId,
        to: &Callee,
    ) -> bool {
        let reserve = match self.has_caller(by) {
            true => PAIRS_OF_CONVERSATION,
            false => self.acd.ready_count().saturating_mul(2).max(crate::limits::RTP_PAIRS_RESERVED_MIN),
        };
        let (own, called) = (net.phones.families_of_phones(by), self.families_to(net, to));
        // A party without a phone is rejected later, with a status of its own.
        let own = if own.is_empty() { called.clone() } else { own };
        let called = if called.is_empty() { own.clone() } else { called };
        let allows = |one: Family, other: Family| {
            let taken = if one == other { 2 } else { 1 };
            [one, other].into_iter().all(|family| net.media.ports.leaves(family, taken, reserve))
        };
        own.is_empty() || own.iter().any(|one| called.iter().any(|other| allows(*one, *other)))
    }

    /// The address families of the pairs for a called party's phones, or for a number.
    fn families_to(&self, net: &NetworkParts, to: &Callee) -> Vec<Family> {
        match to {
            Callee::Operator(operator) => net.phones.families_of_phones(operator),
            Callee::Number(_) => self.families_to_numbers(net),
        }
    }

    /// The address families of the trunks over which numbers can be dialled.
    pub(in crate::switchboard) fn families_to_numbers(&self, net: &NetworkParts) -> Vec<Family> {
        let flows = self.settings.trunks.iter().filter_map(|trunk| net.trunks.trunk_flow(trunk));
        let families = flows.map(|flow| self.settings.media.family_towards(flow.remote.ip()));
        families.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// True while an operator talks with an emergency caller.
    fn has_caller(&self, operator: &OperatorId) -> bool {
        let call = self.acd.view(operator).and_then(|view| view.call).and_then(|id| self.calls.get(&id));
        call.is_some_and(|call| !call.kind.is_placed() && matches!(call.stage, Stage::Talking { .. }))
    }

    /// True if a pair may be used for an optional leg, such as an operator's second phone or a participant: two pairs
    /// must stay free for each conversation that can begin now. These are as many as ready operators, but at most one
    /// more than waiting calls, and at least one. `family` is that of the pair.
    pub(in crate::switchboard) fn has_pair_to_spare(&self, net: &NetworkParts, family: Family) -> bool {
        let (waiting, _) = self.acd.counts();
        let conversations = self.acd.ready_count().min(waiting + 1).max(1);
        net.media.ports.leaves(family, 1, conversations * 2)
    }

    /// True if an optional pair is free for a phone of an operator.
    pub(in crate::switchboard) fn has_pair_to_spare_for(&self, net: &NetworkParts, operator: &OperatorId) -> bool {
        net.phones.families_of_phones(operator).into_iter().any(|family| self.has_pair_to_spare(net, family))
    }

    /// Checks that callers without a port are indexed, and that answered callers have a port.
    pub(in crate::switchboard) fn verify_ports(&self, id: CallId, call: &Call) -> Result<(), &'static str> {
        let caller = &call.caller;
        let (uncertain, has_port) = (caller.port_is_uncertain(), caller.session.media().is_some());
        let is_caller = !call.is_over() && !matches!(call.stage, Stage::OwnPhones { .. });
        if is_caller && !has_port && !uncertain {
            return Err("its caller has no port, and gets none");
        }
        if self.without_port.contains(&id) != (is_caller && uncertain && !has_port) {
            return Err("whether its caller waits without a port is not known");
        }
        let in_use = call.rings() || call.legs.values().any(OutgoingLeg::has_open_invite);
        if is_caller && uncertain && has_port && !in_use {
            return Err("its caller has a port for a phone that does not ring");
        }
        if is_caller && uncertain && (caller.is_answered() || call.kind.is_placed()) {
            return Err("its caller is answered, and may lose the port");
        }
        Ok(())
    }

    fn family_of(&self, id: CallId, offer: Option<&[u8]>) -> Family {
        let sender = self.calls.get(&id).map(|call| call.caller.session.flow().remote.ip());
        let read = offer.and_then(|body| self.settings.media.read_offer(body).ok());
        sender.map_or(Family::V4, |sender| family(self.settings.media.media_towards(read.as_ref(), sender)))
    }

    /// Checks whether the offer can be answered when a port is lent. Returns true if siaga's SDP will be the offer.
    fn describes_later(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        offer: Option<&[u8]>,
    ) -> Result<bool, crate::sip::sdp::SdpError> {
        let sender = self.calls.get(&id).map(|call| call.caller.session.flow().remote.ip());
        let Some(sender) = sender else { return Ok(false) };
        let offer = offer.map(|body| (body, self.settings.media.read_offer(body)));
        let towards =
            self.settings.media.media_towards(offer.as_ref().and_then(|(_, read)| read.as_ref().ok()), sender);
        let mut local = net.media.local_at(step, std::net::SocketAddr::new(towards, DISCARD_PORT));
        local.formats = net.trunks.formats_of_leg(LegRef::Caller(id));
        crate::switchboard::calls::caller::describe(offer, local).map(|described| described.offers)
    }
}

/// The port in place of one that is not lent yet; it is never sent.
const DISCARD_PORT: u16 = 9;
/// Port pairs of one conversation.
const PAIRS_OF_CONVERSATION: usize = 2;
