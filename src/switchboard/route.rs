//! Which way messages go: flows to trunks, connections that prove who a peer is, and what becomes of legs whose connection
//! is gone.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::ids::{CallId, OperatorId};
use crate::limits::CLOSED_CONNECTIONS_MAX;
use crate::sip::dialog::Dialog;
use crate::sip::flow::{ConnectionId, Flow, Transport};
use crate::sip::locate::Target;
use crate::sip::message::banner_length;
use crate::sip::registrar::Binding;
use crate::sip::uri::{Host, Uri};

use super::leg::Who;
use super::settings::{Listener, Trunk};
use super::targets::Targets;
use crate::switchboard::{Calls, NetworkParts, Settings, Step, Switchboard, Trunks, Wire};

/// Longer requests do not go over UDP where TCP can be had (RFC 3261 §18.1.1).
pub(super) const DATAGRAM_BYTES_MAX: usize = 1_300;

/// Connections that have closed. Full: the one that was opened first is forgotten.
#[derive(Debug, Default)]
pub(super) struct Closed(BTreeSet<ConnectionId>);

impl Closed {
    fn add(&mut self, connection: ConnectionId) {
        self.0.insert(connection);
        if self.0.len() > CLOSED_CONNECTIONS_MAX {
            self.0.pop_first();
        }
    }

    fn holds(&self, connection: ConnectionId) -> bool {
        self.0.contains(&connection)
    }
}

impl Settings {
    /// `host:port` that peers on this flow are told.
    pub(super) fn advertised(&self, flow: Flow) -> &str {
        self.listener_of(flow).map_or("127.0.0.1:5060", |listener| listener.advertised.as_str())
    }

    /// Our Contact on a flow.
    pub(super) fn contact(&self, flow: Flow) -> String {
        let suffix = match flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        format!("<sip:siaga@{}{suffix}>", self.advertised(flow))
    }
}

impl Trunks {
    /// The trunk that a peer belongs to, as an index into the settings. One with a name for its certificate must have proven it
    /// on this connection (RFC 5922 §7).
    pub(super) fn trunk_of(&self, flow: Flow) -> Option<usize> {
        (0..self.settings.trunks.len())
            .find(|trunk| self.has_proven_name(*trunk, flow) && self.settings.is_peer_of(*trunk, flow))
    }

    /// True if the trunk has no `tls_name`, or the peer of this connection has proven it.
    pub(super) fn has_proven_name(&self, trunk: usize, flow: Flow) -> bool {
        let wanted = self.settings.trunks.get(trunk).and_then(|trunk| trunk.tls_name.as_ref());
        let proven = || self.proven.get(&flow.connection);
        wanted.is_none_or(|name| proven().is_some_and(|names| names.contains(name)))
    }

    /// True for a flow from a network in the trunk's `peers` or from one of its resolved servers.
    pub(super) fn is_server_of(&self, trunk: usize, flow: Flow) -> bool {
        let source = flow.remote.ip().to_canonical();
        let resolved = self.settings.trunks.get(trunk).is_some_and(|trunk| {
            let known = self.targets.get(&trunk.name).into_iter().flat_map(Targets::hosts);
            trunk.target.map(|target| target.ip()).into_iter().chain(known).any(|host| host.to_canonical() == source)
        });
        resolved || self.settings.is_peer_of(trunk, flow)
    }
}

impl Settings {
    fn is_peer_of(&self, trunk: usize, flow: Flow) -> bool {
        let peers = self.trunks.get(trunk).map(|trunk| trunk.peers.as_slice()).unwrap_or_default();
        peers.iter().any(|peer| peer.contains(flow.remote.ip()))
    }
}

impl Trunks {
    /// The way to a trunk, if it has a target: over its transport, from our listener of that transport.
    pub(super) fn trunk_flow(&self, trunk: &Trunk) -> Option<Flow> {
        let target = self.trunk_target(trunk)?;
        let local = self.settings.listener_towards(target.transport, target.address)?;
        Some(Flow::any(target.transport, local, target.address))
    }

