//! The centre's own addresses.

use std::net::{IpAddr, SocketAddr};

use crate::sip::flow::{Flow, Transport};
use crate::sip::header::NameAddr;
use crate::sip::uri::{Host, Uri};

/// One socket on which the service listens, and its advertised address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub local: SocketAddr,
    /// `host:port` for Via and Contact; brackets around IPv6.
    pub advertised: String,
}

impl Listener {
    /// The source address of the listener's requests: the address on which it listens, or for a wildcard the advertised address, which
    /// peers expect.
    pub fn source(&self) -> SocketAddr {
        let told = self.advertised.rsplit_once(':').map_or(self.advertised.as_str(), |(host, _)| host);
        let told = told.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let told = told.filter(|told| self.local.ip().is_unspecified() && told.is_ipv4() == self.local.is_ipv4());
        told.map_or(self.local, |told| SocketAddr::new(told, self.local.port()))
    }
}

/// The centre's own addresses.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The SIP domain of the operators, and the realm of their passwords.
    pub domain: String,
    pub listeners: Vec<Listener>,
    /// The value of `Server` in responses and `User-Agent` in requests; None if neither is sent.
    pub server_header: Option<String>,
}

impl Site {
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

/// Number of leading bits that two addresses share; 0 if they share fewer than 16 bits (IPv6: 48).
fn shared_network(a: IpAddr, b: IpAddr) -> u32 {
    let (shared, least) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => ((a.to_bits() ^ b.to_bits()).leading_zeros(), 16),
        (IpAddr::V6(a), IpAddr::V6(b)) => ((a.to_bits() ^ b.to_bits()).leading_zeros(), 48),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => (0, 0),
    };
    if shared < least { 0 } else { shared }
}
