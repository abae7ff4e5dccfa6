//! Registrations with telcos (RFC 3261 §10.2): sent, refreshed, retried after failures, and removed when no longer wanted.

use crate::clock::Instant;
use crate::sip::flow::Flow;
use crate::sip::header::NameAddr;
use crate::sip::locate::Target;
use crate::sip::message;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::output::Output;
use crate::switchboard::settings::Trunk;
use crate::switchboard::settings::sections::Registration;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::trunks::trunk::same_place;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;
use std::time::Duration;

/// The interval before a failed registration is retried. It doubles up to `RETRY_LONGEST` (RFC 5626 §4.5).
const RETRY_FIRST: Duration = Duration::from_secs(30);

const RETRY_LONGEST: Duration = Duration::from_secs(1_800);

/// Time that a drain waits for responses to deregistrations: enough for two retransmissions and a challenge.
const GOODBYE: Duration = Duration::from_secs(2);

impl Trunks {
    /// Deregisters from trunks that the new settings remove or whose registration they change, and ends pending
    /// requests to these trunks. Their calls continue. The old settings still apply.
    pub(in crate::switchboard) fn leave_old_trunks(&mut self, wire: &mut Wire, step: &mut Step, new: &[Trunk]) {
        for index in 0..self.states.len() {
            let Some(old) = self.settings.trunks.get(index) else { continue };
            let stays = new.iter().find(|trunk| trunk.name == old.name);
            let (here, bound) = stays.map_or((false, false), |new| (same_place(old, new), same_binding(old, new)));
            let gone = stays.is_none().then(|| old.name.clone());
            if !here {
                wire.abandon_trunk_requests(index, |purpose| matches!(purpose, Purpose::TrunkPing(..)));
            }
            if !bound {
                self.take_back(wire, step, index);
            }
            if let Some(trunk) = gone {
                self.keep_terms(index);
                step.say(Output::TrunkGone { trunk });
            }
        }
        // The indexes of the trunks may change.
        for (index, state) in self.states.iter().enumerate() {
            if let Some(at) = state.binding.as_ref().and_then(|binding| binding.next) {
                step.timers.remove(at, TimerKind::RegisterTrunk(index));
            }
        }
    }

    /// Registers at once with the current server of a trunk.
    pub(in crate::switchboard) fn register_at_once(&mut self, wire: &mut Wire, step: &mut Step, index: usize) {
        if self.states.get(index).is_some_and(|state| state.binding.is_some()) {
            wire.abandon_registering(index);
            let now = step.now.mono;
            self.register_again_at(step, now, index);
        }
    }

    /// Sends the REGISTER that is due (RFC 3261 §10.2).
    pub(in crate::switchboard) fn register_at_trunk(&mut self, wire: &mut Wire, step: &mut Step, index: usize) {
        let now = step.now;
        let way = self
            .settings
            .trunks
            .get(index)
            .and_then(|trunk| Some((self.trunk_target(trunk)?, self.trunk_flow(trunk)?)));
        let Some((target, flow)) = way else {
            // The trunk's name is not resolved yet. `set_targets` registers as soon as it is.
            return self.register_again_at(step, now.mono + RETRY_FIRST, index);
        };
        if self.send_register(wire, step, index, flow, Purpose::TrunkRegister(index, target), false) {
            if let Some(binding) = self.states.get_mut(index).and_then(|state| state.binding.as_mut()) {
                binding.next = None;
            }
        } else {
            self.not_registered(step, index, None);
        }
    }

    fn send_register(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        index: usize,
        flow: Flow,
        purpose: Purpose,
        leaving: bool,
    ) -> bool {
        let (number, sent_by) =
            (self.settings.numbers.emergency.clone(), self.settings.site.advertised(flow).to_owned());
        let branch = format!("z9hG4bK{}", step.rng.token());
        let Some(trunk) = self.settings.trunks.get(index) else { return false };
        let Some(Registration { registrar, aor, .. }) = &trunk.terms.register else { return false };
        let Some(binding) = self.states.get_mut(index).and_then(|state| state.binding.as_mut()) else { return false };
        binding.cseq += 1;
        let expires = if leaving { 0 } else { binding.expires.as_secs() };
        let bytes = message::request(Method::Register, registrar.as_bytes())
            .via(flow.transport, &sent_by, &branch)
            .header(Name::MaxForwards, b"70")
            .header(Name::From, format!("<{aor}>;tag={}", binding.tag).as_bytes())
            .header(Name::To, format!("<{aor}>").as_bytes())
            .header(Name::CallId, binding.sip_call_id.as_bytes())
            .header(Name::CSeq, format!("{} REGISTER", binding.cseq).as_bytes())
            .header(Name::Contact, format!("<sip:{number}@{sent_by}>").as_bytes())
            .header(Name::Expires, expires.to_string().as_bytes())
            .encode();
        let cseq = binding.cseq;
        let sent = wire.request(step, flow, Method::Register, &branch, bytes.clone());
        let Some(client) = sent else { return false };
        wire.expect(client, purpose);
        wire.keep_for_retry(client, Some(index), flow, bytes, cseq);
        true
    }

    /// Stores the CSeq of a REGISTER that was repeated after a challenge.
    pub(in crate::switchboard) fn registering_with(&mut self, index: usize, cseq: u32) {
        if let Some(binding) = self.states.get_mut(index).and_then(|state| state.binding.as_mut()) {
            binding.cseq = cseq;
        }
    }