    /// The way over TCP for a request that is too long for a datagram, where its trunk takes TCP (RFC 3261 §18.1.1).
    pub(super) fn large_flow(&self, flow: Flow, length: usize) -> Option<Flow> {
        let banner = self.settings.server_header.as_deref().map_or(0, banner_length);
        if flow.transport != Transport::Udp || length + banner <= DATAGRAM_BYTES_MAX {
            return None;
        }
        let target = Target { transport: flow.transport, address: flow.remote };
        let takes_tcp = |trunk: &&Trunk| trunk.tcp_when_large && self.trunk_target(trunk) == Some(target);
        self.settings.trunks.iter().find(takes_tcp)?;
        let local = self.settings.listener_towards(Transport::Tcp, flow.remote)?;
        Some(Flow::any(Transport::Tcp, local, flow.remote))
    }

    /// A peer has proven names of trunks.
    pub(super) fn proven(&mut self, flow: Flow, names: Vec<String>) {
        self.proven.insert(flow.connection, names);
    }
}

impl Wire {
    /// Notes that a caller's leg goes over a connection.
    pub(super) fn hold_stream(&mut self, call: CallId, flow: Flow) {
        if flow.is_connection() {
            self.streams.entry(flow.connection).or_default().insert(call);
        }
    }

    pub(super) fn release_stream(&mut self, call: CallId, flow: Flow) {
        if let Some(calls) = self.streams.get_mut(&flow.connection) {
            calls.remove(&call);
            if calls.is_empty() {
                self.streams.remove(&flow.connection);
            }
        }
    }
}

impl Calls {
    /// A connection is gone. Its callers' calls go on; what is still to be said to them goes over a new connection to where
    /// their requests are to go anyway (RFC 3261 §12.2.1.1, §18.1.1).
    pub(super) fn connection_lost(&mut self, net: &mut NetworkParts, step: &mut Step, flow: Flow) {
        net.trunks.proven.remove(&flow.connection);
        net.wire.closed.add(flow.connection);
        for id in net.wire.streams.remove(&flow.connection).unwrap_or_default() {
            if let Some(line) = self.calls.get_mut(&id).map(|call| &mut call.caller.line) {
                let hop = line.dialog.as_ref().and_then(|dialog| Uri::parse(dialog.next_hop()).ok()?.socket_address());
                let usual = if flow.transport == Transport::Tls { 5061 } else { 5060 };
                let remote = hop.unwrap_or_else(|| SocketAddr::new(flow.remote.ip(), usual));
                line.flow = Flow { connection: ConnectionId(0), remote, ..flow };
            }
            self.caller_disconnected(net, step, id, flow);
        }
    }
}

impl Switchboard {
    /// A phone has registered: its legs move from its former flow to the new one (RFC 5626 §5.3), and so does a leg of this phone whose
    /// connection is closed (RFC 5626 §3.1). The legs of the operator's other phones stay.
    pub(super) fn phone_moved(&mut self, account: &OperatorId, to: Flow, moved: &[(Binding, Binding)]) {
        let operator = self.net.phones.user_of(account);
        let bindings = self.net.phones.registrar.bindings(account.as_str()).iter().filter(|binding| binding.flow == to);
        let contacts: Vec<Bytes> = bindings.map(|binding| binding.uri.clone()).collect();
        let mut ways = Vec::new();
        for (old, new) in moved {
            ways.push((old.flow, new.flow));
            ways.push((self.settings.ways(old).first, self.settings.ways(new).first));
        }
        let mut lines = self.calls.lines_of(&operator);
        lines.extend(self.calls.internal_lines(account));
        for (who, old) in lines {
            let new = ways.iter().find(|(before, _)| *before == old).map(|(_, new)| *new);
            let closed = old.is_connection() && self.net.wire.closed.holds(old.connection);
            let lost = || closed && self.calls.leads_to(who, &contacts);
            if let Some(new) = new.or_else(|| lost().then_some(to)) {
                self.calls.seen_at(&mut self.net, &mut self.step, who, new.remote.ip());
                self.calls.reroute(&mut self.net, who, new);
            }
        }
        self.subscriptions.watches_moved(&operator, &ways);
    }
}

impl Calls {
    /// True if one of these Contacts names the phone at the other end of a leg. Ports are not compared: many phones name the local port of
    /// their connection.
    fn leads_to(&self, who: Who, contacts: &[Bytes]) -> bool {
        let target = self.line(who).and_then(|line| line.dialog.as_ref()).map(Dialog::target);
        // A leg that rings has no dialog yet; its CANCEL is sent in any case.
        target.is_none_or(|target| {
            let host = host_of(target);
            host.is_some() && contacts.iter().any(|contact| host_of(contact) == host)
        })
    }

