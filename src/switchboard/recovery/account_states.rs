//! The state that survives a restart of the service: registrations, log-ins, breaks, the operator at each station, and the flags and
//! operating mode that supervisors have set. The switchboard emits every change; a new switchboard restores them.
//!
//! After a restart, calls can ring a UDP phone at once. If no message of the phone has arrived since the start, the
//! first ring attempt also sends OPTIONS. The connections of other phones have ended with the old process: such a
//! binding is not used (it sleeps) until its phone authenticates a request on a new connection.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::guard::source_network;
use crate::sip::registrar::Binding;
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::phones::recovered::PendingBindings;
use crate::switchboard::saved_state::{AccountState, SavedBinding};
use crate::switchboard::step::Step;

/// A station's operator is restored if the station's state was last stored less than this long ago: no shift is as
/// long.
const STATION_LOGIN_MAX: Duration = Duration::from_secs(24 * 3_600);

impl Calls {
    /// Restores states that arrived before the accounts were loaded. States of removed accounts are dropped.
    pub(in crate::switchboard) fn restore_account_states(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        let mut all = std::mem::take(&mut net.phones.recovered.waiting);
        all.retain(|account, _| net.phones.has_account(account));
        for account_state in all.values() {
            self.restore_phones(net, step, account_state);
        }
        // The last reachable binding is known only when all bindings are restored.
        for account_state in all.values() {
            self.restore_unreachable(net, step, account_state);
        }
        let is_recent = |account_state: &AccountState| {
            u128::from(now.wall.millis_since(account_state.at)) < STATION_LOGIN_MAX.as_millis()
        };
        for (station, account_state) in all.iter().filter(|(_, account_state)| is_recent(account_state)) {
            if let Some(operator) = &account_state.station_operator {
                self.restore_station(net, now, station, operator);
            }
        }
        for (operator, account_state) in &all {
            if net.phones.is_operator(operator) {
                self.restore_state(now, operator, account_state);
            }
        }
    }

    fn restore_state(&mut self, now: Now, operator: &OperatorId, account_state: &AccountState) {
        let stays =
            if account_state.logged_in { self.acd.log_in(now, operator) } else { self.acd.log_out(now, operator) };
        let paused = account_state.paused.as_ref().map_or(Ok(()), |reason| self.acd.pause(now, operator, reason));
        if let Err(error) = stays.and(paused) {
            debug_assert!(false, "{operator} has an account: {error}");
        }
    }

    /// Marks the phones that did not respond before the restart as unreachable again, and sends them OPTIONS at once.
    fn restore_unreachable(&mut self, net: &mut NetworkParts, step: &mut Step, account_state: &AccountState) {
        let was_unreachable =
            |uri: &[u8]| account_state.bindings.iter().any(|kept| kept.unreachable && kept.uri.as_bytes() == uri);
        let phones = net.phones.phones_of_account(&account_state.account);
        for reached in phones.into_iter().filter(|reached| was_unreachable(&reached.phone.uri)) {
            if net.phones.recovered.unconfirmed.contains(&reached.phone) {
                self.phone_is_silent(net, step, &reached.phone);
                net.phones.probe_unconfirmed(&mut net.wire, step, &reached);
            }
        }
    }

    fn restore_phones(&mut self, net: &mut NetworkParts, step: &mut Step, account_state: &AccountState) {
        let now = step.now;
        let elapsed = Duration::from_millis(now.wall.millis_since(account_state.at));
        let (mut usable, mut pending) = (Vec::new(), Vec::new());
        for kept in &account_state.bindings {
            let left = Duration::from_millis(kept.lasts_ms).min(net.phones.expires_max()).saturating_sub(elapsed);
            if left.is_zero() {
                continue;
            }
            let binding = kept.binding(now, left);
            net.admission.guard.guesses().restored(
                account_state.account.as_str(),
                binding.flow.remote.ip(),
                &binding.call_id,
            );
            if kept.transport.is_reliable() { pending.push(binding) } else { usable.push(binding) }
        }
        let account = &account_state.account;
        for binding in &usable {
            let phone = BoundPhone { account: account.clone(), uri: binding.uri.clone(), flow: binding.flow };
            net.phones.recovered.unconfirmed.insert(phone);
        }
        if !pending.is_empty() {
            net.phones
                .recovered
                .pending_networks
                .extend(pending.iter().map(|one| source_network(one.flow.remote.ip())));
            let pending = PendingBindings { bindings: pending, logged_in: Some(account_state.logged_in) };
            net.phones.recovered.pending.insert(account.clone(), pending);
        }
        if !usable.is_empty() {
            self.restore_bindings(net, step, account, usable);
        }
    }

