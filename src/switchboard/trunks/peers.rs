//! The trunk of a message, and the flow to a trunk.

use std::net::IpAddr;
use std::sync::Arc;

use crate::media::source::AddressRange;
use crate::sip::flow::{Flow, Transport};
use crate::sip::locate::Target;
use crate::sip::message::banner_length;
use crate::sip::wire;
use crate::sip::wire::{Fault, Name, Parsed};
use crate::switchboard::ids::LegRef;
use crate::switchboard::phones::Phones;
use crate::switchboard::settings::{Network, Trunk};
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::trunks::targets::Targets;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::connections::{DATAGRAM_BYTES_MAX, is_same_host};
use crate::switchboard::wire::read::read;

impl Trunks {
    /// The networks of the media gateways of a leg's trunk; for a phone, the networks in `[media] phones`.
    pub(in crate::switchboard) fn media_networks(&self, who: LegRef) -> Arc<[AddressRange]> {
        let trunk = self.trunk_of_leg(who).and_then(|trunk| self.settings.trunks.get(trunk));
        let former = || self.former(who).map(|former| former.media.as_slice());
        let networks = trunk.map(Trunk::media_networks).or_else(former);
        networks.unwrap_or(&self.settings.media.phones).iter().map(Network::range).collect()
    }

    /// True if a late 2xx to an outgoing INVITE may be answered with ACK and BYE: it comes from the host to which the
    /// INVITE was sent, from a trunk's server or from a registered phone's address.
    pub(in crate::switchboard) fn may_answer_late(&self, phones: &Phones, sent: Flow, flow: Flow) -> bool {
        let trunks = self.settings.trunks.iter();
        is_same_host(sent, flow)
            || trunks.enumerate().any(|(trunk, _)| self.is_server_of(trunk, flow))
            || phones.registrar.has_binding_at(flow.remote.ip())
    }

    /// Parses one message. In a trunk's message that concerns an emergency call, errors in parts that the call does not
    /// need are ignored.
    pub(in crate::switchboard) fn read<'b>(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        flow: Flow,
        bytes: &'b [u8],
    ) -> Parsed<'b> {
        let parsed = read(flow, bytes);
        let Parsed::Bad(_, Fault { why, .. }) = parsed else { return parsed };
        let Some(trunk) = self.trunk_of(flow) else { return parsed };
        let in_stream = flow.transport != Transport::Udp;
        let Parsed::Good(message) = wire::parse_tolerantly(bytes, in_stream) else { return parsed };
        if in_stream && message.first(Name::ContentLength).is_none() || !self.concerns_a_call(wire, &message, trunk) {
            return parsed;
        }
        self.report_ignored_error(step, &message, trunk, why);
        Parsed::Good(message)
    }

    /// The trunk of a peer, as an index into the settings. If the trunk has a `tls_name`, this connection's certificate
    /// must have verified it (RFC 5922 §7).
    pub(in crate::switchboard) fn trunk_of(&self, flow: Flow) -> Option<usize> {
        (0..self.settings.trunks.len())
            .find(|trunk| self.has_proven_name(*trunk, flow) && self.is_peer_of(*trunk, flow))
    }

    fn is_peer_of(&self, trunk: usize, flow: Flow) -> bool {
        self.settings.trunks.get(trunk).is_some_and(|trunk| trunk.is_peer(flow))
    }

    /// True if the trunk has no `tls_name`, or if the certificate of this connection has verified it.
    pub(in crate::switchboard) fn has_proven_name(&self, trunk: usize, flow: Flow) -> bool {
        self.has_proven(self.settings.trunks.get(trunk).and_then(|trunk| trunk.tls_name.as_ref()), flow)
    }

    /// True if no name is wanted, or if the certificate of this connection has verified it.
    pub(in crate::switchboard) fn has_proven(&self, wanted: Option<&String>, flow: Flow) -> bool {
        let proven = || self.proven.get(&flow.connection);
        wanted.is_none_or(|name| proven().is_some_and(|names| names.contains(name)))
    }

    /// True for a flow from a network in the trunk's `peers` or from one of its resolved servers.
    pub(in crate::switchboard) fn is_server_of(&self, trunk: usize, flow: Flow) -> bool {
        let source = flow.remote.ip().to_canonical();
        let resolved =
            self.settings.trunks.get(trunk).is_some_and(|trunk| self.hosts_of(trunk).any(|host| host == source));
        resolved || self.is_peer_of(trunk, flow)
    }

    /// The fixed or resolved servers of a trunk.
    pub(in crate::switchboard) fn hosts_of(&self, trunk: &Trunk) -> impl Iterator<Item = IpAddr> {
        let resolved = self.targets.get(&trunk.name).into_iter().flat_map(Targets::hosts);
        trunk.target.map(|target| target.ip()).into_iter().chain(resolved).map(|host| host.to_canonical())
    }

    /// The flow to a trunk's target over its transport, from a listener of that transport. None if the trunk has no
    /// target.
    pub(in crate::switchboard) fn trunk_flow(&self, trunk: &Trunk) -> Option<Flow> {
        let target = self.trunk_target(trunk)?;
        let local = self.settings.site.listener_towards(target.transport, target.address)?;
        Some(Flow::any(target.transport, local, target.address))
    }

    /// The TCP flow for a request that is too long for UDP, if its trunk accepts TCP (RFC 3261 §18.1.1).
    pub(in crate::switchboard) fn large_flow(&self, flow: Flow, length: usize) -> Option<Flow> {
        let banner = self.settings.site.server_header.as_deref().map_or(0, banner_length);
        if flow.transport != Transport::Udp || length + banner <= DATAGRAM_BYTES_MAX {
            return None;
        }
        let target = Target { transport: flow.transport, address: flow.remote };
        let takes_tcp = |trunk: &&Trunk| trunk.tcp_when_large && self.trunk_target(trunk) == Some(target);
        self.settings.trunks.iter().find(takes_tcp)?;
        let local = self.settings.site.listener_towards(Transport::Tcp, flow.remote)?;
        Some(Flow::any(Transport::Tcp, local, flow.remote))
    }

    /// Stores the trunk names that the certificate of a connection has verified.
    pub(in crate::switchboard) fn proven(&mut self, flow: Flow, names: Vec<String>) {
        self.proven.insert(flow.connection, names);
    }
}
