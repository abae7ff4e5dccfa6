//! Sources of requests in dialogs (RFC 3261 §22, §26.1): the hosts of the dialog, the phones of its operator, the servers of its trunk.
//! A request from any other source is carried out only with the credentials of the operator; otherwise it changes nothing.

use std::net::{IpAddr, SocketAddr};

use crate::ids::OperatorId;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::{Flow, Transport};
use crate::sip::guard::Reason;
use crate::sip::registrar::Binding;
use crate::sip::transaction::ServerId;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Method, Name};

use super::door::Taken;
use super::leg::Who;
use super::rejection::Rejected;
use super::subscription::WatchId;
use crate::switchboard::{Admission, Calls, NetworkParts, Phones, Step, Switchboard, Trunks, Wire};

/// The use of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    Leg(Who),
    Watch(WatchId),
}

/// What a source must share with a phone's dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Its connection, or its address and port.
    Address,
    /// Its host.
    Host,
}

impl Switchboard {
    /// Handles a request with a To tag. The source is checked first: a request from another source does not change the stored CSeq.
    pub(super) fn request_in_dialog(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let Some(key) = DialogKey::of_request(message) else {
            return self.net.admission.unknown_dialog(&mut self.net.wire, &mut self.step, flow, message, 481);
        };
        let leg = self.net.wire.dialogs.get(&key).copied().map(Usage::Leg);
        let usage = leg.or_else(|| self.subscriptions.table.at(&key).map(Usage::Watch));
        match usage {
            Some(usage) if !self.may_speak(usage, &key, flow, Proof::Address) => {
                self.foreign_request(flow, message, method, usage);
            }
            Some(_) => {
                self.step.trust_connection(flow);
                self.take_in_dialog(flow, message, method);
            }
            // The BYEs of both sides have crossed (RFC 5407 §3.2.1).
            None if method == Method::Bye && self.net.wire.past.holds(&key) => {
                self.net.admission.unknown_dialog(&mut self.net.wire, &mut self.step, flow, message, 200)
            }
            None => self.net.admission.unknown_dialog(&mut self.net.wire, &mut self.step, flow, message, 481),
        }
    }
}

impl Admission {
    /// Responds to a request in a dialog that does not exist, or no longer exists.
    fn unknown_dialog(&mut self, wire: &mut Wire, step: &mut Step, flow: Flow, message: &Message<'_>, status: u16) {
        if !wire.transactions.repeats(message, &mut step.out.transmits) {
            self.answer_stranger(wire, step, flow, message, status);
        }
    }
}

impl Switchboard {
    fn take_in_dialog(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let now = self.step.now;
        if method == Method::Refer {
            self.calls.note_refer(&mut self.net, now, message);
        }
        if let Some(server) =
            self.net.admission.take_in(&mut self.net.wire, &mut self.net.trunks, &mut self.step, flow, message)
        {
            self.in_dialog(&Taken { flow, message, server }, method);
        }
    }

    /// True if a message that cannot be challenged (ACK, CANCEL) comes from an accepted host of a leg's dialog.
    pub(super) fn may_speak_for(&mut self, who: Who, key: &DialogKey, flow: Flow) -> bool {
        self.may_speak(Usage::Leg(who), key, flow, Proof::Host)
    }

    /// True if a CANCEL comes from the source of its INVITE, or from an accepted source of the leg's dialog. It cannot be challenged
    /// (RFC 3261 §22.1).
    pub(super) fn may_cancel(&mut self, invite: ServerId, flow: Flow) -> bool {
        let same = self.net.wire.transactions.flow_of(invite).is_some_and(|one| is_same_host(one, flow));
        let Some(who) = self.net.wire.invites.get(&invite).copied().filter(|_| !same) else { return same };
        let key = self.calls.line_mut(who).and_then(|line| line.dialog.as_ref()).map(|dialog| dialog.key().clone());
        key.is_some_and(|key| self.may_speak_for(who, &key, flow))
    }
}

impl Trunks {
    /// True if a 2xx to a past INVITE of ours comes from the host that the INVITE was sent to, a trunk's server or a registered phone's
    /// address: it causes an ACK and a BYE.
    pub(super) fn may_answer_late(&self, phones: &Phones, sent: Flow, flow: Flow) -> bool {
        let trunks = self.settings.trunks.iter();
        is_same_host(sent, flow)
            || trunks.enumerate().any(|(trunk, _)| self.is_server_of(trunk, flow))
            || phones.registrar.has_binding_at(flow.remote.ip())
    }
}

