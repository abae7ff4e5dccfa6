//! Trunks as they are now: who answers, and over which a call goes out.

use bytes::Bytes;

use crate::cdr::fact::{Callee, OfferOutcome};
use crate::clock::Instant;
use crate::ids::CallId;
use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use crate::sip::number::{NumberFormat, dialled};
use crate::sip::sdp::Formats;

use super::leg::Who;
use super::registration::{Binding, Registration};
use super::route::uri_over;
use super::settings::{Network, Trunk};
use super::{Output, Purpose};
use crate::switchboard::{Calls, NetworkParts, Settings, Step, Trunks, Wire};

/// How one trunk is used, beyond where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkTerms {
    /// Lower is tried first for outgoing calls.
    pub priority: u16,
    /// Calls at once, both ways; 0: no limit. Outgoing legs may exceed it.
    pub max_calls: usize,
    /// What we answer the telco's challenges with.
    pub identity: Option<Identity>,
    pub register: Option<Registration>,
    pub number_format: NumberFormat,
    /// Country code of national numbers, without `+`; empty: numbers stay as they come.
    pub country: String,
    /// Prefixes that the trunk may write before a called number of this site.
    pub called: Vec<String>,
    /// Keep-alives without an answer until the trunk counts as down, and answers until it is up again.
    pub down_after: u32,
    pub up_after: u32,
    /// Codecs and digits of its legs.
    pub formats: Formats,
    /// The networks of its media gateways; empty: the addresses of its peers.
    pub media: Vec<Network>,
}

impl Default for TrunkTerms {
    fn default() -> Self {
        Self {
            priority: 10,
            max_calls: 0,
            identity: None,
            register: None,
            number_format: NumberFormat::AsDialled,
            country: String::new(),
            called: Vec::new(),
            down_after: 3,
            up_after: 2,
            formats: Formats::default(),
            media: Vec::new(),
        }
    }
}

/// How a number is dialled again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextWay {
    /// Over the trunk's next server, or over the next trunk if there is none (RFC 3263 §4.3).
    Server,
    /// Over the next trunk: this one has no route to the number, or does not accept the call.
    Trunk,
}

/// How to dial again after a failure. None after 486, 600 and 603: the callee was reached, and is busy or declines on every trunk.
pub(super) fn next_way(outcome: OfferOutcome, sip_status: Option<u16>) -> Option<NextWay> {
    match (outcome, sip_status) {
        (_, None | Some(486 | 600 | 603)) => None,
        // No response, or 503: the server has failed.
        (OfferOutcome::Unreachable, Some(408 | 503)) => Some(NextWay::Server),
        (_, Some(_)) => Some(NextWay::Trunk),
    }
}

/// One trunk now.
#[derive(Debug, Default)]
pub(super) struct TrunkState {
    pub(super) name: String,
    up: Option<bool>,
    /// Keep-alives in a row that speak against `up`.
    streak: u32,
    pub(super) binding: Option<Binding>,
}

impl TrunkState {
    /// Did not answer when it was asked last.
    pub(super) fn is_down(&self) -> bool {
        self.up == Some(false)
    }
}

/// True when two settings of a trunk speak of the same place.
pub(super) fn same_place(one: &Trunk, other: &Trunk) -> bool {
    (one.target, &one.host, one.transport) == (other.target, &other.host, other.transport)
}

impl Calls {
    /// Puts the states beside the settings' trunks, by name, and lets all that names a trunk by its place follow. `old` are the
    /// trunks that the states belong to; who is gone or elsewhere has been parted from (`leave_old_trunks`).
    pub(super) fn align_trunks(&mut self, net: &mut NetworkParts, step: &mut Step, old: &[Trunk]) {
        let new = &self.settings.trunks;
        let place = |trunk: &Trunk| new.iter().position(|other| other.name == trunk.name);
        let places: Vec<Option<usize>> = old.iter().map(place).collect();
        let mut states: Vec<TrunkState> = Vec::with_capacity(new.len());
        for trunk in new {
            let before = old.iter().position(|before| before.name == trunk.name);
            let state = before.and_then(|index| net.trunks.states.get_mut(index)).map(std::mem::take);
            let mut state = state.unwrap_or_default();
            if before.and_then(|index| old.get(index)).is_some_and(|before| !same_place(before, trunk)) {
                // What was heard there says nothing of the new place.
                (state.up, state.streak) = (None, 0);
            }
            state.name.clone_from(&trunk.name);
            states.push(state);
        }
        net.trunks.states = states;
        net.trunks.channels.follow(&places);
        let placed = |index: usize| places.get(index).copied().flatten();
        for call in self.calls.values_mut() {
            call.tried = call.tried.iter().filter_map(|index| placed(*index)).collect();
            call.dialling = call.dialling.and_then(|(index, target)| Some((placed(index)?, target)));
            for leg in call.legs.values_mut() {
                leg.dialled = leg.dialled.and_then(|(index, target)| Some((placed(index)?, target)));
            }
        }
        net.wire.clients.renumber_trunks(placed);
        self.align_registrations(net, step);
    }
}

impl Wire {
    /// Ends the requests under way to a trunk that are `wanted`: its keep-alive, its REGISTER.
    pub(super) fn abandon_trunk_requests(&mut self, index: usize, wanted: impl Fn(&Purpose) -> bool) {
        let gone: Vec<_> =
            self.clients.of_trunk(index).filter(|(_, purpose)| wanted(purpose)).map(|(id, _)| id).collect();
        for client in gone {
            self.clients.remove(&client);
            self.retries.remove(&client);
            self.transactions.abandon(client);
        }
    }
}

