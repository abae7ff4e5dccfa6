//! OPTIONS as keep-alive (RFC 3261 §11): to trunks, and to all phones of operators. A phone that is marked as unreachable gets them whatever
//! the setting: its response is what removes the mark.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::message;
use crate::sip::uri::for_request_line;
use crate::sip::wire::{Method, Name};

use super::Purpose;
use super::reach::Reached;
use super::route::uri_over;
use super::timers::Alarm;
use crate::switchboard::{Phones, Step, Trunks, Wire};

/// An unreachable phone gets OPTIONS at least this often.
const UNREACHABLE_EACH: Duration = Duration::from_secs(30);

/// When who is asked next.
#[derive(Debug, Default)]
pub(super) struct Pings {
    pub(super) trunks: BTreeMap<usize, Instant>,
    phones: BTreeMap<OperatorId, Instant>,
}

impl Phones {
    /// Starts asking the trunks, at once.
    pub(super) fn ping_trunks_from(&mut self, step: &mut Step) {
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

impl Trunks {
    pub(super) fn ping_trunk(&mut self, wire: &mut Wire, phones: &mut Phones, step: &mut Step, index: usize) {
        let now = step.now;
        let Some(trunk) = self.settings.trunks.get(index) else { return };
        let way = self.trunk_target(trunk).zip(self.trunk_flow(trunk));
        let Some(every) = trunk.keep_alive else { return };
        let next = now.mono + every;
        step.alarms.insert(next, Alarm::PingTrunk(index));
        phones.pings.trunks.insert(index, next);
        if let Some((target, flow)) = way {
            wire.ping(step, flow, &uri_over(flow, None), Purpose::TrunkPing(index, target));
        }
    }
}

impl Phones {
    /// Starts asking an account's phones. A new REGISTER starts the interval anew, unless another phone of the account is unreachable.
    pub(super) fn ping_phone_from(&mut self, step: &mut Step, account: &OperatorId) {
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

    pub(super) fn stop_phone_pings(&mut self, step: &mut Step, operator: &OperatorId) {
        if let Some(at) = self.pings.phones.remove(operator) {
            step.alarms.remove(at, Alarm::PingPhone(operator.clone()));
        }
    }

    pub(super) fn ping_phone(&mut self, wire: &mut Wire, step: &mut Step, operator: OperatorId) {
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

impl Wire {
    /// Asks a phone at each of its addresses: one that responds at either is present.
    pub(super) fn ping_ways(&mut self, step: &mut Step, reached: &Reached) {
        for (way, flow) in reached.ways.iter().enumerate() {
            self.ping(
                step,
                flow,
                &for_request_line(&reached.phone.uri),
                Purpose::PhonePing(reached.phone.clone(), way),
            );
        }
    }

    pub(super) fn ping(&mut self, step: &mut Step, flow: Flow, uri: &[u8], purpose: Purpose) {
        let now = step.now;
        let branch = format!("z9hG4bK{}", step.rng.token());
        let (tag, sip_call_id) = (step.rng.token(), step.rng.token());
        let from = format!("<sip:siaga@{}>;tag={tag}", self.settings.domain);
        let contact = self.settings.contact(flow);
        let bytes = message::request(Method::Options, uri)
            .via(flow.transport, self.settings.advertised(flow), &branch)
            .header(Name::MaxForwards, b"70")
            .header(Name::From, from.as_bytes())
            .header(Name::To, &[b"<", uri, b">"].concat())
            .header(Name::CallId, sip_call_id.as_str().as_bytes())
            .header(Name::CSeq, b"1 OPTIONS")
            .header(Name::Contact, contact.as_bytes())
            .encode();
        let sent =
            self.transactions.send(now.mono, flow, Method::Options, &branch, bytes.clone(), &mut step.out.transmits);
        if let Some(client) = sent {
            if let Purpose::TrunkPing(index, _) = purpose {
                self.may_be_asked(client, Some(index), flow, bytes, 1);
            }
            self.clients.insert(client, purpose);
        }
    }
}
