//! Operators at the door: credentials, registration, who exists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::digest::{Role, Verdict};
use crate::sip::flow::Flow;
use crate::sip::guard::Standing;
use crate::sip::message::Stencil;
use crate::sip::option_tag;
use crate::sip::registrar::{Binding, Need, Registered};
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Method, Name};

use super::door::Taken;
use super::leg::Who;
use super::ways::Ways;
use super::{Account, Switchboard};

/// So often at least a phone is to ping over its connection (RFC 5626 §4.4.1).
const FLOW_TIMER_SECONDS: &[u8] = b"120";

/// For so long after the start, phones get no response while no account is known.
const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(10);

impl Switchboard {
    /// A request that needs an account, while none is known because the database does not answer. A phone repeats what gets no response;
    /// after `ACCOUNTS_PATIENCE` it is told when to try again. Nothing of it counts as wrong credentials.
    pub(super) fn await_accounts(&mut self, now: Now, flow: Flow, message: &Message<'_>) {
        if now.mono.since(self.started) >= ACCOUNTS_PATIENCE {
            self.refuse(flow, message, 503, &[(Name::RetryAfter, b"5")]);
        }
    }

    /// Asks a stranger for credentials, without any state.
    pub(super) fn challenge(&mut self, now: Now, flow: Flow, message: &Message<'_>, stale: bool) {
        let challenges = self.challenges(now, flow, stale);
        let headers: Vec<(Name, &[u8])> =
            challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.as_bytes())).collect();
        self.refuse(flow, message, 401, &headers);
    }

    fn reply_challenge(&mut self, now: Now, taken: &Taken<'_, '_>, stale: bool) {
        let challenges = self.challenges(now, taken.flow, stale);
        let headers: Vec<(Name, &[u8])> =
            challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.as_bytes())).collect();
        self.reply_and_forget(now, taken, 401, &headers);
    }

    fn challenges(&mut self, now: Now, flow: Flow, stale: bool) -> Vec<String> {
        self.authenticator.challenge(now, flow.remote.ip(), stale, &mut self.rng)
    }

    /// Checks a request's credentials; answers it and gives None when they do not do. While an account's password is being guessed,
    /// a source that has not proven itself gets 503 with Retry-After until its wait is over (`Guesses`).
    pub(super) fn authenticate(&mut self, now: Now, taken: &Taken<'_, '_>) -> Option<OperatorId> {
        let claim = self.authenticator.claim(taken.message, taken.flow.remote.ip());
        if let Some(wait) = claim.as_ref().and_then(|claim| self.guess_wait(now, taken.flow, taken.message, claim)) {
            let seconds = wait.as_secs().saturating_add(1).to_string();
            let is_forgeable =
                claim.is_some_and(|claim| self.standing(taken.flow, taken.message, &claim) == Standing::Forgeable);
            if is_forgeable {
                // A phone that answers this challenge shows where it is.
                self.reply_challenge(now, taken, false);
            } else {
                self.reply_and_forget(now, taken, 503, &[(Name::RetryAfter, seconds.as_bytes())]);
            }
            return None;
        }
        let accounts = &self.accounts;
        let verdict = self.authenticator.verify(now, Role::Server, taken.message, |user| {
            OperatorId::parse(user).ok().and_then(|operator| accounts.get(&operator)).map(|account| &account.ha1)
        });
        match verdict {
            Verdict::Accepted(user) => {
                let operator = OperatorId::parse(&user).ok()?;
                if let Some(claim) = &claim {
                    self.right_credentials(taken.flow, taken.message, claim, &operator);
                }
                if taken.message.method() != Some(Method::Register) {
                    self.wake(now, &operator, taken.flow);
                    self.phone_is_heard(now, &operator, taken.flow);
                }
                return Some(operator);
            }
            Verdict::Challenge { stale } => {
                // Guesses with a nonce of the guesser's own making count too: `stale` would tell the guesser that they are right.
                if !stale {
                    self.wrong_credentials(now, taken.flow, taken.message, claim.as_ref());
                }
                self.reply_challenge(now, taken, stale);
            }
            Verdict::Refused => {
                self.wrong_credentials(now, taken.flow, taken.message, claim.as_ref());
                self.reply_and_forget(now, taken, 403, &[]);
            }
            Verdict::Malformed => self.reply_and_forget(now, taken, 400, &[]),
        }
        None
    }

    /// REGISTER (RFC 3261 §10.3): an account may bind phones to its own name only.
    pub(super) fn register(&mut self, now: Now, taken: &Taken<'_, '_>) {
        let Some(operator) = self.authenticate(now, taken) else { return };
        if !names(taken.message, &operator) {
            return self.reply(now, taken, 403, &[]);
        }
        let mut in_use = self.lines_of(&self.user_of(&operator));
        in_use.extend(self.internal_lines(&operator));
        let ways = |one: &Binding| (one.uri.clone(), self.ways(one));
        let ways: Vec<(Bytes, Ways)> = self.registrar.bindings(operator.as_str()).iter().map(ways).collect();
        let need = |binding: &Binding| need(binding, &ways, &in_use);
        match self.registrar.register(now, operator.as_str(), taken.message, taken.flow, need) {
            Registered::Done { contacts, was, is, moved } => {
                let mut headers: Vec<(Name, &[u8])> =
                    contacts.iter().map(|contact| (Name::Contact, contact.as_slice())).collect();
                if self.keeps_flow(&operator, taken) {
                    headers.extend([(Name::Require, option_tag::OUTBOUND), (Name::FlowTimer, FLOW_TIMER_SECONDS)]);
                }
                self.reply(now, taken, 200, &headers);
                if is {
                    let user = self.user_of(&operator);
                    self.align_phones(now, &operator);
                    self.acd.hear(&user);
                    self.registered_anew(now, &operator, taken.flow);
                    self.ping_phone_from(now.mono, &operator);
                    self.phone_moved(&operator, taken.flow, &moved);
                } else if was {
                    self.unregistered(now, operator.as_str());
                }
            }
            Registered::TooBrief { min_expires } => {
                self.reply(now, taken, 423, &[(Name::MinExpires, min_expires.to_string().as_bytes())]);
            }
            Registered::Refused(fault) => {
                let tag = self.rng.token();
                let response = Stencil::of(taken.message, taken.flow).response(fault.status, Some(tag.as_str()));
                let bytes = response.reason(fault.why).encode();
                self.transactions.respond(now.mono, taken.server, fault.status, bytes, &mut self.transmits);
            }
        }
    }

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

    /// The last binding of a user is gone.
    pub(super) fn unregistered(&mut self, now: Now, user: &str) {
        if let Ok(operator) = OperatorId::parse(user) {
            self.align_phones(now, &operator);
            self.stop_phone_pings(&operator);
            self.stop_watching(now, &operator);
        }
    }

    /// Sets who exists. Who is gone can no longer register and gets no more offers.
    pub(super) fn set_accounts(&mut self, now: Now, accounts: Vec<Account>) {
        let kinds: BTreeMap<&OperatorId, bool> = accounts.iter().map(|one| (&one.operator, one.station)).collect();
        let gone = self.accounts.values().filter(|old| kinds.get(&old.operator) != Some(&old.station));
        let gone: Vec<OperatorId> = gone.map(|old| old.operator.clone()).collect();
        self.forget_stations(now, &gone);
        for operator in gone {
            self.registrar.remove(operator.as_str());
            self.forget_watches(now, &operator);
            self.forget_recovered(&operator);
            self.unregistered(now, operator.as_str());
        }
        self.accounts = accounts.into_iter().map(|account| (account.operator.clone(), account)).collect();
        self.forget_worked();
        let operators: Vec<OperatorId> = self.accounts.keys().cloned().collect();
        let stations = self.accounts.values().filter(|account| account.station);
        let stations: BTreeSet<OperatorId> = stations.map(|account| account.operator.clone()).collect();
        self.acd.set_operators(now, &operators);
        self.acd.set_stations(&stations);
        let accounts = &self.accounts;
        let exists = |name: &str| OperatorId::parse(name).is_ok_and(|operator| accounts.contains_key(&operator));
        self.guard.guesses().keep_accounts(exists);
        self.accounts_known = true;
        self.restore_presences(now);
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
