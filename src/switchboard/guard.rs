//! Who gets no answer at the door: scanners, floods, guessers of passwords. And what goes round in circles.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::cdr::fact::FactKind;
use crate::clock::Now;
use crate::ids::OperatorId;
use crate::limits::{TRANSACTIONS_MAX, TRANSACTIONS_SOFT_MAX};
use crate::sip::dialog::DialogKey;
use crate::sip::digest::Claim;
use crate::sip::flow::Flow;
use crate::sip::guard::{Ban, Guessing, Pass, Reason, Resident, Scanners, Standing, Terms};
use crate::sip::header::{NameAddr, Via};
use crate::sip::registrar::Binding;
use crate::sip::uri::{Host, Uri};
use crate::sip::wire::{Message, Method, Name};

use super::Output;
use super::settings::Network;
use crate::switchboard::{Admission, Facts, Phones, Settings, Step, Switchboard, Wire};

/// What the guard is told by config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    pub terms: Terms,
    pub scanners: Scanners,
    /// Never limited, never banned: the operators' own network.
    pub allow: Vec<Network>,
    /// Transactions from which on what can be asked again is refused.
    pub crowded_at: usize,
    /// Transactions at most.
    pub transactions_max: usize,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            terms: Terms::default(),
            scanners: Scanners::default(),
            allow: Vec::new(),
            crowded_at: TRANSACTIONS_SOFT_MAX,
            transactions_max: TRANSACTIONS_MAX,
        }
    }
}

/// Figures of the guard for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardFigures {
    pub banned: usize,
    /// In the order of `Reason::ALL`.
    pub counts: [u64; Reason::ALL.len()],
}

impl Switchboard {
    /// True when work may be done for a request. False: it is dropped in silence, so that scanners learn nothing and no address
    /// gets answers that it has not asked for.
    ///
    /// Trunks are never limited, whatever comes in their name: the source of a datagram can be forged, and whoever could
    /// have a trunk banned could silence 112. A request in a dialog of ours passes too, since only the two ends know its
    /// three names; so a ban never cuts a call. A CANCEL passes if its INVITE has come. The right response to a challenge passes from anywhere, even when its nonce is
    /// too old to be accepted: it gets 401 with `stale=true` (RFC 7616 §3.3).
    pub(super) fn lets_in(&mut self, flow: Flow, message: &Message<'_>) -> bool {
        let now = self.step.now;
        let source = flow.remote.ip();
        if self.settings.is_vouched(source) || message.method() == Some(Method::Ack) {
            return true;
        }
        let ours = |key| self.net.wire.dialogs.contains_key(&key) || self.subscriptions.table.at(&key).is_some();
        if DialogKey::of_request(message).is_some_and(ours)
            && self.net.admission.guard.lets_participant_in(now.mono, flow.remote)
        {
            return true;
        }
        // A CANCEL has neither a To tag nor credentials (RFC 3261 §9.1, §22.1). Only the sender of an INVITE knows its branch.
        if message.method() == Some(Method::Cancel) && self.net.wire.transactions.invite_of(message).is_some() {
            return true;
        }
        if self.settings.guard.scanners.sent(message) {
            self.net.admission.guard.count(Reason::Scanner);
            return false;
        }
        let (registrar, recovered) = (&self.net.phones.registrar, &self.net.phones.recovered);
        let resident = || match () {
            () if registrar.has_binding_from(flow.remote) => Resident::Phone,
            () if registrar.has_binding_at(source) || recovered.sleeps_at(source) => Resident::Host,
            () => Resident::No,
        };
        let is_datagram = !flow.transport.is_reliable();
        let (reason, may_challenge) = match self.net.admission.guard.ask(now.mono, flow.remote, is_datagram, resident) {
            Ok(Pass::Yes) => return true,
            Ok(Pass::OnlyProven(reason)) => (reason, false),
            Ok(Pass::OnlyProvenOrNew(reason)) => (reason, true),
            Err(ban) => return self.step.tell_ban(ban),
        };
        let passes = match self.net.admission.answers_challenge(
            &mut self.net.facts,
            &mut self.net.phones,
            &mut self.step,
            flow,
            message,
        ) {
            Some(right) => right,
            None => {
                may_challenge && is_challenged(message) && self.net.admission.guard.may_challenge(now.mono, flow.remote)
            }
        };
        if !passes {
            self.net.admission.guard.count(reason);
        }
        passes
    }
}