    /// The legs of emergency calls from the phones of an account, with their flows.
    pub(super) fn internal_lines(&self, account: &OperatorId) -> Vec<(Who, Flow)> {
        let calls = self.internal.get(account).into_iter().flatten();
        calls.filter_map(|id| Some((Who::Caller(*id), self.calls.get(id)?.caller.line.flow))).collect()
    }

    /// The legs to and from an operator's phones, with their flows: those of the operator's call and of the call that they have placed.
    pub(super) fn lines_of(&self, operator: &OperatorId) -> Vec<(Who, Flow)> {
        let call = self.acd.view(operator).and_then(|view| view.call);
        let placed = self.placed.of(operator).into_iter().filter(|id| Some(*id) != call);
        let calls = call.into_iter().chain(placed).filter_map(|id| Some((id, self.calls.get(&id)?)));
        let mut lines = Vec::new();
        for (id, call) in calls {
            if call.placed_by.as_ref() == Some(operator) {
                lines.push((Who::Caller(id), call.caller.line.flow));
            }
            let legs = call.legs.iter().filter(|(_, leg)| leg.operator() == Some(operator));
            lines.extend(legs.map(|(no, leg)| (Who::Offer(id, *no), leg.line.flow)));
        }
        lines
    }

    /// Moves a leg to another flow.
    pub(super) fn reroute(&mut self, net: &mut NetworkParts, who: Who, flow: Flow) {
        let Some(line) = self.line_mut(who) else { return };
        // A leg to a trunk is bound to no connection: its requests go to its Contact, or to where it was dialled.
        let flow = match who {
            Who::Offer(..) if line.follow_target && flow.is_connection() => {
                let same = line.flow.transport == flow.transport;
                Flow::any(flow.transport, flow.local, if same { line.flow.remote } else { flow.remote })
            }
            Who::Caller(_) | Who::Offer(..) | Who::Phone(_) => flow,
        };
        let old = std::mem::replace(&mut line.flow, flow);
        if let Who::Caller(call) = who
            && old.connection != flow.connection
        {
            net.wire.release_stream(call, old);
            net.wire.hold_stream(call, flow);
        }
    }
}

impl Settings {
    /// The listener of a flow: the one with its local address, else a wildcard of its port, else the nearest.
    pub(super) fn listener_of(&self, flow: Flow) -> Option<&Listener> {
        let near = |listener: &&Listener| {
            let (mine, local) = (listener.local, flow.local);
            let same_family = mine.is_ipv4() == local.is_ipv4();
            let same_port = mine.port() == local.port();
            (mine == local, same_family && same_port && mine.ip().is_unspecified(), same_family, same_port)
        };
        let of_transport = self.listeners.iter().filter(|listener| listener.transport == flow.transport);
        // Of equal ones, the first.
        of_transport.rev().max_by_key(near).or_else(|| self.listeners.first())
    }

    /// Our listening address for a transport, towards a peer: one of the peer's address family and network; else the first.
    pub(super) fn listener_towards(&self, transport: Transport, target: SocketAddr) -> Option<SocketAddr> {
        let of_it = self.listeners.iter().filter(|listener| listener.transport == transport);
        let near = |listener: &&Listener| {
            let mine = listener.local;
            (mine.is_ipv4() == target.is_ipv4(), shared_network(listener.source().ip(), target.ip()))
        };
        of_it.rev().max_by_key(near).map(Listener::source)
    }
}

/// How many leading bits two addresses share; 0 if they are too few for a common network (/16, IPv6: /48).
fn shared_network(a: IpAddr, b: IpAddr) -> u32 {
    let (shared, least) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => ((a.to_bits() ^ b.to_bits()).leading_zeros(), 16),
        (IpAddr::V6(a), IpAddr::V6(b)) => ((a.to_bits() ^ b.to_bits()).leading_zeros(), 48),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => (0, 0),
    };
    if shared < least { 0 } else { shared }
}

fn host_of(uri: &[u8]) -> Option<Host<'_>> {
    match Uri::parse(uri) {
        Ok(Uri::Sip(uri)) => Some(uri.host),
        Ok(Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) | Err(_) => None,
    }
}

/// `sip:user@address` with the transport that is not UDP.
pub(super) fn uri_over(flow: Flow, user: Option<&str>) -> Bytes {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let transport = match flow.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    // Without the zone of a link-local address (RFC 4007 §11).
    let remote = SocketAddr::new(flow.remote.ip(), flow.remote.port());
    Bytes::from(format!("sip:{user}{remote}{transport}"))
}
