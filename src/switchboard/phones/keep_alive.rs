//! Keep-alive OPTIONS to phones.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::uri::for_request_line;
use crate::switchboard::phones::Phones;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;

/// Maximum interval between OPTIONS to an unreachable phone.
const UNREACHABLE_EACH: Duration = Duration::from_secs(30);

/// The time of the next keep-alive to the phones of each account.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Pings {
    phones: BTreeMap<OperatorId, Instant>,
}

impl Pings {
    /// The time of the next keep-alive to the phones of an account.
    pub(in crate::switchboard) fn phone(&self, account: &OperatorId) -> Option<Instant> {
        self.phones.get(account).copied()
    }

    /// The times of the next keep-alives to phones.
    pub(in crate::switchboard) fn phones(&self) -> impl Iterator<Item = (&OperatorId, Instant)> {
        self.phones.iter().map(|(account, at)| (account, *at))
    }
}

impl Phones {
    /// Starts the keep-alives to an account's phones. A new REGISTER restarts the interval, unless another phone of the
    /// account is unreachable.
    pub(in crate::switchboard) fn ping_phone_from(&mut self, step: &mut Step, account: &OperatorId) {
        let now = step.now.mono;
        let bindings = self.registrar.bindings(account.as_str());
        let is_unreachable = bindings.iter().any(|binding| binding.reach.unreachable);
        let due = self.pings.phones.get(account).copied().filter(|_| is_unreachable);
        self.stop_phone_pings(step, account);
        let all = self.settings.phones.keep_alive;
        let unreachable = is_unreachable.then_some(UNREACHABLE_EACH);
        let Some(every) = [all, unreachable].into_iter().flatten().min() else { return };
        let at = due.into_iter().chain([now + every]).min().unwrap_or(now + every);
        step.timers.insert(at, TimerKind::PingPhone(account.clone()));
        self.pings.phones.insert(account.clone(), at);
    }

    /// Starts the keep-alives to all phones anew, at a new interval.
    pub(in crate::switchboard) fn restart_pings(&mut self, step: &mut Step) {
        let accounts: Vec<OperatorId> = self.accounts.keys().cloned().collect();
        for account in accounts {
            if self.registrar.bindings(account.as_str()).is_empty() {
                continue;
            }
            self.ping_phone_from(step, &account);
        }
    }

    pub(in crate::switchboard) fn stop_phone_pings(&mut self, step: &mut Step, operator: &OperatorId) {
        if let Some(at) = self.pings.phones.remove(operator) {
            step.timers.remove(at, TimerKind::PingPhone(operator.clone()));
        }
    }

    pub(in crate::switchboard) fn ping_phone(&mut self, wire: &mut Wire, step: &mut Step, operator: OperatorId) {
        self.pings.phones.remove(&operator);
        let phones = self.phones_of_account(&operator);
        if phones.is_empty() {
            return;
        }
        self.ping_phone_from(step, &operator);
        for reached in phones {
            let is_unreachable = self.binding_of(&reached.phone).is_some_and(|binding| binding.reach.unreachable);
            if is_unreachable || self.settings.phones.keep_alive.is_some() {
                wire.ping_addresses(step, &reached);
            }
        }
    }
}

impl Wire {
    /// Sends OPTIONS to each address of a phone. The phone is present if it responds at any of them.
    pub(in crate::switchboard) fn ping_addresses(&mut self, step: &mut Step, reached: &Reached) {
        for (address, flow) in reached.addresses.iter().enumerate() {
            self.ping(
                step,
                flow,
                &for_request_line(&reached.phone.uri),
                Purpose::PhonePing(reached.phone.clone(), address),
            );
        }
    }
}
