//! Operators at the door: credentials, registration, who exists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::sip::digest::{Role, Verdict};
use crate::sip::flow::Flow;
use crate::sip::guard::Standing;
use crate::sip::message::Stencil;
use crate::sip::option_tag;
use crate::sip::registrar::{Binding, Need, Registered};
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Method, Name};

use super::Account;
use super::door::Taken;
use super::leg::Who;
use super::ways::Ways;
use crate::switchboard::{Admission, Calls, NetworkParts, Phones, Step, Switchboard, Wire};

/// So often at least a phone is to ping over its connection (RFC 5626 §4.4.1).
const FLOW_TIMER_SECONDS: &[u8] = b"120";

/// For so long after the start, phones get no response while no account is known.
const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(10);

impl Admission {
    /// A request that needs an account, while none is known because the database does not answer. A phone repeats what gets no response;
    /// after `ACCOUNTS_PATIENCE` it is told when to try again. Nothing of it counts as wrong credentials.
    pub(super) fn await_accounts(&mut self, phones: &mut Phones, step: &mut Step, flow: Flow, message: &Message<'_>) {
        let now = step.now;
        if now.mono.since(phones.started) >= ACCOUNTS_PATIENCE {
            self.refuse(step, flow, message, 503, &[(Name::RetryAfter, b"5")]);
        }
    }

    /// Asks a stranger for credentials, without any state.
    pub(super) fn challenge(&mut self, step: &mut Step, flow: Flow, message: &Message<'_>, stale: bool) {
        let challenges = self.challenges(step, flow, stale);
        let headers: Vec<(Name, &[u8])> =
            challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.as_bytes())).collect();
        self.refuse(step, flow, message, 401, &headers);
    }

    fn reply_challenge(&mut self, wire: &mut Wire, step: &mut Step, taken: &Taken<'_, '_>, stale: bool) {
        let challenges = self.challenges(step, taken.flow, stale);
        let headers: Vec<(Name, &[u8])> =
            challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.as_bytes())).collect();
        self.reply_and_forget(wire, step, taken, 401, &headers);
    }

    fn challenges(&mut self, step: &mut Step, flow: Flow, stale: bool) -> Vec<String> {
        let now = step.now;
        self.authenticator.challenge(now, flow.remote.ip(), stale, &mut step.rng)
    }
}

impl Calls {
    /// Checks a request's credentials; answers it and gives None when they do not do. While an account's password is being guessed,
    /// a source that has not proven itself gets 503 with Retry-After until its wait is over (`Guesses`).
    pub(super) fn authenticate(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
    ) -> Option<OperatorId> {
        let now = step.now;
        let claim = net.admission.authenticator.claim(taken.message, taken.flow.remote.ip());
        if let Some(wait) = claim
            .as_ref()
            .and_then(|claim| net.admission.guess_wait(&mut net.phones, now, taken.flow, taken.message, claim))
        {
            let seconds = wait.as_secs().saturating_add(1).to_string();
            let is_forgeable = claim.is_some_and(|claim| {
                net.admission.standing(&mut net.phones, taken.flow, taken.message, &claim) == Standing::Forgeable
            });
            if is_forgeable {
                // A phone that answers this challenge shows where it is.
                net.admission.reply_challenge(&mut net.wire, step, taken, false);
            } else {
                net.admission.reply_and_forget(
                    &mut net.wire,
                    step,
                    taken,
                    503,
                    &[(Name::RetryAfter, seconds.as_bytes())],
                );
            }
            return None;
        }
        let accounts = &net.phones.accounts;
        let verdict = net.admission.authenticator.verify(now, Role::Server, taken.message, |user| {
            OperatorId::parse(user).ok().and_then(|operator| accounts.get(&operator)).map(|account| &account.ha1)
        });
        match verdict {
            Verdict::Accepted(user) => {
                let operator = OperatorId::parse(&user).ok()?;
                if let Some(claim) = &claim {
                    net.admission.right_credentials(&mut net.phones, step, taken.flow, taken.message, claim, &operator);
                }
                if taken.message.method() != Some(Method::Register) {
                    self.wake(net, step, &operator, taken.flow);
                    self.phone_is_heard(net, step, &operator, taken.flow);
                }
                return Some(operator);
            }
            Verdict::Challenge { stale } => {
                // Guesses with a nonce of the guesser's own making count too: `stale` would tell the guesser that they are right.
                if !stale {
                    net.admission.wrong_credentials(
                        &mut net.facts,
                        &mut net.phones,
                        step,
                        taken.flow,
                        taken.message,
                        claim.as_ref(),
                    );
                }
                net.admission.reply_challenge(&mut net.wire, step, taken, stale);
            }
            Verdict::Refused => {
                net.admission.wrong_credentials(
                    &mut net.facts,
                    &mut net.phones,
                    step,
                    taken.flow,
                    taken.message,
                    claim.as_ref(),
                );
                net.admission.reply_and_forget(&mut net.wire, step, taken, 403, &[]);
            }
            Verdict::Malformed => net.admission.reply_and_forget(&mut net.wire, step, taken, 400, &[]),
        }
        None
    }
}

