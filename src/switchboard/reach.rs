//! Whether operators' phones respond. A binding whose phone does not is marked as unreachable: the other phones of its operator are rung
//! first, and an operator without another one gets no calls. The last reachable binding of the centre is never marked.

use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::registrar::{Binding, Reach};

use super::Output;
use super::ways::{BoundPhone, Ways};
use crate::switchboard::{Calls, NetworkParts, Phones, Settings, Step};

/// A phone that can be rung.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) phone: BoundPhone,
    pub(super) ways: Ways,
}

impl Phones {
    /// The phones of an operator that are rung: those that respond, or all of them when none does.
    pub(super) fn phones_to_ring(&self, operator: &OperatorId) -> Vec<Reached> {
        let all = || {
            let accounts = self.phone_accounts(operator);
            accounts.flat_map(|account| self.registrar.bindings(account.as_str()).iter().map(move |one| (account, one)))
        };
        let any = all().any(|(_, binding)| !binding.reach.unreachable);
        let wanted = all().filter(|(_, binding)| !any || !binding.reach.unreachable);
        wanted.map(|(account, binding)| self.settings.to_reach(account, binding)).collect()
    }
}

impl Settings {
    fn to_reach(&self, account: &OperatorId, binding: &Binding) -> Reached {
        let phone = BoundPhone { account: account.clone(), uri: binding.uri.clone(), flow: binding.flow };
        Reached { phone, ways: self.ways(binding) }
    }
}

impl Phones {
    /// All phones of an account, whether they respond or not.
    pub(super) fn phones_of_account(&self, account: &OperatorId) -> Vec<Reached> {
        self.registrar
            .bindings(account.as_str())
            .iter()
            .map(|binding| self.settings.to_reach(account, binding))
            .collect()
    }

    pub(super) fn binding_of(&self, phone: &BoundPhone) -> Option<&Binding> {
        let bindings = self.registrar.bindings(phone.account.as_str());
        bindings.iter().find(|binding| binding.uri == phone.uri && binding.flow == phone.flow)
    }
}

impl Calls {
    /// A phone has responded, or has sent a request that proves who it is.
    pub(super) fn phone_responds(&mut self, net: &mut NetworkParts, step: &mut Step, phone: &BoundPhone) {
        let Some(was) = net.phones.binding_of(phone).map(|binding| binding.reach) else { return };
        if was != Reach::default() {
            self.set_reach(net, step, phone, Reach::default());
        }
        let user = net.phones.user_of(&phone.account);
        self.acd.hear(&user);
    }

    /// An account's phone at this flow has sent a request that proves who it is.
    pub(super) fn phone_is_heard(&mut self, net: &mut NetworkParts, step: &mut Step, account: &OperatorId, flow: Flow) {
        let phones = net.phones.phones_of_account(account);
        let here = phones.into_iter().filter(|one| one.ways.iter().any(|way| way == flow));
        for Reached { phone, .. } in here.collect::<Vec<_>>() {
            self.phone_responds(net, step, &phone);
        }
    }

    /// A phone has not responded to an INVITE, at any of its addresses.
    pub(super) fn phone_is_silent(&mut self, net: &mut NetworkParts, step: &mut Step, phone: &BoundPhone) {
        self.set_reach(net, step, phone, Reach { silent: [true; 2], unreachable: true });
    }

    /// A keep-alive to a phone has got no response, at the first or the second of its addresses.
    pub(super) fn way_is_silent(&mut self, net: &mut NetworkParts, step: &mut Step, phone: &BoundPhone, way: usize) {
        let Some(binding) = net.phones.binding_of(phone) else { return };
        let (mut reach, ways) = (binding.reach, self.settings.ways(binding));
        if let Some(silent) = reach.silent.get_mut(way) {
            *silent = true;
        }
        let [first, second] = reach.silent;
        reach.unreachable |= first && (second || ways.second.is_none());
        self.set_reach(net, step, phone, reach);
    }

    fn set_reach(&mut self, net: &mut NetworkParts, step: &mut Step, phone: &BoundPhone, reach: Reach) {
        let now = step.now;
        let was = net.phones.binding_of(phone).is_some_and(|binding| binding.reach.unreachable);
        net.phones.registrar.set_reach(phone.account.as_str(), (&phone.uri, phone.flow), reach);
        let is = net.phones.binding_of(phone).is_some_and(|binding| binding.reach.unreachable);
        if was != is {
            let contact = String::from_utf8_lossy(&phone.uri).into_owned();
            step.say(Output::PhoneReach { account: phone.account.clone(), contact, unreachable: is });
            self.align_phones(net, now, &phone.account);
        }
        if is && !was {
            net.phones.ping_phone_from(step, &phone.account);
        }
    }

    /// The reachable bindings are all gone: those that are left count as reachable, or no phone would be rung.
    pub(super) fn keep_one_reachable(&mut self, net: &mut NetworkParts, now: Now) {
        if !net.phones.registrar.all_unreachable() {
            return;
        }
        net.phones.registrar.forgive_all();
        let accounts: Vec<OperatorId> =
            net.phones.registrar.users().filter_map(|user| OperatorId::parse(user).ok()).collect();
        for account in accounts {
            self.align_phones(net, now, &account);
        }
    }
}
