//! The guard: decides which requests get no response, and counts wrong credentials and overload.

use crate::switchboard::admission::Admission;
use crate::switchboard::facts::Facts;
use crate::switchboard::output::{Output, PasswordGuess};
use crate::switchboard::phones::Phones;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::cdr::fact::FactKind;
use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::digest::Claim;
use crate::sip::flow::Flow;
use crate::sip::guard::{Guessing, Reason, Standing};
use crate::sip::registrar::Binding;
use crate::sip::wire::{Message, Method};

/// Figures of the guard for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardFigures {
    pub banned: usize,
    /// In the order of `Reason::ALL`.
    pub counts: [u64; Reason::ALL.len()],
}

impl Admission {
    /// Returns true if a request has correct credentials of an account, false if they are wrong or the account is
    /// temporarily locked for this source. None if the request has no credentials, or has credentials that may be
    /// forged and must wait.
    pub(in crate::switchboard) fn answers_challenge(
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

    /// Classifies the sender of credentials.
    pub(in crate::switchboard) fn standing(
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

    /// The time for which attempts of a source at an account are ignored.
    pub(in crate::switchboard) fn guess_wait(
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

    /// Counts wrong credentials of a request.
    pub(in crate::switchboard) fn wrong_credentials(
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
        if self.settings.vouched.contains(source) {
            return self.guard.count(Reason::Credentials);
        }
        let proven = flow.is_connection() || standing.is_some_and(|standing| standing != Standing::Forgeable);
        let (registrar, recovered) = (&phones.registrar, &phones.recovered);
        let known = || registrar.has_binding_at(source) || recovered.has_pending_bindings_at(source);
        if let Some(ban) = self.guard.failed(now.mono, source, proven, known) {
            step.tell_ban(ban);
        }
    }

    /// Records correct credentials of a request.
    pub(in crate::switchboard) fn right_credentials(
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

    /// Counts a wrong password or PIN of an account. One alarm and one fact report the account until the guessing ends.
    pub(in crate::switchboard) fn guess_failed(
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
            let guess = Some(PasswordGuess::Password(guessing.source));
            step.say(Output::Guessing { account: guessing.account, guess });
        }
    }

    /// Raises an alarm for wrong PINs of an operator at a station, for `span`. Each wrong PIN has its own fact.
    pub(in crate::switchboard) fn pin_guessed(
        &mut self,
        step: &mut Step,
        operator: &OperatorId,
        source: IpAddr,
        span: Duration,
    ) {
        let now = step.now;
        if self.guard.guesses().raise(operator.as_str(), now.mono + span) {
            step.say(Output::Guessing {
                account: operator.as_str().to_owned(),
                guess: Some(PasswordGuess::Pin(source)),
            });
        }
    }

    pub(in crate::switchboard) fn end_guessing_alarms(&mut self, step: &mut Step) {
        let now = step.now;
        while let Some(account) = self.guard.guesses().pop_calm(now.mono) {
            step.say(Output::Guessing { account, guess: None });
        }
    }

    /// True if so many transactions are open that requests which can be repeated must wait, so that trunks' INVITEs are
    /// accepted. REGISTER, OPTIONS, SUBSCRIBE and phones' INVITEs then get 503 with Retry-After (RFC 3261 §21.5.4),
    /// without state.
    pub(in crate::switchboard) fn sheds(&mut self, wire: &mut Wire, method: Method, of_trunk: bool) -> bool {
        let crowded = wire.transactions_open() >= self.settings.guard.crowded_at;
        let shed = crowded && !(method == Method::Invite && of_trunk);
        if shed {
            self.guard.count(Reason::Overload);
        }
        shed
    }

    pub(in crate::switchboard) fn lift_ban(&mut self, address: IpAddr) -> bool {
        self.guard.lift(address)
    }

    /// True if a request of an unknown source is dropped under overload.
    pub(in crate::switchboard) fn sheds_stranger(&mut self, wire: &mut Wire, flow: Flow) -> bool {
        let crowded = wire.transactions_open() >= self.settings.guard.crowded_at;
        let shed = crowded && !self.settings.vouched.contains(flow.remote.ip());
        if shed {
            self.guard.count(Reason::Overload);
        }
        shed
    }
}

/// The Call-ID of a REGISTER; None for other requests.
fn registration<'a>(message: &'a Message<'_>) -> Option<&'a [u8]> {
    message.call_id().ok().filter(|_| message.method() == Some(Method::Register))
}

/// True for methods that phones first send without credentials and that get a challenge.
pub(in crate::switchboard) fn is_challenged(message: &Message<'_>) -> bool {
    matches!(message.method(), Some(Method::Register | Method::Invite | Method::Subscribe | Method::Message))
}
