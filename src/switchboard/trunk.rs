//! Trunks as they are now: who answers, who has room, where we are registered, and what a telco asks our password for.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Instant, Now};
use crate::ids::CallId;
use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use crate::sip::header::NameAddr;
use crate::sip::message;
use crate::sip::number::{NumberFormat, dialled};
use crate::sip::sdp::AudioCodec;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method, Name};

use super::leg::Who;
use super::route::uri_over;
use super::timers::Alarm;
use super::{Output, Purpose, Switchboard};

/// A registration that fails is tried again after so long, then after twice as long, up to the longest (RFC 5626 §4.5).
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_LONGEST: Duration = Duration::from_secs(1_800);
/// A request is sent again for a challenge so often: once, and once more when its nonce was too old.
const TRIES_MAX: u8 = 2;

/// How one trunk is used, beyond where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkTerms {
    /// Lower is tried first for outgoing calls.
    pub priority: u16,
    /// Calls at once, both ways; 0: no cap.
    pub max_calls: usize,
    /// What we answer the telco's challenges with.
    pub identity: Option<Identity>,
    pub register: Option<Registration>,
    pub number_format: NumberFormat,
    /// Country code of national numbers, without `+`; empty: numbers stay as they come.
    pub country: String,
    /// Keep-alives without an answer until the trunk counts as down, and answers until it is up again.
    pub down_after: u32,
    pub up_after: u32,
    /// Most wanted first; empty: as the other side prefers.
    pub codecs: Vec<AudioCodec>,
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
            down_after: 3,
            up_after: 2,
            codecs: Vec::new(),
        }
    }
}

/// Where and how we register with a telco.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Request-URI: `sip:telco.example`.
    pub registrar: String,
    /// Address of record: `sip:user@telco.example`.
    pub aor: String,
    pub expires: Duration,
}

/// One trunk now.
#[derive(Debug, Default)]
pub(super) struct TrunkState {
    name: String,
    up: Option<bool>,
    /// Keep-alives in a row that speak against `up`.
    streak: u32,
    /// Legs that take its room.
    seats: BTreeSet<Who>,
    binding: Option<Binding>,
}

/// Our registration with a telco.
#[derive(Debug)]
struct Binding {
    sip_call_id: String,
    tag: String,
    cseq: u32,
    /// What is asked for; the telco may want more (423).
    expires: Duration,
    registered: bool,
    failures: u32,
    /// The next REGISTER. None while one is under way, and once we leave.
    next: Option<Instant>,
}

/// A request to a trunk that may be answered with a challenge.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    trunk: usize,
    flow: Flow,
    bytes: Bytes,
    cseq: u32,
    tries: u8,
}

impl Switchboard {
    /// Puts the states beside the settings' trunks, by name; starts and stops registrations.
    pub(super) fn align_trunks(&mut self, now: Instant) {
        let names = |one: &TrunkState| one.name.clone();
        let same = self.trunks.iter().map(names).eq(self.settings.trunks.iter().map(|trunk| trunk.name.clone()));
        if !same {
            // What is under way names trunks by their place: nobody waits for it any more.
            let gone: Vec<ClientId> = self
                .clients
                .iter()
                .filter(|(_, purpose)| matches!(purpose, Purpose::TrunkPing(_) | Purpose::TrunkRegister(_)))
                .map(|(client, _)| *client)
                .collect();
            for client in gone {
                self.clients.remove(&client);
                self.transactions.forget(client);
            }
            self.asked.clear();
            let mut old = std::mem::take(&mut self.trunks);
            for (index, state) in old.iter().enumerate() {
                if let Some(at) = state.binding.as_ref().and_then(|binding| binding.next) {
                    self.alarms.remove(at, Alarm::RegisterTrunk(index));
                }
            }
            for trunk in &self.settings.trunks {
                let kept = old.iter_mut().find(|state| state.name == trunk.name).map(std::mem::take);
                let mut state = kept.unwrap_or_default();
                state.name.clone_from(&trunk.name);
                state.binding = None;
                self.trunks.push(state);
            }
        }
        for index in 0..self.trunks.len() {
            self.align_registration(now, index);
        }
    }