impl Admission {
    /// True when a request shows the right response of an account, false when it shows a wrong one or must wait for the account's
    /// sake. None: it shows none, or one that anybody could have sent in the name of its source, and must wait.
    fn answers_challenge(
        &mut self,
        facts: &mut Facts,
        phones: &mut Phones,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
    ) -> Option<bool> {
        let now = step.now;
        let claim = self.authenticator.claim(message, flow.remote.ip())?;
        let standing = self.standing(phones, flow, message, &claim);
        if self.guess_wait(phones, now, flow, message, &claim).is_some() {
            return (standing != Standing::Forgeable).then_some(false);
        }
        let accounts = &phones.accounts;
        let right = self.authenticator.is_right(message, |user| {
            OperatorId::parse(user).ok().and_then(|operator| accounts.get(&operator)).map(|account| &account.ha1)
        });
        if !right {
            self.wrong_credentials(facts, phones, step, flow, message, Some(&claim));
        }
        Some(right)
    }

    /// What is known of the sender of credentials.
    pub(super) fn standing(
        &mut self,
        phones: &mut Phones,
        flow: Flow,
        message: &Message<'_>,
        claim: &Claim,
    ) -> Standing {
        let has_flow = |binding: &Binding| binding.flow == flow;
        if !claim.was_challenged_here && !flow.is_connection() {
            return Standing::Forgeable;
        }
        let is_phone = phones.registrar.bindings(&claim.user).iter().any(has_flow);
        let call_id = registration(message);
        let is_known = call_id.is_some_and(|call_id| self.guard.guesses().has_registered(&claim.user, call_id));
        if is_phone || is_known { Standing::Phone } else { Standing::Reachable }
    }

    /// How long a source must wait until its attempt at an account is looked at.
    pub(super) fn guess_wait(
        &mut self,
        phones: &mut Phones,
        now: Now,
        flow: Flow,
        message: &Message<'_>,
        claim: &Claim,
    ) -> Option<Duration> {
        let (standing, account) = (self.standing(phones, flow, message, claim), phones.account_named(&claim.user));
        self.guard.guesses().wait(now.mono, account.as_deref(), &claim.user, flow.remote, standing)
    }

    /// A request has shown wrong credentials.
    pub(super) fn wrong_credentials(
        &mut self,
        facts: &mut Facts,
        phones: &mut Phones,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        claim: Option<&Claim>,
    ) {
        let now = step.now;
        let source = flow.remote.ip();
        let standing = claim.map(|claim| self.standing(phones, flow, message, claim));
        if let (Some(claim), Some(standing)) = (claim, standing) {
            self.guess_failed(facts, phones, step, &claim.user, flow.remote, standing);
        }
        if self.settings.is_vouched(source) {
            return self.guard.count(Reason::Credentials);
        }
        let proven = flow.is_connection() || standing.is_some_and(|standing| standing != Standing::Forgeable);
        let (registrar, recovered) = (&phones.registrar, &phones.recovered);
        let known = || registrar.has_binding_at(source) || recovered.sleeps_at(source);
        if let Some(ban) = self.guard.failed(now.mono, source, proven, known) {
            step.tell_ban(ban);
        }
    }

