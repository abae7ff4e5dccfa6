//! Which way messages go: flows to trunks, connections that prove who a peer is, and what becomes of legs whose connection
//! is gone.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::flow::{ConnectionId, Flow, Transport};
use crate::sip::locate::Target;
use crate::sip::message::banner_length;
use crate::sip::uri::Uri;

use super::Switchboard;
use super::leg::{OfferLeg, OfferState, Who};
use super::settings::Trunk;

/// Longer requests do not go over UDP where TCP can be had (RFC 3261 §18.1.1).
pub(super) const DATAGRAM_BYTES_MAX: usize = 1_300;

impl Switchboard {
    /// The trunk that a peer belongs to, as an index into the settings. One with a name for its certificate must have proven it
    /// on this connection (RFC 5922 §7).
    pub(super) fn trunk_of(&self, flow: Flow) -> Option<usize> {
        let address = flow.remote.ip();
        let proven = self.proven.get(&flow.connection);
        self.settings.trunks.iter().position(|trunk| {
            let named = trunk.tls_name.as_ref().is_none_or(|name| proven.is_some_and(|names| names.contains(name)));
            named && trunk.peers.iter().any(|peer| peer.contains(address))
        })
    }

    /// The way to a trunk, if it has a target: over its transport, from our listener of that transport.
    pub(super) fn trunk_flow(&self, trunk: &Trunk) -> Option<Flow> {
        let target = self.trunk_target(trunk)?;
        let local = self.listener_towards(target.transport, target.address)?;
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
        let local = self.listener_towards(Transport::Tcp, flow.remote)?;
        Some(Flow::any(Transport::Tcp, local, flow.remote))
    }

    /// A peer has proven names of trunks.
    pub(super) fn proven(&mut self, flow: Flow, names: Vec<String>) {
        self.proven.insert(flow.connection, names);
    }

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

    /// A connection is gone. Its callers' calls go on; what is still to be said to them goes over a new connection to where
    /// their requests are to go anyway (RFC 3261 §12.2.1.1, §18.1.1).
    pub(super) fn connection_lost(&mut self, flow: Flow) {
        self.proven.remove(&flow.connection);
        for id in self.streams.remove(&flow.connection).unwrap_or_default() {
            if let Some(line) = self.calls.get_mut(&id).map(|call| &mut call.caller.line) {
                let hop = line.dialog.as_ref().and_then(|dialog| Uri::parse(dialog.next_hop()).ok()?.socket_address());
                let usual = if flow.transport == Transport::Tls { 5061 } else { 5060 };
                let remote = hop.unwrap_or_else(|| SocketAddr::new(flow.remote.ip(), usual));
                line.flow = Flow { connection: ConnectionId(0), remote, ..flow };
            }
        }
    }

    /// A phone has registered: the talk that it has over a connection that is gone goes on over the new one (RFC 5626 §3.1).
    pub(super) fn phone_moved(&mut self, operator: &OperatorId, to: Flow) {
        let Some(id) = self.acd.view(operator).and_then(|view| view.call) else { return };
        let flows: Vec<Flow> = self.phones_of(operator).map(|binding| binding.flow).collect();
        let Some(call) = self.calls.get_mut(&id) else { return };
        let his =
            |(_, leg): &(&LegNo, &mut OfferLeg)| leg.operator() == Some(operator) && leg.state == OfferState::Talking;
        let Some((no, leg)) = call.legs.iter_mut().find(his) else { return };
        let (no, old) = (*no, leg.line.flow);
        if old.is_connection() && !flows.contains(&old) {
            let who = Who::Offer(id, no);
            self.seen_at(who, to.remote.ip());
            if let Some(line) = self.line_mut(who) {
                line.flow = to;
            }
        }
    }

    /// Our listening address for a transport and an address family.
    fn listener_towards(&self, transport: Transport, target: SocketAddr) -> Option<SocketAddr> {
        let mut of_it = self.settings.listeners.iter().filter(|listener| listener.transport == transport);
        let fits = of_it.clone().find(|listener| listener.local.is_ipv4() == target.is_ipv4());
        fits.or_else(|| of_it.next()).map(|listener| listener.local)
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
    Bytes::from(format!("sip:{user}{}{transport}", flow.remote))
}
