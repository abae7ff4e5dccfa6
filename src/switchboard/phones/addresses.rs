//! Addresses, listeners and networks of the settings.

use std::net::{IpAddr, SocketAddr};

use crate::acd::Family;
use crate::ids::OperatorId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::header::NameAddr;
use crate::sip::registrar::Binding;
use crate::sip::uri::{Host, Uri};
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::ways::Ways;
use crate::switchboard::settings::{Listener, Settings};
use crate::switchboard::wire::connections::{family, shared_network};

impl Settings {
    /// True for an address in a trunk's `peers` or in the guard's `allow`.
    pub(in crate::switchboard) fn is_vouched(&self, source: IpAddr) -> bool {
        let peers = self.trunks.iter().flat_map(|trunk| &trunk.peers);
        peers.chain(&self.guard.allow).any(|block| block.contains(source))
    }
}

impl Settings {
    /// True if a Route header field names an address of siaga or its domain.
    pub(in crate::switchboard) fn names_us(&self, route: &[u8]) -> bool {
        let Ok(route) = NameAddr::parse(route) else { return false };
        matches!(Uri::parse(route.uri), Ok(uri @ Uri::Sip(_)) if self.is_ours(&uri))
    }

    /// True if the host of a URI is an address of siaga or its domain. A tel URI has no host and counts as siaga's.
    pub(in crate::switchboard) fn is_ours(&self, uri: &Uri<'_>) -> bool {
        let uri = match uri {
            Uri::Sip(uri) => uri,
            Uri::Tel { .. } => return true,
            Uri::Service(_) | Uri::Other { .. } => return false,
        };
        let host = match uri.host {
            Host::Name(name) => name.to_ascii_lowercase(),
            Host::Ip(IpAddr::V4(v4)) => v4.to_string(),
            Host::Ip(IpAddr::V6(v6)) => format!("[{v6}]"),
        };
        let with_port = format!("{host}:{}", uri.port.unwrap_or(5060));
        let ours = |text: &str| text.eq_ignore_ascii_case(&with_port);
        host.eq_ignore_ascii_case(&self.domain)
            || self.listeners.iter().any(|one| ours(&one.advertised) || ours(&one.local.to_string()))
    }
}

impl Settings {
    pub(in crate::switchboard) fn to_reach(&self, account: &OperatorId, binding: &Binding) -> Reached {
        let phone = BoundPhone { account: account.clone(), uri: binding.uri.clone(), flow: binding.flow };
        Reached { phone, ways: self.ways(binding) }
    }
}

impl Settings {
    /// The `host:port` that siaga advertises on this flow.
    pub(in crate::switchboard) fn advertised(&self, flow: Flow) -> &str {
        self.listener_of(flow).map_or("127.0.0.1:5060", |listener| listener.advertised.as_str())
    }

    /// siaga's Contact on a flow.
    pub(in crate::switchboard) fn contact(&self, flow: Flow) -> String {
        let suffix = match flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        format!("<sip:siaga@{}{suffix}>", self.advertised(flow))
    }
}

impl Settings {
    pub(in crate::switchboard) fn is_peer_of(&self, trunk: usize, flow: Flow) -> bool {
        let peers = self.trunks.get(trunk).map(|trunk| trunk.peers.as_slice()).unwrap_or_default();
        peers.iter().any(|peer| peer.contains(flow.remote.ip()))
    }
}

impl Settings {
    /// The listener of a flow: the one with its local address, otherwise a wildcard with its port, otherwise the
    /// nearest.
    pub(in crate::switchboard) fn listener_of(&self, flow: Flow) -> Option<&Listener> {
        let near = |listener: &&Listener| {
            let (mine, local) = (listener.local, flow.local);
            let same_family = mine.is_ipv4() == local.is_ipv4();
            let same_port = mine.port() == local.port();
            (mine == local, same_family && same_port && mine.ip().is_unspecified(), same_family, same_port)
        };
        let of_transport = self.listeners.iter().filter(|listener| listener.transport == flow.transport);
        // `rev` makes `max_by_key` return the first of equal listeners.
        of_transport.rev().max_by_key(near).or_else(|| self.listeners.first())
    }

    /// Local address for a transport towards a peer: a listener of the peer's address family and network, otherwise the
    /// first.
    pub(in crate::switchboard) fn listener_towards(
        &self,
        transport: Transport,
        target: SocketAddr,
    ) -> Option<SocketAddr> {
        let of_it = self.listeners.iter().filter(|listener| listener.transport == transport);
        let near = |listener: &&Listener| {
            let mine = listener.local;
            (mine.is_ipv4() == target.is_ipv4(), shared_network(listener.source().ip(), target.ip()))
        };
        of_it.rev().max_by_key(near).map(Listener::source)
    }
}

impl Settings {
    /// True if a trunk has credentials, so that its telco may challenge requests.
    pub(in crate::switchboard) fn asks(&self, trunk: usize) -> bool {
        self.trunks.get(trunk).is_some_and(|trunk| trunk.terms.identity.is_some())
    }
}

impl Settings {
    /// The flows for requests to the phone of a binding, the preferred one first.
    pub(in crate::switchboard) fn ways(&self, binding: &Binding) -> Ways {
        match self.contact_flow(binding).filter(|contact| *contact != binding.flow) {
            Some(contact) => Ways { first: contact, second: Some(binding.flow) },
            None => Ways { first: binding.flow, second: None },
        }
    }

    /// The flow to the Contact of a binding over UDP. None if the Contact names another host (the phone is behind NAT),
    /// a host name or siaga itself, or if siaga does not listen on its transport.
    fn contact_flow(&self, binding: &Binding) -> Option<Flow> {
        let source = binding.flow;
        let uri = Uri::parse(&binding.uri).ok().filter(|_| source.transport == Transport::Udp)?;
        let named = uri.socket_address()?;
        // `source` includes the zone of a link-local address, which no URI contains (RFC 4007 §11).
        let mut address = source.remote;
        address.set_port(named.port());
        let ours = self.listeners.iter().any(|listener| listener.local == address);
        if named.ip() != source.remote.ip() || address == source.local || ours {
            return None;
        }
        match uri.transport() {
            Transport::Udp => Some(source.towards(address)),
            // The Contact's transport applies (RFC 3263 §4.1).
            transport @ (Transport::Tcp | Transport::Tls) => {
                Some(Flow::any(transport, self.listener_towards(transport, address)?, address))
            }
        }
    }
}

impl Settings {
    /// The address family of the port pair for a peer at this address.
    pub(in crate::switchboard) fn family_towards(&self, peer: IpAddr) -> Family {
        family(self.media_family(peer))
    }
}