    /// A request has shown the right password of an account.
    pub(super) fn right_credentials(
        &mut self,
        phones: &mut Phones,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        claim: &Claim,
        operator: &OperatorId,
    ) {
        let (source, standing) = (flow.remote.ip(), self.standing(phones, flow, message, claim));
        if standing != Standing::Forgeable {
            self.guard.proven(source);
        }
        self.guard.guesses().succeeded(operator.as_str(), flow.remote, standing);
        if let Some(call_id) = registration(message) {
            self.guard.guesses().registered(operator.as_str(), call_id);
        }
        step.trust_connection(flow);
    }
}

impl Step {
    /// A request over this connection has shown an account's password, or has come from an end of a dialog that only this end can name: the
    /// connection stays open.
    pub(super) fn trust_connection(&mut self, flow: Flow) {
        if flow.is_connection() {
            self.say(Output::Authenticated(flow));
        }
    }
}

impl Admission {
    /// A wrong password, or PIN, of an account. The alarm and the fact name the account once, until it is over.
    pub(super) fn guess_failed(
        &mut self,
        facts: &mut Facts,
        phones: &mut Phones,
        step: &mut Step,
        name: &str,
        source: SocketAddr,
        standing: Standing,
    ) {
        let now = step.now;
        let account = phones.account_named(name);
        let begun = self.guard.guesses().failed(now.mono, account.as_deref(), name, source, standing);
        if let Some(guessing) = begun {
            let Guessing { account, source, failures } = guessing.clone();
            facts.service_fact(step, FactKind::PasswordGuessed { account, source, failures });
            step.say(Output::Guessing { account: guessing.account, source: Some(guessing.source) });
        }
    }

    /// Wrong PINs of an operator at a station: an alarm for some time. Each wrong PIN has a fact of its own.
    pub(super) fn pin_guessed(&mut self, step: &mut Step, operator: &OperatorId, source: IpAddr, span: Duration) {
        let now = step.now;
        if self.guard.guesses().raise(operator.as_str(), now.mono + span) {
            step.say(Output::Guessing { account: operator.as_str().to_owned(), source: Some(source) });
        }
    }

    pub(super) fn end_guessing_alarms(&mut self, step: &mut Step) {
        let now = step.now;
        while let Some(account) = self.guard.guesses().pop_calm(now.mono) {
            step.say(Output::Guessing { account, source: None });
        }
    }
}

impl Phones {
    fn account_named(&self, user: &str) -> Option<String> {
        let operator = OperatorId::parse(user).ok().filter(|operator| self.accounts.contains_key(operator))?;
        Some(operator.as_str().to_owned())
    }
}

impl Switchboard {
    /// Figures for the metrics.
    pub fn guard_figures(&self) -> GuardFigures {
        GuardFigures {
            banned: self.net.admission.guard.banned(),
            counts: self.net.admission.guard.counts().map(|(_, count)| count),
        }
    }
}

impl Admission {
    /// True when transactions are so many that what can be asked again must wait, so that trunks' INVITEs find room.
    /// REGISTER, OPTIONS, SUBSCRIBE and phones' INVITEs then get 503 with Retry-After (RFC 3261 §21.5.4), without state.
    pub(super) fn sheds(&mut self, wire: &mut Wire, method: Method, of_trunk: bool) -> bool {
        let crowded = wire.transactions.len() >= self.settings.guard.crowded_at;
        let shed = crowded && !(method == Method::Invite && of_trunk);
        if shed {
            self.guard.count(Reason::Overload);
        }
        shed
    }
}

