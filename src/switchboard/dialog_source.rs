//! Sources of requests in dialogs (RFC 3261 §22, §26.1): the hosts of the dialog, the phones of its operator, the servers of its trunk.
//! A request from any other source is carried out only with the credentials of the operator; otherwise it changes nothing.

use std::net::IpAddr;

use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::{Flow, Transport};
use crate::sip::guard::Reason;
use crate::sip::registrar::Binding;
use crate::sip::transaction::ServerId;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Method, Name};

use super::Switchboard;
use super::door::Taken;
use super::leg::Who;
use super::rejection::Rejected;
use super::subscription::WatchId;

/// The use of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    Leg(Who),
    Watch(WatchId),
}

impl Switchboard {
    /// Handles a request with a To tag. The source is checked first: a request from another source does not change the stored CSeq.
    pub(super) fn request_in_dialog(&mut self, now: Now, flow: Flow, message: &Message<'_>, method: Method) {
        let Some(key) = DialogKey::of_request(message) else { return self.unknown_dialog(flow, message, 481) };
        let leg = self.dialogs.get(&key).copied().map(Usage::Leg);
        let usage = leg.or_else(|| self.subscriptions.at(&key).map(Usage::Watch));
        match usage {
            Some(usage) if !self.may_speak(usage, &key, flow) => {
                self.foreign_request(now, flow, message, method, usage);
            }
            Some(_) => self.take_in_dialog(now, flow, message, method),
            // The BYEs of both sides have crossed (RFC 5407 §3.2.1).
            None if method == Method::Bye && self.past.holds(&key) => self.unknown_dialog(flow, message, 200),
            None => self.unknown_dialog(flow, message, 481),
        }
    }

    /// Responds to a request in a dialog that does not exist, or no longer exists.
    fn unknown_dialog(&mut self, flow: Flow, message: &Message<'_>, status: u16) {
        if !self.transactions.repeats(message, &mut self.transmits) {
            self.answer_stranger(flow, message, status);
        }
    }

    fn take_in_dialog(&mut self, now: Now, flow: Flow, message: &Message<'_>, method: Method) {
        if method == Method::Refer {
            self.note_refer(now, message);
        }
        if let Some(server) = self.take_in(now, flow, message) {
            self.in_dialog(now, &Taken { flow, message, server }, method);
        }
    }

    /// True if a message in a leg's dialog comes from an accepted source.
    pub(super) fn may_speak_for(&mut self, who: Who, key: &DialogKey, flow: Flow) -> bool {
        self.may_speak(Usage::Leg(who), key, flow)
    }

    /// True if a CANCEL comes from the source of its INVITE, or from an accepted source of the leg's dialog. It cannot be challenged
    /// (RFC 3261 §22.1).
    pub(super) fn may_cancel(&mut self, invite: ServerId, flow: Flow) -> bool {
        let same = self.transactions.flow_of(invite).is_some_and(|one| is_same_host(one, flow));
        let Some(who) = self.invites.get(&invite).copied().filter(|_| !same) else { return same };
        let key = self.line_mut(who).and_then(|line| line.dialog.as_ref()).map(|dialog| dialog.key().clone());
        key.is_some_and(|key| self.may_speak_for(who, &key, flow))
    }

    /// True if a 2xx to a past INVITE of ours comes from the host that the INVITE was sent to, a trunk's server or a registered phone's
    /// address: it causes an ACK and a BYE.
    pub(super) fn may_answer_late(&self, sent: Flow, flow: Flow) -> bool {
        let trunks = self.settings.trunks.iter();
        is_same_host(sent, flow)
            || trunks.enumerate().any(|(trunk, _)| self.is_server_of(trunk, flow))
            || self.registrar.has_binding_at(flow.remote.ip())
    }