impl Switchboard {
    /// REGISTER (RFC 3261 §10.3): an account may bind phones to its own name only.
    pub(super) fn register(&mut self, taken: &Taken<'_, '_>) {
        let now = self.step.now;
        let Some(operator) = self.calls.authenticate(&mut self.net, &mut self.step, taken) else { return };
        if !names(taken.message, &operator) {
            return self.net.wire.reply(&mut self.step, taken, 403, &[]);
        }
        let mut in_use = self.calls.lines_of(&self.net.phones.user_of(&operator));
        in_use.extend(self.calls.internal_lines(&operator));
        let ways = |one: &Binding| (one.uri.clone(), self.settings.ways(one));
        let ways: Vec<(Bytes, Ways)> = self.net.phones.registrar.bindings(operator.as_str()).iter().map(ways).collect();
        let need = |binding: &Binding| need(binding, &ways, &in_use);
        match self.net.phones.registrar.register(now, operator.as_str(), taken.message, taken.flow, need) {
            Registered::Done { contacts, was, is, moved } => {
                let mut headers: Vec<(Name, &[u8])> =
                    contacts.iter().map(|contact| (Name::Contact, contact.as_slice())).collect();
                if self.net.phones.keeps_flow(&operator, taken) {
                    headers.extend([(Name::Require, option_tag::OUTBOUND), (Name::FlowTimer, FLOW_TIMER_SECONDS)]);
                }
                self.net.wire.reply(&mut self.step, taken, 200, &headers);
                if is {
                    let user = self.net.phones.user_of(&operator);
                    self.calls.align_phones(&mut self.net, now, &operator);
                    self.calls.acd.hear(&user);
                    self.calls.registered_anew(&mut self.net, now, &operator, taken.flow);
                    self.net.phones.ping_phone_from(&mut self.step, &operator);
                    self.phone_moved(&operator, taken.flow, &moved);
                } else if was {
                    self.unregistered(operator.as_str());
                }
            }
            Registered::TooBrief { min_expires } => {
                self.net.wire.reply(
                    &mut self.step,
                    taken,
                    423,
                    &[(Name::MinExpires, min_expires.to_string().as_bytes())],
                );
            }
            Registered::Refused(fault) => {
                let tag = self.step.rng.token();
                let response = Stencil::of(taken.message, taken.flow).response(fault.status, Some(tag.as_str()));
                let bytes = response.reason(fault.why).encode();
                self.net.wire.transactions.respond(
                    now.mono,
                    taken.server,
                    fault.status,
                    bytes,
                    &mut self.step.out.transmits,
                );
            }
        }
    }
}

