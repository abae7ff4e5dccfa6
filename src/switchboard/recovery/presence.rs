//! The state that survives a restart of the service: registrations, log-ins, breaks, the operator at each station, and the flags and
//! operating mode that supervisors have set. The switchboard emits every change; a new switchboard restores them.
//!
//! A UDP binding is rung at once after a restart; if no message of its phone has arrived since, the first ring attempt
//! also sends OPTIONS. A connection has ended with the old process: its binding sleeps until the phone authenticates a
//! request on a new connection.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::guard::source_network;
use crate::sip::registrar::Binding;
use crate::switchboard::calls::Calls;
use crate::switchboard::kept::{KeptBinding, Presence};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::phones::recovered::Asleep;
use crate::switchboard::step::Step;

/// Maximum age of a log-in at a station that is restored after a restart: no shift is as long.
const SEATED_MAX: Duration = Duration::from_secs(24 * 3_600);

impl Calls {
    /// Restores states that arrived before the accounts were loaded. States of removed accounts are dropped.
    pub(in crate::switchboard) fn restore_presences(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        let mut all = std::mem::take(&mut net.phones.recovered.waiting);
        all.retain(|account, _| net.phones.has_account(account));
        for presence in all.values() {
            self.restore_phones(net, step, presence);
        }
        // The last reachable binding is known only when all bindings are restored.
        for presence in all.values() {
            self.restore_marks(net, step, presence);
        }
        let not_long_ago =
            |presence: &Presence| u128::from(now.wall.millis_since(presence.at)) < SEATED_MAX.as_millis();
        for (station, presence) in all.iter().filter(|(_, presence)| not_long_ago(presence)) {
            if let Some(operator) = &presence.seated {
                self.seat_again(net, now, station, operator);
            }
        }
        for (operator, presence) in &all {
            if net.phones.is_operator(operator) {
                self.restore_state(now, operator, presence);
            }
        }
    }

    fn restore_state(&mut self, now: Now, operator: &OperatorId, presence: &Presence) {
        let stays = if presence.logged_in { self.acd.log_in(now, operator) } else { self.acd.log_out(now, operator) };
        let paused = presence.paused.as_ref().map_or(Ok(()), |reason| self.acd.pause(now, operator, reason));
        if let Err(error) = stays.and(paused) {
            debug_assert!(false, "{operator} has an account: {error}");
        }
    }

    /// Marks the phones that did not respond before the restart as unreachable again, and sends them OPTIONS at once.
    fn restore_marks(&mut self, net: &mut NetworkParts, step: &mut Step, presence: &Presence) {
        let marked = |uri: &[u8]| presence.bindings.iter().any(|kept| kept.unreachable && kept.uri.as_bytes() == uri);
        let phones = net.phones.phones_of_account(&presence.account);
        for reached in phones.into_iter().filter(|reached| marked(&reached.phone.uri)) {
            if net.phones.recovered.doubtful.contains_key(&reached.phone.flow) {
                self.phone_is_silent(net, step, &reached.phone);
                net.phones.probe_doubtful(&mut net.wire, step, &reached);
            }
        }
    }

    fn restore_phones(&mut self, net: &mut NetworkParts, step: &mut Step, presence: &Presence) {
        let now = step.now;
        let away = Duration::from_millis(now.wall.millis_since(presence.at));
        let (mut awake, mut asleep) = (Vec::new(), Vec::new());
        for kept in &presence.bindings {
            let left = Duration::from_millis(kept.lasts_ms).min(self.settings.expires_max).saturating_sub(away);
            if left.is_zero() {
                continue;
            }
            let binding = kept.binding(now, left);
            net.admission.guard.guesses().restored(
                presence.account.as_str(),
                binding.flow.remote.ip(),
                &binding.call_id,
            );
            if kept.transport.is_reliable() { asleep.push(binding) } else { awake.push(binding) }
        }
        let account = &presence.account;
        for binding in &awake {
            net.phones.recovered.doubtful.insert(binding.flow, account.clone());
        }
        if !asleep.is_empty() {
            net.phones.recovered.slept_at.extend(asleep.iter().map(|one| source_network(one.flow.remote.ip())));
            let sleeper = Asleep { bindings: asleep, logged_in: Some(presence.logged_in) };
            net.phones.recovered.asleep.insert(account.clone(), sleeper);
        }
        if !awake.is_empty() {
            self.phones_are_back(net, step, account, awake);
        }
    }