    fn align_registration(&mut self, now: Instant, index: usize) {
        let wanted = self.settings.trunks.get(index).filter(|trunk| trunk.target.is_some());
        let wanted = wanted.and_then(|trunk| trunk.terms.register.as_ref()).map(|register| register.expires);
        let (sip_call_id, tag) = (self.rng.token().as_str().to_owned(), self.rng.token().as_str().to_owned());
        let Some(state) = self.trunks.get_mut(index) else { return };
        match (wanted, &state.binding) {
            (Some(expires), None) if !self.draining => {
                let (next, registered, cseq, failures) = (Some(now), false, 0, 0);
                state.binding = Some(Binding { sip_call_id, tag, cseq, expires, registered, failures, next });
                self.alarms.insert(now, Alarm::RegisterTrunk(index));
            }
            (None, Some(binding)) => {
                if let Some(at) = binding.next {
                    self.alarms.remove(at, Alarm::RegisterTrunk(index));
                }
                state.binding = None;
            }
            (Some(_), Some(_)) | (None, None) | (Some(_), None) => {}
        }
    }

    /// Counts one keep-alive; the change is told once enough of them agree.
    pub(super) fn trunk_pinged(&mut self, index: usize, up: bool) {
        let Some((terms, state)) = self.settings.trunks.get(index).zip(self.trunks.get_mut(index)) else { return };
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
            self.say(Output::TrunkHealth { trunk, up });
        }
    }

    /// True while another call fits on a trunk.
    pub(super) fn has_room(&self, index: usize) -> bool {
        let cap = self.settings.trunks.get(index).map_or(0, |trunk| trunk.terms.max_calls);
        cap == 0 || self.trunks.get(index).is_none_or(|state| state.seats.len() < cap)
    }

    pub(super) fn take_seat(&mut self, index: usize, who: Who) {
        if let Some(state) = self.trunks.get_mut(index) {
            state.seats.insert(who);
        }
    }

    pub(super) fn leave_seat(&mut self, who: Who) {
        for state in &mut self.trunks {
            state.seats.remove(&who);
        }
    }

    /// The trunk whose room somebody takes.
    pub(super) fn trunk_with(&self, who: Who) -> Option<usize> {
        self.trunks.iter().position(|state| state.seats.contains(&who))
    }

    /// Dials a number over one trunk after the other until one takes the INVITE: those that answer first, by priority.
    /// One that counts as down is tried last, not never: it may only be its keep-alives that fail.
    pub(super) fn dial(&mut self, now: Now, id: CallId, number: &str, why: &str, ring_until: Instant) -> bool {
        while let Some(index) = self.next_trunk(id) {
            let Some(call) = self.calls.get_mut(&id) else { return false };
            call.tried.insert(index);
            call.dialling = Some(index);
            let name = self.settings.trunks.get(index).map(|trunk| trunk.name.as_str()).unwrap_or_default();
            let why = format!("{why} over {name}");
            let to = crate::cdr::fact::Callee::Number(number.to_owned());
            if self.ring(now, id, to, why, ring_until) {
                return true;
            }
        }
        false
    }

    fn next_trunk(&self, id: CallId) -> Option<usize> {
        let call = self.calls.get(&id)?;
        // The last hop of a call that goes round in circles (RFC 7332 §4).
        if call.hops <= 1 {
            return None;
        }
        let trunks = self.settings.trunks.iter().enumerate();
        let open = trunks.filter(|(index, trunk)| {
            self.trunk_target(trunk).is_some() && !call.tried.contains(index) && self.has_room(*index)
        });
        let down = |index: usize| self.trunks.get(index).is_some_and(|state| state.up == Some(false));
        open.min_by_key(|(index, trunk)| (down(*index), trunk.terms.priority, *index)).map(|(index, _)| index)
    }

    /// Where a number is reached over a trunk: Request-URI and flow.
    pub(super) fn way_out(&self, index: usize, number: &str) -> Option<(Bytes, Flow)> {
        let trunk = self.settings.trunks.get(index)?;
        let flow = self.trunk_flow(trunk)?;
        let number = dialled(number, trunk.terms.number_format, &trunk.terms.country);
        Some((uri_over(flow, Some(&number)), flow))
    }

    /// Remembers what was sent to a trunk that may ask for our password.
    pub(super) fn may_be_asked(&mut self, client: ClientId, trunk: usize, flow: Flow, bytes: Bytes, cseq: u32) {
        if self.asks(trunk) {
            self.asked.insert(client, Asked { trunk, flow, bytes, cseq, tries: 0 });
        }
    }

    /// A telco that may ask for a password which we have.
    pub(super) fn asks(&self, trunk: usize) -> bool {
        self.settings.trunks.get(trunk).is_some_and(|trunk| trunk.terms.identity.is_some())
    }

    /// A telco asks for credentials (401, 407): the request goes out again with them (RFC 3261 §22.2). False when it cannot,
    /// or they were wrong; then the challenge is a refusal.
    pub(super) fn authorize(&mut self, now: Now, client: ClientId, purpose: &Purpose, response: &Message<'_>) -> bool {
        if response.status().is_none_or(|status| status < 200) {
            return false;
        }
        let Some(asked) = self.asked.remove(&client) else { return false };
        if !matches!(response.status(), Some(401 | 407)) || self.is_unwanted(purpose) {
            return false;
        }
        let cnonce = self.rng.token();
        let branch = format!("z9hG4bK{}", self.rng.token());
        let head = asked.bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        let mut words = head.split(|b| *b == b' ').map(|word| std::str::from_utf8(word).unwrap_or_default());
        let (Some(word), Some(uri)) = (words.next(), words.next()) else { return false };
        let identity = self.settings.trunks.get(asked.trunk).and_then(|trunk| trunk.terms.identity.as_ref());
        let Some(answer) = identity.and_then(|me| me.answer(response, word, uri, cnonce.as_str())) else {
            return false;
        };
        if asked.tries > 0 && !(answer.stale && asked.tries < TRIES_MAX) {
            return false;
        }
        let (flow, cseq) = (asked.flow, asked.cseq + 1);
        let via = (flow.transport, self.advertised(flow), branch.as_str());
        let again = message::again(&asked.bytes, via, cseq, (answer.name, answer.value.as_bytes()));
        let Some(bytes) = again else { return false };
        let method = Method::of(word.as_bytes());
        let sent = self.transactions.send(now.mono, flow, method, &branch, bytes.clone(), &mut self.transmits);
        let Some(new) = sent else { return false };
        self.clients.remove(&client);
        self.transactions.forget(client);
        self.clients.insert(new, purpose.clone());
        self.asked.insert(new, Asked { bytes, cseq, tries: asked.tries + 1, ..asked });
        match purpose {
            Purpose::Offer(Who::Offer(call, leg)) => {
                if let Some(leg) = self.calls.get_mut(call).and_then(|call| call.legs.get_mut(leg)) {
                    (leg.client, leg.cseq) = (Some(new), cseq);
                }
            }
            Purpose::TrunkRegister(index) => {
                if let Some(binding) = self.trunks.get_mut(*index).and_then(|state| state.binding.as_mut()) {
                    binding.cseq = cseq;
                }
            }
            Purpose::Offer(Who::Caller(_) | Who::Phone(_))
            | Purpose::Refresh(_)
            | Purpose::TrunkPing(_)
            | Purpose::PhonePing(_)
            | Purpose::Notify(_)
            | Purpose::Farewell => {}
        }
        true
    }

    /// An offer that was cancelled meanwhile is not made again.
    fn is_unwanted(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Offer(Who::Offer(call, leg)) => {
                let leg = self.calls.get(call).and_then(|call| call.legs.get(leg));
                !leg.is_some_and(super::leg::OfferLeg::is_ringing)
            }
            Purpose::Offer(Who::Caller(_) | Who::Phone(_)) => true,
            Purpose::Refresh(_)
            | Purpose::TrunkPing(_)
            | Purpose::TrunkRegister(_)
            | Purpose::PhonePing(_)
            | Purpose::Notify(_)
            | Purpose::Farewell => false,
        }
    }

    /// Sends the REGISTER that is due (RFC 3261 §10.2); `leaving` takes our binding away.
    pub(super) fn register_at_trunk(&mut self, now: Now, index: usize, leaving: bool) {
        let Some(flow) = self.settings.trunks.get(index).and_then(|trunk| self.trunk_flow(trunk)) else { return };
        let (number, sent_by) = (self.settings.number.clone(), self.advertised(flow).to_owned());
        let branch = format!("z9hG4bK{}", self.rng.token());
        let Some(trunk) = self.settings.trunks.get(index) else { return };
        let Some(Registration { registrar, aor, .. }) = &trunk.terms.register else { return };
        let Some(binding) = self.trunks.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        binding.cseq += 1;
        binding.next = None;
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
        let sent =
            self.transactions.send(now.mono, flow, Method::Register, &branch, bytes.clone(), &mut self.transmits);
        match sent {
            Some(client) => {
                self.clients.insert(client, Purpose::TrunkRegister(index));
                self.may_be_asked(client, index, flow, bytes, cseq);
            }
            None => self.not_registered(now, index, None),
        }
    }

    /// The telco's answer to a REGISTER.
    pub(super) fn trunk_registered(&mut self, now: Now, index: usize, message: &Message<'_>, status: u16) {
        let leaving = self.draining;
        let Some(binding) = self.trunks.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        match status {
            200..300 if leaving => self.set_registered(index, false),
            200..300 => {
                binding.failures = 0;
                let granted = granted(message).unwrap_or(binding.expires).min(binding.expires);
                // Early enough for a few repeats, whatever was granted.
                self.register_again_after(now, index, granted.mul_f32(0.8).max(Duration::from_secs(5)));
                self.set_registered(index, true);
            }
            423 => {
                let least = message.number(Name::MinExpires).ok().flatten().unwrap_or(3_600).min(86_400);
                binding.expires = binding.expires.max(Duration::from_secs(least.into()));
                self.not_registered(now, index, Some(Duration::from_secs(1)));
            }
            _ => {
                let wanted = message.number(Name::RetryAfter).ok().flatten();
                self.not_registered(now, index, wanted.map(|seconds| Duration::from_secs(seconds.into())));
            }
        }
    }

    /// A REGISTER has failed: the next follows after a while that grows.
    pub(super) fn not_registered(&mut self, now: Now, index: usize, after: Option<Duration>) {
        let leaving = self.draining;
        let Some(binding) = self.trunks.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        let doubled = RETRY_FIRST.saturating_mul(1_u32.checked_shl(binding.failures).unwrap_or(u32::MAX));
        binding.failures = binding.failures.saturating_add(1);
        let after = after.filter(|_| binding.failures < 5).unwrap_or(doubled).min(RETRY_LONGEST);
        if !leaving {
            self.register_again_after(now, index, after);
        }
        self.set_registered(index, false);
    }

    /// The drain begins: telcos are told to send no more calls (RFC 3261 §10.2.2).
    pub(super) fn leave_trunks(&mut self, now: Now) {
        for index in 0..self.trunks.len() {
            let Some(binding) = self.trunks.get_mut(index).and_then(|state| state.binding.as_mut()) else { continue };
            if let Some(at) = binding.next.take() {
                self.alarms.remove(at, Alarm::RegisterTrunk(index));
            }
            if binding.registered {
                self.register_at_trunk(now, index, true);
            }
        }
    }

    fn register_again_after(&mut self, now: Now, index: usize, after: Duration) {
        let Some(binding) = self.trunks.get_mut(index).and_then(|state| state.binding.as_mut()) else { return };
        let next = now.mono + after;
        if let Some(old) = binding.next.replace(next) {
            self.alarms.remove(old, Alarm::RegisterTrunk(index));
        }
        self.alarms.insert(next, Alarm::RegisterTrunk(index));
    }

    fn set_registered(&mut self, index: usize, registered: bool) {
        let Some(state) = self.trunks.get_mut(index) else { return };
        let Some(binding) = &mut state.binding else { return };
        if std::mem::replace(&mut binding.registered, registered) != registered || binding.failures == 1 {
            let trunk = state.name.clone();
            self.say(Output::TrunkRegistered { trunk, registered });
        }
    }

    /// Seats and challenges belong to somebody alive.
    pub(super) fn verify_trunks(&self, alive: impl Fn(&Who) -> bool) -> Result<(), String> {
        if self.trunks.len() != self.settings.trunks.len() {
            return Err("a trunk has no state".to_owned());
        }
        if let Some(who) = self.trunks.iter().flat_map(|state| &state.seats).find(|who| !alive(who)) {
            return Err(format!("a trunk's room is taken by {who:?}, who is gone"));
        }
        if self.asked.keys().any(|client| !self.clients.contains_key(client)) {
            return Err("a request that is over may still be asked for credentials".to_owned());
        }
        Ok(())
    }
}

/// For how long the telco keeps our binding: the Contact's `expires`, else Expires.
fn granted(message: &Message<'_>) -> Option<Duration> {
    let contact = message.list(Name::Contact).find_map(|value| {
        let expires = NameAddr::parse(value).ok()?.params.value("expires")?;
        std::str::from_utf8(&expires).ok()?.parse::<u64>().ok()
    });
    let seconds = contact.or_else(|| message.number(Name::Expires).ok().flatten().map(u64::from))?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
