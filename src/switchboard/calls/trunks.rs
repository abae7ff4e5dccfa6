//! Registration with trunks after a change of settings, and dialling of numbers over trunks.

use crate::cdr::fact::Callee;
use crate::clock::Instant;
use crate::ids::CallId;
use crate::switchboard::calls::Calls;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::settings::Trunk;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::trunks::registration::Binding;
use crate::switchboard::trunks::trunk::{NextRoute, TrunkState, same_place};

impl Calls {
    /// Starts missing registrations with trunks that require them.
    pub(in crate::switchboard) fn align_registrations(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now.mono;
        for index in 0..net.trunks.states.len() {
            let trunk = self.settings.trunks.get(index).filter(|trunk| trunk.target.is_some() || trunk.host.is_some());
            let wanted = trunk.and_then(|trunk| trunk.terms.register.as_ref()).map(|register| register.expires);
            let (sip_call_id, tag) = (step.rng.token().as_str().to_owned(), step.rng.token().as_str().to_owned());
            let draining = self.service_state.draining;
            let Some(state) = net.trunks.states.get_mut(index) else { return };
            match (wanted, &mut state.binding) {
                (Some(expires), None) if !draining => {
                    let (next, registered, cseq, failures) = (Some(now), false, 0, 0);
                    state.binding = Some(Binding { sip_call_id, tag, cseq, expires, registered, failures, next });
                    step.timers.insert(now, TimerKind::RegisterTrunk(index));
                }
                (Some(expires), Some(binding)) => {
                    binding.expires = expires;
                    // New settings may have repaired a failed registration.
                    if !binding.registered {
                        binding.next = binding.next.map(|_| now);
                    }
                    if let Some(at) = binding.next {
                        step.timers.insert(at, TimerKind::RegisterTrunk(index));
                    }
                }
                (None, _) | (Some(_), None) => {}
            }
        }
    }

    /// Reorders the states of trunks to match the settings, by name, and renumbers all references to trunks. `old` are
    /// the trunks of the present states; siaga has deregistered from those that were removed or whose registration has
    /// changed (`leave_old_trunks`).
    pub(in crate::switchboard) fn align_trunks(&mut self, net: &mut NetworkParts, step: &mut Step, old: &[Trunk]) {
        let new = &self.settings.trunks;
        let place = |trunk: &Trunk| new.iter().position(|other| other.name == trunk.name);
        let places: Vec<Option<usize>> = old.iter().map(place).collect();
        let mut states: Vec<TrunkState> = Vec::with_capacity(new.len());
        for trunk in new {
            let before = old.iter().position(|before| before.name == trunk.name);
            let state = before.and_then(|index| net.trunks.states.get_mut(index)).map(std::mem::take);
            let mut state = state.unwrap_or_default();
            if before.and_then(|index| old.get(index)).is_some_and(|before| !same_place(before, trunk)) {
                // The results of keep-alives to the old address do not apply to the new one.
                (state.up, state.streak) = (None, 0);
            }
            state.name.clone_from(&trunk.name);
            states.push(state);
        }
        net.trunks.states = states;
        net.trunks.channels.follow(&places);
        let placed = |index: usize| places.get(index).copied().flatten();
        for call in self.calls.values_mut() {
            call.dialling.renumber(placed);
            for leg in call.legs.values_mut() {
                leg.dialled = leg.dialled.and_then(|(index, target)| Some((placed(index)?, target)));
            }
        }
        net.wire.clients.renumber_trunks(placed);
        self.align_registrations(net, step);
    }

    /// Dials a number over one trunk after the other until the INVITE can be sent: trunks that are up first, then those
    /// with capacity, then by priority. A trunk that is down is tried last, since only its keep-alives may fail. A full
    /// trunk is tried too: waiting callers may fill a trunk, and only the telco knows whether a channel is free.
    pub(in crate::switchboard) fn dial(
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
            call.dialling.begin(index);
            let name = self.settings.trunks.get(index).map(|trunk| trunk.name.as_str()).unwrap_or_default();
            let why = format!("{why} over {name}");
            let to = Callee::Number(number.to_owned());
            if self.ring_number(net, step, id, to, why, ring_until) {
                return true;
            }
        }
        false
    }

    /// Dials a number again after its leg has failed, if another server or trunk is left. Returns true if it did.
    pub(in crate::switchboard) fn dial_again(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: &Callee,
        why: &str,
    ) -> bool {
        let now = step.now;
        let Callee::Number(number) = to else { return false };
        let Some(way) = self.calls.get_mut(&id).and_then(|call| call.dialling.take_next_route()) else { return false };
        let until = now.mono + self.settings.fallback.ring;
        (way == NextRoute::Server && self.ring_next_server(net, step, id, to, until))
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
        let Some((trunk, failed)) = self.calls.get(&id).and_then(|call| call.dialling.failed()) else { return false };
        let why = "over the trunk's next server".to_owned();
        net.trunks.target_fails(trunk, failed) && self.ring_number(net, step, id, to.clone(), why, until)
    }

    fn next_trunk(&self, net: &NetworkParts, id: CallId) -> Option<usize> {
        let call = self.calls.get(&id)?;
        // The call has reached its last hop, for example in a loop (RFC 7332 §4).
        if call.invite.hops <= 1 {
            return None;
        }
        let trunks = self.settings.trunks.iter().enumerate();
        let open = trunks
            .filter(|(index, trunk)| net.trunks.trunk_target(trunk).is_some() && !call.dialling.has_tried(*index));
        let down = |index: usize| net.trunks.states.get(index).is_some_and(TrunkState::is_down);
        let rank =
            |index: usize, trunk: &Trunk| (down(index), !net.trunks.has_room(index), trunk.terms.priority, index);
        open.min_by_key(|(index, trunk)| rank(*index, trunk)).map(|(index, _)| index)
    }
}
