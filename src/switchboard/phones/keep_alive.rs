//! Keep-alive OPTIONS to phones and trunks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::uri::for_request_line;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::phones::Phones;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;

/// Maximum interval between OPTIONS to an unreachable phone.
const UNREACHABLE_EACH: Duration = Duration::from_secs(30);

/// The times of the next keep-alive to each trunk and to the phones of each account.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Pings {
    pub(in crate::switchboard) trunks: BTreeMap<usize, Instant>,
    phones: BTreeMap<OperatorId, Instant>,
}

impl Phones {
    /// Starts the keep-alives to trunks, at once.
    pub(in crate::switchboard) fn ping_trunks_from(&mut self, step: &mut Step) {
        let now = step.now.mono;
        for (index, at) in std::mem::take(&mut self.pings.trunks) {
            step.alarms.remove(at, Alarm::PingTrunk(index));
        }
        for (index, trunk) in self.settings.trunks.iter().enumerate() {
            if trunk.keep_alive.is_some() && (trunk.target.is_some() || trunk.host.is_some()) {
                step.alarms.insert(now, Alarm::PingTrunk(index));
                self.pings.trunks.insert(index, now);
            }
        }
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
        let all = self.settings.binding_keep_alive;
        let unreachable = is_unreachable.then_some(UNREACHABLE_EACH);
        let Some(every) = [all, unreachable].into_iter().flatten().min() else { return };
        let at = due.into_iter().chain([now + every]).min().unwrap_or(now + every);
        step.alarms.insert(at, Alarm::PingPhone(account.clone()));
        self.pings.phones.insert(account.clone(), at);
    }

    pub(in crate::switchboard) fn stop_phone_pings(&mut self, step: &mut Step, operator: &OperatorId) {
        if let Some(at) = self.pings.phones.remove(operator) {
            step.alarms.remove(at, Alarm::PingPhone(operator.clone()));
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
            if is_unreachable || self.settings.binding_keep_alive.is_some() {
                wire.ping_ways(step, &reached);
            }
        }
    }
}

impl Phones {
    pub(in crate::switchboard) fn ping_trunk_at_once(&mut self, step: &mut Step, index: usize) {
        if let Some(at) = self.pings.trunks.remove(&index) {
            step.alarms.remove(at, Alarm::PingTrunk(index));
            let now = step.now.mono;
            step.alarms.insert(now, Alarm::PingTrunk(index));
            self.pings.trunks.insert(index, now);
        }
    }
}

impl Wire {
    /// Sends OPTIONS to each address of a phone. The phone is present if it responds at any of them.
    pub(in crate::switchboard) fn ping_ways(&mut self, step: &mut Step, reached: &Reached) {
        for (way, flow) in reached.ways.iter().enumerate() {
            self.ping(
                step,
                flow,
                &for_request_line(&reached.phone.uri),
                Purpose::PhonePing(reached.phone.clone(), way),
            );
        }
    }
}