    fn may_speak(&mut self, usage: Usage, key: &DialogKey, flow: Flow) -> bool {
        let (own, hosts) = match usage {
            Usage::Leg(who) => {
                let mut hosts = self.dialog_mut(who, key).map(|dialog| hosts_of(dialog.hosts())).unwrap_or_default();
                let Some(line) = self.line_mut(who) else { return false };
                hosts.extend(line.host);
                hosts.extend(line.hop.iter().map(|(_, address)| address.ip()));
                (line.flow, hosts)
            }
            Usage::Watch(id) => {
                let Some(subscription) = self.subscriptions.get(id) else { return false };
                (subscription.flow, hosts_of(subscription.dialog.hosts()))
            }
        };
        if flow.is_connection() && flow.connection == own.connection {
            return true;
        }
        // The source of a datagram can be forged: it proves nothing in a dialog over TLS.
        if own.transport == Transport::Tls && flow.transport != Transport::Tls {
            return false;
        }
        let source = flow.remote.ip().to_canonical();
        let is_source = |host: &IpAddr| host.to_canonical() == source;
        if let Some(trunk) = self.trunk_of_usage(usage) {
            return self.has_proven_name(trunk, flow)
                && (is_source(&own.remote.ip()) || hosts.iter().any(is_source) || self.is_server_of(trunk, flow));
        }
        is_source(&own.remote.ip())
            || hosts.iter().any(is_source)
            || self.party_of(usage).is_some_and(|operator| self.has_phone_at(&operator, source))
    }

    /// Handles a request in a dialog from another source. With the operator's credentials it is carried out from any source.
    fn foreign_request(&mut self, now: Now, flow: Flow, message: &Message<'_>, method: Method, usage: Usage) {
        if self.transactions.repeats(message, &mut self.transmits) {
            return;
        }
        let Some(operator) = self.party_of(usage) else {
            self.guard.count(Reason::Foreign);
            if let Some(trunk) = self.trunk_of_usage(usage) {
                self.report_rejection(flow, message, Some(trunk), Rejected::ForeignHost, 403, None);
            }
            // A 481 would make a peer whose address is missing in the settings end the call (RFC 5057 §5.1).
            return self.refuse(flow, message, 403, &[]);
        };
        if message.first(Name::Authorization).is_none() {
            self.guard.count(Reason::Foreign);
            return self.challenge(now, flow, message, false);
        }
        let Some(server) = self.take_in(now, flow, message) else { return };
        let taken = Taken { flow, message, server };
        let Some(account) = self.authenticate(now, &taken) else { return };
        if self.user_of(&account) != operator {
            self.guard.count(Reason::Foreign);
            return self.reply(now, &taken, 403, &[]);
        }
        if method == Method::Refer {
            self.note_refer(now, message);
        }
        self.in_dialog(now, &taken, method);
    }

    /// The operator at the peer's phone.
    fn party_of(&self, usage: Usage) -> Option<OperatorId> {
        match usage {
            Usage::Leg(Who::Caller(call)) => {
                let call = self.calls.get(&call)?;
                let own = call.internal.as_ref().and_then(|internal| internal.operator.as_ref());
                call.placed_by.as_ref().or(own).cloned()
            }
            Usage::Leg(Who::Offer(call, leg)) => self.calls.get(&call)?.legs.get(&leg)?.operator().cloned(),
            Usage::Leg(Who::Phone(_)) => None,
            Usage::Watch(id) => self.subscriptions.get(id).map(|subscription| self.user_of(&subscription.watcher)),
        }
    }

    fn trunk_of_usage(&self, usage: Usage) -> Option<usize> {
        match usage {
            // A test call does not count towards the capacity of its trunk.
            Usage::Leg(Who::Phone(phone)) => self.trunk_of(self.phones.get(&phone)?.line.flow),
            Usage::Leg(who) => self.trunk_with(who),
            Usage::Watch(_) => None,
        }
    }

    /// True if a phone of the operator is registered from this address, or with a Contact that has it.
    fn has_phone_at(&self, operator: &OperatorId, source: IpAddr) -> bool {
        let contact = |binding: &Binding| Uri::parse(&binding.uri).ok().and_then(|uri| uri.socket_address());
        let mut phones = self.phones_of(operator);
        phones.any(|binding| {
            let contact = contact(binding).map(|address| address.ip().to_canonical());
            binding.flow.remote.ip().to_canonical() == source || contact == Some(source)
        })
    }
}

fn is_same_host(one: Flow, other: Flow) -> bool {
    let same_connection = one.is_connection() && one.connection == other.connection;
    let protected = one.transport == Transport::Tls && other.transport != Transport::Tls;
    same_connection || (!protected && one.remote.ip().to_canonical() == other.remote.ip().to_canonical())
}

fn hosts_of<'a>(uris: impl Iterator<Item = &'a [u8]>) -> Vec<IpAddr> {
    uris.filter_map(|uri| Uri::parse(uri).ok()?.socket_address()).map(|address| address.ip()).collect()
}