    /// Handles the final response to a REGISTER.
    pub(in crate::switchboard) fn trunk_registered(
        &mut self,
        step: &mut Step,
        index: usize,
        asked: Target,
        message: &Message<'_>,
        status: u16,
    ) {
        let now = step.now;
        let Some(binding) = self.states.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        match status {
            200..300 => {
                binding.failures = 0;
                let granted = granted(message).unwrap_or(binding.expires).min(binding.expires);
                // Refreshes early enough for several retransmissions, whatever interval was granted.
                let again = granted.mul_f32(0.8).max(Duration::from_secs(5));
                self.register_again_at(step, now.mono + again, index);
                self.set_registered(step, index, true);
            }
            423 => {
                let least = message.number(Name::MinExpires).ok().flatten().unwrap_or(3_600).min(86_400);
                binding.expires = binding.expires.max(Duration::from_secs(least.into()));
                self.not_registered(step, index, Some(Duration::from_secs(1)));
            }
            503 => self.registrar_silent(step, index, asked),
            _ => {
                let wanted = message.number(Name::RetryAfter).ok().flatten();
                self.not_registered(step, index, wanted.map(|seconds| Duration::from_secs(seconds.into())));
            }
        }
    }

    /// Handles a server that does not accept the REGISTER: the next server is tried at once, if one is left
    /// (RFC 3263 §4.3).
    pub(in crate::switchboard) fn registrar_silent(&mut self, step: &mut Step, index: usize, asked: Target) {
        if self.target_fails(index, asked) {
            let now = step.now.mono;
            self.register_again_at(step, now, index);
        } else {
            self.not_registered(step, index, None);
        }
    }

    /// Schedules the next REGISTER after a failure, with a growing interval.
    fn not_registered(&mut self, step: &mut Step, index: usize, after: Option<Duration>) {
        let now = step.now;
        let Some(binding) = self.states.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        let doubled = RETRY_FIRST.saturating_mul(1_u32.checked_shl(binding.failures).unwrap_or(u32::MAX));
        binding.failures = binding.failures.saturating_add(1);
        let after = after.filter(|_| binding.failures < 5).unwrap_or(doubled).min(RETRY_LONGEST);
        self.register_again_at(step, now.mono + after, index);
        self.set_registered(step, index, false);
    }

    /// Deregisters from all telcos at the start of a drain (RFC 3261 §10.2.2), and limits the time to wait for their
    /// responses.
    pub(in crate::switchboard) fn leave_trunks(&mut self, wire: &mut Wire, step: &mut Step) {
        let now = step.now;
        for index in 0..self.states.len() {
            self.take_back(wire, step, index);
        }
        step.timers.insert(now.mono + GOODBYE, TimerKind::DeregistrationsOver);
    }

    /// Removes a binding by REGISTER with Expires 0. A pending REGISTER may still be granted, so its binding is removed
    /// too. If the trunk is down, the request is sent, but a drain does not wait for its response.
    fn take_back(&mut self, wire: &mut Wire, step: &mut Step, index: usize) {
        wire.abandon_registering(index);
        let Some(state) = self.states.get(index) else { return };
        let Some(binding) = &state.binding else { return };
        let (may_stand, awaited) = (binding.may_stand(), !state.is_down());
        if let Some(at) = binding.next {
            step.timers.remove(at, TimerKind::RegisterTrunk(index));
        }
        let flow = self.settings.trunks.get(index).and_then(|trunk| self.trunk_flow(trunk));
        if let Some(flow) = flow.filter(|_| may_stand) {
            self.send_register(wire, step, index, flow, Purpose::Deregister { awaited }, true);
        }
        self.set_registered(step, index, false);
        if let Some(state) = self.states.get_mut(index) {
            state.binding = None;
        }
    }

    fn register_again_at(&mut self, step: &mut Step, next: Instant, index: usize) {
        let Some(binding) = self.states.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        if let Some(old) = binding.next.replace(next) {
            step.timers.remove(old, TimerKind::RegisterTrunk(index));
        }
        step.timers.insert(next, TimerKind::RegisterTrunk(index));
    }

    pub(in crate::switchboard) fn set_registered(&mut self, step: &mut Step, index: usize, registered: bool) {
        let Some(state) = self.states.get_mut(index) else { return };
        let Some(binding) = &mut state.binding else { return };
        if std::mem::replace(&mut binding.registered, registered) != registered || binding.failures == 1 {
            let trunk = state.name.clone();
            step.say(Output::TrunkRegistered { trunk, registered });
        }
    }
}

/// The interval that the telco has granted: `expires` of the Contact, otherwise Expires.
fn granted(message: &Message<'_>) -> Option<Duration> {
    let contact = message.list(Name::Contact).find_map(|value| {
        let expires = NameAddr::parse(value).ok()?.params.value("expires")?;
        std::str::from_utf8(&expires).ok()?.parse::<u64>().ok()
    });
    let seconds = contact.or_else(|| message.number(Name::Expires).ok().flatten().map(u64::from))?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// True if both settings lead to the same binding.
pub(in crate::switchboard) fn same_binding(one: &Trunk, other: &Trunk) -> bool {
    let names = |trunk: &Trunk| trunk.terms.register.as_ref().map(|to| (to.registrar.clone(), to.aor.clone()));
    same_place(one, other) && names(one) == names(other)
}
