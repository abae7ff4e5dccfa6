//! The sources from which a peer's media is accepted, besides the address in its description.

use std::net::IpAddr;
use std::sync::Arc;

/// A block of addresses, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Both ends belong to the block and are of one family.
    pub const fn new(first: IpAddr, last: IpAddr) -> Self {
        Self { first, last }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// The hosts from which a peer's media is accepted although its description does not name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The sender of the last SIP message in the peer's dialog.
    pub host: Option<IpAddr>,
    /// The media gateways of the peer's trunk.
    pub networks: Arc<[AddressRange]>,
}

impl Sources {
    /// True if media from this host is accepted. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn allow(&self, host: IpAddr) -> bool {
        let host = host.to_canonical();
        self.host.is_some_and(|known| known.to_canonical() == host)
            || self.networks.iter().any(|network| network.contains(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn media_comes_from_the_dialogs_host_or_a_network_of_the_trunk() {
        let networks = [AddressRange::new(ip("192.0.2.64"), ip("192.0.2.127")), AddressRange::new(ip("::"), ip("::2"))];
        let sources = Sources { host: Some(ip("203.0.113.9")), networks: networks.into() };
        for (host, allowed) in [
            ("203.0.113.9", true),
            ("::ffff:203.0.113.9", true),
            ("203.0.113.8", false),
            ("192.0.2.64", true),
            ("::ffff:192.0.2.127", true),
            ("192.0.2.63", false),
            ("192.0.2.128", false),
            ("::2", true),
            ("::3", false),
        ] {
            assert_eq!(sources.allow(ip(host)), allowed, "{host}");
        }
        assert!(!Sources::default().allow(ip("192.0.2.64")));
    }
}
