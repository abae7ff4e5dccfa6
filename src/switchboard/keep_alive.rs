//! OPTIONS as keep-alive (RFC 3261 §11): to trunks, and to all phones of operators. A phone that is marked as unreachable gets them whatever
//! the setting: its response is what removes the mark.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{Instant, Now};
use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::message;
use crate::sip::uri::for_request_line;
use crate::sip::wire::{Method, Name};

use super::reach::Reached;
use super::route::uri_over;
use super::timers::Alarm;
use super::{Purpose, Switchboard};

/// An unreachable phone gets OPTIONS at least this often.
const UNREACHABLE_EACH: Duration = Duration::from_secs(30);

/// When who is asked next.
#[derive(Debug, Default)]
pub(super) struct Pings {
    pub(super) trunks: BTreeMap<usize, Instant>,
    phones: BTreeMap<OperatorId, Instant>,
}

impl Switchboard {
    /// Starts asking the trunks, at once.
    pub(super) fn ping_trunks_from(&mut self, now: Instant) {
        for (index, at) in std::mem::take(&mut self.pings.trunks) {
            self.alarms.remove(at, Alarm::PingTrunk(index));
        }
        for (index, trunk) in self.settings.trunks.iter().enumerate() {
            if trunk.keep_alive.is_some() && (trunk.target.is_some() || trunk.host.is_some()) {
                self.alarms.insert(now, Alarm::PingTrunk(index));
                self.pings.trunks.insert(index, now);
            }
        }
    }

    pub(super) fn ping_trunk(&mut self, now: Now, index: usize) {
        let Some(trunk) = self.settings.trunks.get(index) else { return };
        let way = self.trunk_target(trunk).zip(self.trunk_flow(trunk));
        let Some(every) = trunk.keep_alive else { return };
        let next = now.mono + every;
        self.alarms.insert(next, Alarm::PingTrunk(index));
        self.pings.trunks.insert(index, next);
        if let Some((target, flow)) = way {
            self.ping(now, flow, &uri_over(flow, None), Purpose::TrunkPing(index, target));
        }
    }

    /// Starts asking an account's phones. A new REGISTER starts the interval anew, unless another phone of the account is unreachable.
    pub(super) fn ping_phone_from(&mut self, now: Instant, account: &OperatorId) {
        let bindings = self.registrar.bindings(account.as_str());
        let is_unreachable = bindings.iter().any(|binding| binding.reach.unreachable);
        let due = self.pings.phones.get(account).copied().filter(|_| is_unreachable);
        self.stop_phone_pings(account);
        let all = self.settings.binding_keep_alive;
        let unreachable = is_unreachable.then_some(UNREACHABLE_EACH);
        let Some(every) = [all, unreachable].into_iter().flatten().min() else { return };
        let at = due.into_iter().chain([now + every]).min().unwrap_or(now + every);
        self.alarms.insert(at, Alarm::PingPhone(account.clone()));
        self.pings.phones.insert(account.clone(), at);
    }

    pub(super) fn stop_phone_pings(&mut self, operator: &OperatorId) {
        if let Some(at) = self.pings.phones.remove(operator) {
            self.alarms.remove(at, Alarm::PingPhone(operator.clone()));
        }
    }

    pub(super) fn ping_phone(&mut self, now: Now, operator: OperatorId) {
        self.pings.phones.remove(&operator);
        let phones = self.phones_of_account(&operator);
        if phones.is_empty() {
            return;
        }
        self.ping_phone_from(now.mono, &operator);
        for reached in phones {
            let is_unreachable = self.binding_of(&reached.phone).is_some_and(|binding| binding.reach.unreachable);
            if is_unreachable || self.settings.binding_keep_alive.is_some() {
                self.ping_ways(now, &reached);
            }
        }
    }

    /// Asks a phone at each of its addresses: one that responds at either is present.
    pub(super) fn ping_ways(&mut self, now: Now, reached: &Reached) {
        for (way, flow) in reached.ways.iter().enumerate() {
            self.ping(now, flow, &for_request_line(&reached.phone.uri), Purpose::PhonePing(reached.phone.clone(), way));
        }
    }

    pub(super) fn ping(&mut self, now: Now, flow: Flow, uri: &[u8], purpose: Purpose) {
        let branch = format!("z9hG4bK{}", self.rng.token());
        let (tag, sip_call_id) = (self.rng.token(), self.rng.token());
        let from = format!("<sip:siaga@{}>;tag={tag}", self.settings.domain);
        let contact = self.contact(flow);
        let bytes = message::request(Method::Options, uri)
            .via(flow.transport, self.advertised(flow), &branch)
            .header(Name::MaxForwards, b"70")
            .header(Name::From, from.as_bytes())
            .header(Name::To, &[b"<", uri, b">"].concat())
            .header(Name::CallId, sip_call_id.as_str().as_bytes())
            .header(Name::CSeq, b"1 OPTIONS")
            .header(Name::Contact, contact.as_bytes())
            .encode();
        let sent = self.transactions.send(now.mono, flow, Method::Options, &branch, bytes.clone(), &mut self.transmits);
        if let Some(client) = sent {
            if let Purpose::TrunkPing(index, _) = purpose {
                self.may_be_asked(client, Some(index), flow, bytes, 1);
            }
            self.clients.insert(client, purpose);
        }
    }
}