impl Wire {
    /// The status that a request gets which has lost its way.
    ///
    /// 482: one of its Via carries the branch of a request of ours that is under way, so it has come back (RFC 3261 §16.3
    /// item 4); the branch alone tells, since another machine may bear our private address.
    /// 403: its Route wants it carried on to somebody else (RFC 3261 §16.4), and we relay for nobody. The first Route has led
    /// here, whatever name it uses, and is taken off; so are those that name us. A trunk's Routes are stepped over: a leftover
    /// of the telco's own routing is no reason to refuse an emergency call.
    /// Never 483: Max-Forwards counts hops, and none follow after us (RFC 3261 §16.3 item 3 speaks of proxies). What we send
    /// on behalf of a caller takes his count along (RFC 7332 §4).
    pub(super) fn astray(&mut self, message: &Message<'_>, of_trunk: bool) -> Option<u16> {
        let method = message.method()?;
        let mut vias = message.list(Name::Via).filter_map(|via| Via::parse(via).ok());
        let returned =
            vias.any(|via| via.branch().is_some_and(|branch| self.transactions.is_under_way(method, &branch)));
        if returned {
            return Some(482);
        }
        let elsewhere = !of_trunk && message.list(Name::Route).skip(1).any(|route| !self.settings.names_us(route));
        elsewhere.then_some(403)
    }
}

impl Admission {
    pub(super) fn lift_ban(&mut self, address: IpAddr) -> bool {
        self.guard.lift(address)
    }

    /// True if a request of an unknown source is dropped under overload.
    pub(super) fn sheds_stranger(&mut self, wire: &mut Wire, flow: Flow) -> bool {
        let crowded = wire.transactions.len() >= self.settings.guard.crowded_at;
        let shed = crowded && !self.settings.is_vouched(flow.remote.ip());
        if shed {
            self.guard.count(Reason::Overload);
        }
        shed
    }
}

impl Phones {
    /// True for trunks, addresses of registered phones and `allow`. Responses to other sources, which may be forged, are short.
    pub(super) fn is_known(&self, source: IpAddr) -> bool {
        self.settings.is_vouched(source) || self.registrar.has_binding_at(source)
    }
}

impl Settings {
    /// Trunk peers, whatever they have proven, and whom config vouches for.
    fn is_vouched(&self, source: IpAddr) -> bool {
        let peers = self.trunks.iter().flat_map(|trunk| &trunk.peers);
        peers.chain(&self.guard.allow).any(|block| block.contains(source))
    }
}

impl Step {
    fn tell_ban(&mut self, ban: Ban) -> bool {
        self.say(Output::Banned(ban));
        false
    }
}

impl Settings {
    /// A Route that stands for this service: an address of ours, or the domain.
    fn names_us(&self, route: &[u8]) -> bool {
        let Ok(route) = NameAddr::parse(route) else { return false };
        matches!(Uri::parse(route.uri), Ok(uri @ Uri::Sip(_)) if self.is_ours(&uri))
    }

    /// Its host is an address of ours, or the domain. A tel URI has none.
    pub(super) fn is_ours(&self, uri: &Uri<'_>) -> bool {
        let uri = match uri {
            Uri::Sip(uri) => uri,
            Uri::Tel { .. } => return true,
            Uri::Service(_) | Uri::Other { .. } => return false,
        };
        let host = match uri.host {
            Host::Name(name) => name.to_ascii_lowercase(),
            Host::Ip(IpAddr::V4(v4)) => v4.to_string(),
            Host::Ip(IpAddr::V6(v6)) => format!("[{v6}]"),
        };
        let with_port = format!("{host}:{}", uri.port.unwrap_or(5060));
        let ours = |text: &str| text.eq_ignore_ascii_case(&with_port);
        host.eq_ignore_ascii_case(&self.domain)
            || self.listeners.iter().any(|one| ours(&one.advertised) || ours(&one.local.to_string()))
    }
}

/// The Call-ID of a REGISTER.
fn registration<'a>(message: &'a Message<'_>) -> Option<&'a [u8]> {
    message.call_id().ok().filter(|_| message.method() == Some(Method::Register))
}

/// A request that a phone sends before it has credentials, and that gets a challenge.
fn is_challenged(message: &Message<'_>) -> bool {
    matches!(message.method(), Some(Method::Register | Method::Invite | Method::Subscribe | Method::Message))
}