    fn restore_bindings(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        account: &OperatorId,
        bindings: Vec<Binding>,
    ) {
        let now = step.now;
        net.phones.registrar.restore(account.as_str(), bindings);
        let user = net.phones.user_of(account);
        self.report_phones_to_acd(net, now, account);
        self.acd.phone_responded(&user);
        net.phones.ping_phone_from(step, account);
    }

    /// Moves a sleeping binding of the phone's address to this connection, after the phone has authenticated a request
    /// other than REGISTER.
    pub(in crate::switchboard) fn activate_binding(
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
        let Some(pending) = net.phones.recovered.pending.get_mut(account) else { return };
        pending.bindings.retain(|binding| binding.expires_at > now.mono);
        let here = |binding: &Binding| binding.flow.transport == flow.transport && is_at(binding, flow.remote.ip());
        let Some(at) = pending.bindings.iter().position(here) else { return };
        let (binding, logged_in) = (pending.bindings.remove(at), pending.logged_in.take());
        if pending.bindings.is_empty() {
            net.phones.recovered.pending.remove(account);
        }
        self.restore_bindings(net, step, account, vec![Binding { flow, ..binding }]);
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
        net.phones.recovered.unconfirmed.retain(|phone| phone.flow != flow);
        let Some(pending) = net.phones.recovered.pending.get_mut(account) else { return };
        pending.bindings.retain(|binding| binding.expires_at > now.mono && !is_at(binding, flow.remote.ip()));
        let logged_in = pending.logged_in.take();
        if pending.bindings.is_empty() {
            net.phones.recovered.pending.remove(account);
        }
        self.keep_logged_out(net, now, account, logged_in);
    }

    /// Keeps an operator logged out when the first phone registers again, if the operator had logged out.
    fn keep_logged_out(&mut self, net: &mut NetworkParts, now: Now, account: &OperatorId, logged_in: Option<bool>) {
        if logged_in == Some(false) && net.phones.is_operator(account) {
            self.acd.log_out(now, account).unwrap_or_default();
        }
    }

    /// Emits the states that have changed in this step, before the messages that confirm the changes.
    pub(in crate::switchboard) fn emit_account_states(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let mut changed: BTreeSet<OperatorId> = self.acd.take_saved_changes();
        let mut bound = net.phones.registrar.take_changed();
        bound.append(&mut net.phones.registrar.take_reach_changes());
        changed.extend(bound.iter().filter_map(|user| OperatorId::parse(user).ok()));
        changed.append(&mut net.phones.stations.changed);
        out.extend(
            changed.iter().map(|account| Output::AccountState(Box::new(self.account_state_of(net, now, account)))),
        );
    }

    fn account_state_of(&self, net: &NetworkParts, now: Now, account: &OperatorId) -> AccountState {
        let view = self.acd.view(account);
        let pending = net.phones.recovered.pending.get(account).map(|one| one.bindings.as_slice()).unwrap_or_default();
        let bindings = net.phones.registrar.bindings(account.as_str()).iter().chain(pending);
        let pending_logged_in = net.phones.recovered.pending.get(account).and_then(|one| one.logged_in);
        AccountState {
            account: account.clone(),
            at: now.wall,
            bindings: bindings.filter_map(|binding| SavedBinding::of(now, binding)).collect(),
            logged_in: pending_logged_in.unwrap_or_else(|| view.as_ref().is_some_and(|view| view.logged_in)),
            paused: view.and_then(|view| view.paused),
            station_operator: net.phones.stations.logged_in_at(account).cloned(),
        }
    }
}

fn is_at(binding: &Binding, address: IpAddr) -> bool {
    binding.flow.remote.ip() == address
}