impl Phones {
    /// True when a phone has registered a flow of the kind whose pings we answer (RFC 5626 §4.4.1, §6); over UDP they would be STUN.
    fn keeps_flow(&self, operator: &OperatorId, taken: &Taken<'_, '_>) -> bool {
        let is_flow =
            |binding: &Binding| binding.flow == taken.flow && binding.reg_id.is_some() && binding.instance.is_some();
        taken.flow.is_connection()
            && option_tag::is_supported(taken.message, option_tag::OUTBOUND)
            && self.registrar.bindings(operator.as_str()).iter().any(is_flow)
    }

    /// The operator whom a Request-URI names.
    pub(super) fn operator_at(&self, uri: &[u8]) -> Option<OperatorId> {
        let uri = Uri::parse(uri).ok()?;
        let user = uri.user()?;
        let operator = OperatorId::parse(std::str::from_utf8(&user).ok()?).ok()?;
        self.accounts.contains_key(&operator).then_some(operator)
    }
}

impl Switchboard {
    /// The last binding of a user is gone.
    pub(super) fn unregistered(&mut self, user: &str) {
        let now = self.step.now;
        if let Ok(operator) = OperatorId::parse(user) {
            self.calls.align_phones(&mut self.net, now, &operator);
            self.net.phones.stop_phone_pings(&mut self.step, &operator);
            self.subscriptions.stop_watching(&mut self.calls, &mut self.net, &mut self.step, &operator);
        }
    }

    /// Sets who exists. Who is gone can no longer register and gets no more offers.
    pub(super) fn set_accounts(&mut self, accounts: Vec<Account>) {
        let now = self.step.now;
        let kinds: BTreeMap<&OperatorId, bool> = accounts.iter().map(|one| (&one.operator, one.station)).collect();
        let gone = self.net.phones.accounts.values().filter(|old| kinds.get(&old.operator) != Some(&old.station));
        let gone: Vec<OperatorId> = gone.map(|old| old.operator.clone()).collect();
        self.calls.forget_stations(&mut self.net, &mut self.step, &gone);
        for operator in gone {
            self.net.phones.registrar.remove(operator.as_str());
            self.subscriptions.forget_watches(&mut self.calls, &mut self.net, &mut self.step, &operator);
            self.net.phones.forget_recovered(&operator);
            self.unregistered(operator.as_str());
        }
        self.net.phones.accounts = accounts.into_iter().map(|account| (account.operator.clone(), account)).collect();
        self.calls.forget_worked(&mut self.net);
        let operators: Vec<OperatorId> = self.net.phones.accounts.keys().cloned().collect();
        let stations = self.net.phones.accounts.values().filter(|account| account.station);
        let stations: BTreeSet<OperatorId> = stations.map(|account| account.operator.clone()).collect();
        self.calls.acd.set_operators(now, &operators);
        self.calls.acd.set_stations(&stations);
        let accounts = &self.net.phones.accounts;
        let exists = |name: &str| OperatorId::parse(name).is_ok_and(|operator| accounts.contains_key(&operator));
        self.net.admission.guard.guesses().keep_accounts(exists);
        self.net.phones.accounts_known = true;
        self.calls.restore_presences(&mut self.net, &mut self.step);
    }
}

/// What a binding is needed for, where these legs ring or talk. `ways`: those of each binding, by its URI.
fn need(binding: &Binding, ways: &[(Bytes, Ways)], in_use: &[(Who, Flow)]) -> Need {
    let ways = ways.iter().find(|(uri, _)| *uri == binding.uri).map(|(_, ways)| *ways);
    let is_there = |flow: Flow| flow == binding.flow || ways.is_some_and(|ways| ways.iter().any(|way| way == flow));
    match binding.reach.unreachable {
        _ if in_use.iter().any(|(_, flow)| is_there(*flow)) => Need::InUse,
        true => Need::Unreachable,
        false => Need::Idle,
    }
}

/// The address of record in To is the operator's own.
fn names(message: &Message<'_>, operator: &OperatorId) -> bool {
    let Ok(to) = message.to() else { return false };
    let Ok(uri) = Uri::parse(to.uri) else { return false };
    uri.user().is_some_and(|user| user.as_ref() == operator.as_str().as_bytes())
}