impl Switchboard {
    /// True if a message in a dialog comes from an accepted source. For a phone's dialog a host is enough only while no phone of another
    /// account is registered there, or if the message cannot be challenged: colleagues share the address of a NAT, a proxy or a terminal
    /// server.
    fn may_speak(&mut self, usage: Usage, key: &DialogKey, flow: Flow, needed: Proof) -> bool {
        let (own, ends, last) = match usage {
            Usage::Leg(who) => {
                let mut ends =
                    self.calls.dialog_mut(who, key).map(|dialog| ends_of(dialog.hosts())).unwrap_or_default();
                let Some(line) = self.calls.line_mut(who) else { return false };
                ends.extend(line.hop.iter().map(|(_, address)| *address));
                (line.flow, ends, line.host)
            }
            Usage::Watch(id) => {
                let Some(subscription) = self.subscriptions.table.get(id) else { return false };
                (subscription.flow, ends_of(subscription.dialog.hosts()), None)
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
        let is_source = |host: IpAddr| host.to_canonical() == source;
        let is_host =
            || is_source(own.remote.ip()) || last.is_some_and(is_source) || ends.iter().any(|end| is_source(end.ip()));
        if let Some(trunk) = self.calls.trunk_of_usage(&self.net, usage) {
            return self.net.trunks.has_proven_name(trunk, flow)
                && (is_host() || self.net.trunks.is_server_of(trunk, flow));
        }
        let parties = self.parties_of(usage);
        let phones = || parties.iter().flat_map(|party| self.net.phones.phones_at(party));
        if needed == Proof::Host || !self.net.phones.is_shared(source, &parties) {
            let is_phone = |phone: &Binding| {
                is_source(phone.flow.remote.ip()) || contact_of(phone).is_some_and(|end| is_source(end.ip()))
            };
            return is_host() || phones().any(is_phone);
        }
        let ends = if own.transport == Transport::Udp { ends } else { Vec::new() };
        is_end(own, flow)
            || ends.iter().any(|end| is_datagram_of(*end, flow))
            || phones()
                .any(|phone| is_end(phone.flow, flow) || contact_of(phone).is_some_and(|end| is_datagram_of(end, flow)))
    }
}

impl Phones {
    /// True if a phone of another account is registered from this address, or with a Contact that has it.
    fn is_shared(&self, source: IpAddr, parties: &[OperatorId]) -> bool {
        let accounts = || parties.iter().flat_map(|party| self.accounts_at(party));
        self.registrar.others_at(source, |user| accounts().any(|account| account.as_str() == user))
    }
}

impl Calls {
    /// Counts a message for a leg from a source that may not send it. For a trunk's leg, the report names the setting that would accept the
    /// source.
    pub(super) fn report_foreign(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        who: Who,
        status: u16,
    ) {
        self.report_usage(net, step, flow, message, Usage::Leg(who), status);
    }

    fn report_usage(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        usage: Usage,
        status: u16,
    ) {
        net.admission.guard.count(Reason::Foreign);
        if let Some(trunk) = self.trunk_of_usage(net, usage) {
            net.trunks.report_rejection(step, flow, message, Some(trunk), Rejected::ForeignHost, status, None);
        }
    }
}

impl Switchboard {
    /// Handles a request in a dialog from another source. With the operator's credentials it is carried out from any source.
    fn foreign_request(&mut self, flow: Flow, message: &Message<'_>, method: Method, usage: Usage) {
        let now = self.step.now;
        if self.net.wire.transactions.repeats(message, &mut self.step.out.transmits) {
            return;
        }
        let parties = self.parties_of(usage);
        if parties.is_empty() {
            self.calls.report_usage(&mut self.net, &mut self.step, flow, message, usage, 403);
            // A 481 would make a peer whose address is missing in the settings end the call (RFC 5057 §5.1).
            return self.net.admission.refuse(&mut self.step, flow, message, 403, &[]);
        }
        if message.first(Name::Authorization).is_none() {
            self.net.admission.guard.count(Reason::Foreign);
            return self.net.admission.challenge(&mut self.step, flow, message, false);
        }
        let Some(server) =
            self.net.admission.take_in(&mut self.net.wire, &mut self.net.trunks, &mut self.step, flow, message)
        else {
            return;
        };
        let taken = Taken { flow, message, server };
        let Some(account) = self.calls.authenticate(&mut self.net, &mut self.step, &taken) else { return };
        if !parties.contains(&account) && !parties.contains(&self.net.phones.user_of(&account)) {
            self.net.admission.guard.count(Reason::Foreign);
            return self.net.wire.reply(&mut self.step, &taken, 403, &[]);
        }
        if method == Method::Refer {
            self.calls.note_refer(&mut self.net, now, message);
        }
        self.in_dialog(&taken, method);
    }

    /// The operator at the peer's phone, and the account of that phone if it is known; none: it is no phone of the centre.
    fn parties_of(&self, usage: Usage) -> Vec<OperatorId> {
        let (operator, account) = match usage {
            Usage::Leg(Who::Caller(call)) => {
                let Some(call) = self.calls.calls.get(&call) else { return Vec::new() };
                let internal = call.internal.as_ref();
                let own = internal.and_then(|internal| internal.operator.as_ref());
                (call.placed_by.as_ref().or(own).cloned(), internal.map(|internal| internal.account.clone()))
            }
            Usage::Leg(Who::Offer(call, leg)) => {
                let leg = self.calls.calls.get(&call).and_then(|call| call.legs.get(&leg));
                (leg.and_then(|leg| leg.operator()).cloned(), None)
            }
            Usage::Leg(Who::Phone(phone)) => {
                let account = self.calls.services.get(&phone).and_then(|phone| phone.account.clone());
                (account.as_ref().map(|account| self.net.phones.user_of(account)), account)
            }
            Usage::Watch(id) => {
                let watcher = self.subscriptions.table.get(id).map(|subscription| &subscription.watcher);
                (watcher.map(|watcher| self.net.phones.user_of(watcher)), watcher.cloned())
            }
        };
        operator.into_iter().chain(account).collect()
    }
}

impl Calls {
    fn trunk_of_usage(&self, net: &NetworkParts, usage: Usage) -> Option<usize> {
        match usage {
            // A test call does not count towards the capacity of its trunk.
            Usage::Leg(Who::Phone(phone)) => net.trunks.trunk_of(self.services.get(&phone)?.line.flow),
            Usage::Leg(who) => net.trunks.trunk_with(who),
            Usage::Watch(_) => None,
        }
    }
}

impl Phones {
    /// The phones of an operator or of an account.
    fn phones_at<'a>(&'a self, party: &'a OperatorId) -> impl Iterator<Item = &'a Binding> + use<'a> {
        self.accounts_at(party).flat_map(|account| self.registrar.bindings(account.as_str()))
    }

    /// The accounts of an operator's phones, and the account of that name.
    fn accounts_at<'a>(&'a self, party: &'a OperatorId) -> impl Iterator<Item = &'a OperatorId> + use<'a> {
        self.phone_accounts(party).chain(std::iter::once(party))
    }
}

/// True if a message came over this connection, or as a datagram from this address and port.
fn is_end(one: Flow, flow: Flow) -> bool {
    match flow.is_connection() {
        true => one.connection == flow.connection,
        false => one.transport == Transport::Udp && is_datagram_of(one.remote, flow),
    }
}

/// True for a datagram from this address and port.
fn is_datagram_of(end: SocketAddr, flow: Flow) -> bool {
    let same_host = end.ip().to_canonical() == flow.remote.ip().to_canonical();
    flow.transport == Transport::Udp && same_host && end.port() == flow.remote.port()
}

fn contact_of(phone: &Binding) -> Option<SocketAddr> {
    Uri::parse(&phone.uri).ok()?.socket_address()
}

fn is_same_host(one: Flow, other: Flow) -> bool {
    let same_connection = one.is_connection() && one.connection == other.connection;
    let protected = one.transport == Transport::Tls && other.transport != Transport::Tls;
    same_connection || (!protected && one.remote.ip().to_canonical() == other.remote.ip().to_canonical())
}

fn ends_of<'a>(uris: impl Iterator<Item = &'a [u8]>) -> Vec<SocketAddr> {
    uris.filter_map(|uri| Uri::parse(uri).ok()?.socket_address()).collect()
}