    fn phones_are_back(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        account: &OperatorId,
        bindings: Vec<Binding>,
    ) {
        let now = step.now;
        net.phones.registrar.restore(account.as_str(), bindings);
        let user = net.phones.user_of(account);
        self.align_phones(net, now, account);
        self.acd.hear(&user);
        net.phones.ping_phone_from(step, account);
    }

    /// Moves a sleeping binding of the phone's address to this connection, after the phone has authenticated a request
    /// other than REGISTER.
    pub(in crate::switchboard) fn wake(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        account: &OperatorId,
        flow: Flow,
    ) {
        let now = step.now;
        if !flow.is_connection() {
            return;
        }
        let Some(sleeper) = net.phones.recovered.asleep.get_mut(account) else { return };
        sleeper.bindings.retain(|binding| binding.expires_at > now.mono);
        let here = |binding: &Binding| binding.flow.transport == flow.transport && is_at(binding, flow.remote.ip());
        let Some(at) = sleeper.bindings.iter().position(here) else { return };
        let (binding, logged_in) = (sleeper.bindings.remove(at), sleeper.logged_in.take());
        if sleeper.bindings.is_empty() {
            net.phones.recovered.asleep.remove(account);
        }
        self.phones_are_back(net, step, account, vec![Binding { flow, ..binding }]);
        self.keep_logged_out(net, now, account, logged_in);
    }

    /// Removes the sleeping bindings of a phone's address after the phone has registered again.
    pub(in crate::switchboard) fn registered_anew(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        account: &OperatorId,
        flow: Flow,
    ) {
        net.phones.recovered.doubtful.remove(&flow);
        let Some(sleeper) = net.phones.recovered.asleep.get_mut(account) else { return };
        sleeper.bindings.retain(|binding| binding.expires_at > now.mono && !is_at(binding, flow.remote.ip()));
        let logged_in = sleeper.logged_in.take();
        if sleeper.bindings.is_empty() {
            net.phones.recovered.asleep.remove(account);
        }
        self.keep_logged_out(net, now, account, logged_in);
    }

    /// Keeps an operator logged out when the first phone registers again, if the operator had logged out.
    fn keep_logged_out(&mut self, net: &mut NetworkParts, now: Now, account: &OperatorId, logged_in: Option<bool>) {
        if logged_in == Some(false) && net.phones.is_operator(account) {
            self.acd.log_out(now, account).unwrap_or_default();
        }
    }
}

impl Calls {
    /// Emits the states that have changed in this step, before the messages that confirm the changes.
    pub(in crate::switchboard) fn emit_presences(&mut self, net: &mut NetworkParts, now: Now, out: &mut Vec<Output>) {
        let mut changed: BTreeSet<OperatorId> = self.acd.take_presence_changes();
        let mut bound = net.phones.registrar.take_changed();
        bound.append(&mut net.phones.registrar.take_remarked());
        changed.extend(bound.iter().filter_map(|user| OperatorId::parse(user).ok()));
        changed.append(&mut net.phones.stations.changed);
        out.extend(changed.iter().map(|account| Output::Presence(Box::new(self.presence_of(net, now, account)))));
    }

    fn presence_of(&self, net: &NetworkParts, now: Now, account: &OperatorId) -> Presence {
        let view = self.acd.view(account);
        let asleep = net.phones.recovered.asleep.get(account).map(|one| one.bindings.as_slice()).unwrap_or_default();
        let bindings = net.phones.registrar.bindings(account.as_str()).iter().chain(asleep);
        let asleep_in = net.phones.recovered.asleep.get(account).and_then(|one| one.logged_in);
        Presence {
            account: account.clone(),
            at: now.wall,
            bindings: bindings.filter_map(|binding| KeptBinding::of(now, binding)).collect(),
            logged_in: asleep_in.unwrap_or_else(|| view.as_ref().is_some_and(|view| view.logged_in)),
            paused: view.and_then(|view| view.paused),
            seated: net.phones.stations.seated(account).cloned(),
        }
    }
}

fn is_at(binding: &Binding, address: IpAddr) -> bool {
    binding.flow.remote.ip() == address
}
