//! Tracks which phones respond.

use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::registrar::Reach;
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::step::Step;

impl Calls {
    /// Marks a phone as reachable: it has responded or has sent an authenticated request.
    pub(in crate::switchboard) fn phone_responds(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        phone: &BoundPhone,
    ) {
        let Some(was) = net.phones.binding_of(phone).map(|binding| binding.reach) else { return };
        if was != Reach::default() {
            self.set_reach(net, step, phone, Reach::default());
        }
        let user = net.phones.user_of(&phone.account);
        self.acd.phone_responded(&user);
    }

    /// Marks the phones of an account at this flow as reachable, after an authenticated request.
    pub(in crate::switchboard) fn phone_responded(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        account: &OperatorId,
        flow: Flow,
    ) {
        let phones = net.phones.phones_of_account(account);
        let here = phones.into_iter().filter(|one| one.addresses.iter().any(|address| address == flow));
        for Reached { phone, .. } in here.collect::<Vec<_>>() {
            self.phone_responds(net, step, &phone);
        }
    }

    /// Marks a phone as unreachable: it has not responded to an INVITE at any of its addresses.
    pub(in crate::switchboard) fn phone_is_silent(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        phone: &BoundPhone,
    ) {
        self.set_reach(net, step, phone, Reach { silent: [true; 2], unreachable: true });
    }

    /// Handles a keep-alive without a response, at the first or the second address of a phone.
    pub(in crate::switchboard) fn address_is_silent(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        phone: &BoundPhone,
        way: usize,
    ) {
        let Some(binding) = net.phones.binding_of(phone) else { return };
        let (mut reach, addresses) = (binding.reach, self.settings.site.addresses(binding));
        if let Some(silent) = reach.silent.get_mut(way) {
            *silent = true;
        }
        let [first, second] = reach.silent;
        reach.unreachable |= first && (second || addresses.second.is_none());
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
            self.report_phones_to_acd(net, now, &phone.account);
        }
        if is && !was {
            net.phones.ping_phone_from(step, &phone.account);
        }
        if reach.unreachable && !was {
            self.suspect_phone(net, step, phone);
        }
    }

    /// Marks all bindings as reachable if only unreachable ones are left, since otherwise no phone would be rung.
    pub(in crate::switchboard) fn keep_one_reachable(&mut self, net: &mut NetworkParts, now: Now) {
        if !net.phones.registrar.all_unreachable() {
            return;
        }
        net.phones.registrar.forgive_all();
        let accounts: Vec<OperatorId> =
            net.phones.registrar.users().filter_map(|user| OperatorId::parse(user).ok()).collect();
        for account in accounts {
            self.report_phones_to_acd(net, now, &account);
        }
    }
}
