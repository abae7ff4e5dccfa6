//! Where the requests of a session go: the flow of the peer, and the next hop of the dialog (RFC 3261 §12.2.1.1). Host
//! names in the Contact and Record-Route of trunks are resolved (RFC 3263 §4): a name is looked up when its dialog begins
//! or its target changes, so that later requests go to the resolved address. Until then, requests go to the source of
//! the INVITE.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use crate::media::command::Command;
use crate::media::source::Sources;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::{ConnectionId, Flow, Transport};
use crate::sip::locate::Target;
use crate::sip::uri::Uri;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use crate::switchboard::wire::lookups::named;

impl Session {
    /// The transport, connection and address of the peer.
    pub(in crate::switchboard) fn flow(&self) -> Flow {
        self.route.flow
    }

    /// Exchanges the flow with another one.
    pub(in crate::switchboard) fn swap_flow(&mut self, flow: &mut Flow) {
        std::mem::swap(&mut self.route.flow, flow);
    }

    /// Makes requests use the flow, and not the route set or Contact: the peer is a phone.
    pub(in crate::switchboard) fn use_flow_only(&mut self) {
        self.route.follow_target = false;
    }

    /// The source of the last request in the dialog; None if the peer has sent none.
    pub(in crate::switchboard) fn last_host(&self) -> Option<IpAddr> {
        self.route.host
    }

    /// The address that the name of the next hop was resolved to.
    pub(in crate::switchboard) fn resolved_hop(&self) -> Option<SocketAddr> {
        self.route.hop.as_ref().map(|(_, address)| *address)
    }

    /// The flow for the next request in the dialog.
    pub(in crate::switchboard) fn next_flow(&self) -> Flow {
        self.dialog.as_ref().map_or(self.route.flow, |dialog| self.route.flow_in(dialog))
    }

    /// Replaces a closed connection: further messages use a new one to the address of the dialog's next hop
    /// (RFC 3261 §12.2.1.1, §18.1.1).
    pub(in crate::switchboard) fn connection_lost(&mut self, flow: Flow) {
        let hop = self.dialog.as_ref().and_then(|dialog| Uri::parse(dialog.next_hop()).ok()?.socket_address());
        let usual = if flow.transport == Transport::Tls { 5061 } else { 5060 };
        let remote = hop.unwrap_or_else(|| SocketAddr::new(flow.remote.ip(), usual));
        self.route.flow = Flow { connection: ConnectionId(0), remote, ..flow };
    }

    /// Moves the leg to another flow.
    pub(in crate::switchboard) fn reroute(&mut self, net: &mut NetworkParts, leg: LegRef, flow: Flow) {
        let route = &mut self.route;
        // A leg to a trunk is bound to no connection: its requests go to its Contact, or to the address that was dialled.
        let flow = match leg {
            LegRef::Outgoing(..) if route.follow_target && flow.is_connection() => {
                let same = route.flow.transport == flow.transport;
                Flow::any(flow.transport, flow.local, if same { route.flow.remote } else { flow.remote })
            }
            LegRef::Caller(_) | LegRef::Outgoing(..) | LegRef::Service(_) => flow,
        };
        let old = std::mem::replace(&mut route.flow, flow);
        if let LegRef::Caller(call) = leg
            && old.connection != flow.connection
        {
            net.wire.release_stream(call, old);
            net.wire.hold_stream(call, flow);
        }
    }

    /// Applies the target of an accepted request: its Contact becomes the dialog's remote target, and its flow the
    /// leg's flow. The phone has moved, or its NAT binding or connection has changed (RFC 3261 §12.2.2, RFC 6141 §4.6).
    pub(super) fn follow(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
        key: &DialogKey,
    ) {
        if let Some(dialog) = self.dialog_mut(key) {
            dialog.refresh(taken.message);
            self.reroute(net, leg, taken.flow);
            self.look_up(net, step, leg);
        }
    }

    /// Looks up the host of the next hop, if it is a name and the leg's requests follow the dialog.
    pub(in crate::switchboard) fn look_up(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        if !self.route.follow_target {
            return;
        }
        let Some(hop) = self.dialog.as_ref().map(|dialog| Bytes::copy_from_slice(dialog.next_hop())) else { return };
        let known = self.route.hop.as_ref().is_some_and(|(known, _)| *known == hop);
        let Some(host) = named(&hop, self.route.flow.transport).filter(|_| !known) else {
            return net.wire.lookups.forget(leg);
        };
        if net.wire.lookups.begin(leg, &hop) {
            step.out.others.push(Output::Lookup { uri: hop, host });
        }
    }

    /// Stores the address of a URI's host. `targets` is empty if the lookup failed.
    pub(in crate::switchboard) fn resolved(&mut self, uri: &Bytes, targets: &[Target]) {
        let same = targets.iter().find(|target| target.transport == self.route.flow.transport);
        self.route.hop = same.map(|target| (uri.clone(), target.address));
    }

    /// Stores the host that sent a request in the leg's dialog. Media from this host is accepted too.
    pub(in crate::switchboard) fn seen_at(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        host: IpAddr,
    ) {
        let known = self.route.host.unwrap_or(self.route.flow.remote.ip());
        self.route.host = Some(host);
        if known != host {
            self.send_peer_address(net, step, leg);
        }
    }

    /// If offer and answer have led to an agreement, sends to media the address of the peer, and the sources from which
    /// the peer's packets are accepted.
    pub(in crate::switchboard) fn send_peer_address(&self, net: &NetworkParts, step: &mut Step, leg: LegRef) {
        let networks = net.trunks.media_networks(leg);
        let host = Some(self.route.host.unwrap_or(self.route.flow.remote.ip()));
        let Some((anchor, remote)) = self.media.as_ref().map(|media| (media.anchor(), media.remote())) else { return };
        let Some(mut remote) = remote else { return };
        remote.sources = Sources { host, networks };
        for address in [&mut remote.rtp, &mut remote.rtcp] {
            if net.media.is_own_port(*address) {
                *address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            }
        }
        step.out.media.push(Command::SetRemote { anchor, remote });
    }
}