impl Trunks {
    /// Counts one keep-alive; the change is told once enough of them agree.
    pub(super) fn trunk_pinged(&mut self, step: &mut Step, index: usize, up: bool) {
        let Some((terms, state)) = self.settings.trunks.get(index).zip(self.states.get_mut(index)) else { return };
        if state.up == Some(up) {
            state.streak = 0;
            return;
        }
        state.streak = state.streak.saturating_add(1);
        let needed = match (state.up, up) {
            (None, true) => 1,
            (Some(_), true) => terms.terms.up_after,
            (Some(_) | None, false) => terms.terms.down_after,
        };
        if state.streak >= needed {
            state.streak = 0;
            state.up = Some(up);
            let trunk = terms.name.clone();
            step.say(Output::TrunkHealth { trunk, up });
        }
    }
}

impl Calls {
    /// Dials a number over one trunk after the other until one takes the INVITE: those that answer first, of these those with room, by
    /// priority. One that counts as down is tried last: it may only be its keep-alives that fail. A full one is tried too:
    /// callers who wait can fill a trunk, and only the telco knows whether a channel is free.
    pub(super) fn dial(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        number: &str,
        why: &str,
        ring_until: Instant,
    ) -> bool {
        while let Some(index) = self.next_trunk(net, id) {
            let Some(call) = self.calls.get_mut(&id) else { return false };
            call.tried.insert(index);
            call.dialling = Some((index, None));
            let name = self.settings.trunks.get(index).map(|trunk| trunk.name.as_str()).unwrap_or_default();
            let why = format!("{why} over {name}");
            let to = Callee::Number(number.to_owned());
            if self.ring_number(net, step, id, to, why, ring_until) {
                return true;
            }
        }
        false
    }

    /// Dials a number again after its leg has failed, if there is another server or trunk. Returns whether it did.
    pub(super) fn dial_again(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: &Callee,
        why: &str,
    ) -> bool {
        let now = step.now;
        let Callee::Number(number) = to else { return false };
        let Some(way) = self.calls.get_mut(&id).and_then(|call| call.next_way.take()) else { return false };
        let until = now.mono + self.settings.fallback_ring;
        (way == NextWay::Server && self.ring_next_server(net, step, id, to, until))
            || self.dial(net, step, id, number, why, until)
    }

    fn ring_next_server(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: &Callee,
        until: Instant,
    ) -> bool {
        let Some((trunk, Some(failed))) = self.calls.get(&id).and_then(|call| call.dialling) else { return false };
        let why = "over the trunk's next server".to_owned();
        net.trunks.target_fails(trunk, failed) && self.ring_number(net, step, id, to.clone(), why, until)
    }

    fn next_trunk(&self, net: &NetworkParts, id: CallId) -> Option<usize> {
        let call = self.calls.get(&id)?;
        // The last hop of a call that goes round in circles (RFC 7332 §4).
        if call.hops <= 1 {
            return None;
        }
        let trunks = self.settings.trunks.iter().enumerate();
        let open =
            trunks.filter(|(index, trunk)| net.trunks.trunk_target(trunk).is_some() && !call.tried.contains(index));
        let down = |index: usize| net.trunks.states.get(index).is_some_and(TrunkState::is_down);
        let rank =
            |index: usize, trunk: &Trunk| (down(index), !net.trunks.has_room(index), trunk.terms.priority, index);
        open.min_by_key(|(index, trunk)| rank(*index, trunk)).map(|(index, _)| index)
    }
}

impl Trunks {
    /// Where a number is reached over a trunk: Request-URI and flow.
    pub(super) fn way_out(&self, index: usize, number: &str) -> Option<(Bytes, Flow)> {
        let trunk = self.settings.trunks.get(index)?;
        let flow = self.trunk_flow(trunk)?;
        let number = dialled(number, trunk.terms.number_format, &trunk.terms.country);
        Some((uri_over(flow, Some(&number)), flow))
    }
}

impl Settings {
    /// A telco that may ask for a password which we have.
    pub(super) fn asks(&self, trunk: usize) -> bool {
        self.trunks.get(trunk).is_some_and(|trunk| trunk.terms.identity.is_some())
    }
}

impl Trunks {
    /// Seats, challenges and requests belong to somebody alive.
    pub(super) fn verify_trunks(&self, wire: &Wire, alive: impl Fn(&Who) -> bool) -> Result<(), String> {
        let names = self.settings.trunks.iter().map(|trunk| trunk.name.as_str());
        if !self.states.iter().map(|state| state.name.as_str()).eq(names) {
            return Err("the trunks' states are not those of the settings".to_owned());
        }
        self.channels.verify(alive)?;
        if wire.retries.keys().any(|client| !wire.clients.contains_key(client)) {
            return Err("a request that is over may still be asked for credentials".to_owned());
        }
        for (_, purpose) in wire.clients.iter() {
            if let Purpose::TrunkPing(index, _) | Purpose::TrunkRegister(index, _) = purpose
                && *index >= self.states.len()
            {
                return Err(format!("{purpose:?} is under way to a trunk that is gone"));
            }
        }
        Ok(())
    }
}
