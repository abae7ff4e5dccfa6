//! Addresses that work but are probably not meant: peers that are too wide or shared, and a SIP port among the media ports.

use std::net::IpAddr;

use crate::sip::flow::Transport;
use crate::switchboard::{Listener, Network, Trunk};

use super::source::Source;
use super::{Fault, Media};

/// A warning for each peer network that is very wide or belongs to two trunks.
pub(super) fn of_peers(source: &Source, trunks: &[Trunk]) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let all: Vec<(usize, usize, &Network)> = trunks
        .iter()
        .enumerate()
        .flat_map(|(i, trunk)| trunk.peers.iter().enumerate().map(move |(nth, peer)| (i, nth, peer)))
        .collect();
    for (at, (i, nth, peer)) in all.iter().enumerate() {
        let key = format!("trunk[{i}].peers[{nth}]");
        let ((address, prefix), shortest) = (peer.block(), shortest_prefix(peer));
        if prefix < shortest {
            let wrong =
                format!("{address}/{prefix}: all its hosts can call without a password, and the guard limits none");
            warnings.push(source.warning(&key, wrong, format!("the telco's addresses; /{shortest} or longer")));
        }
        let earlier = all.iter().take(at).find(|(other, _, same)| other != i && is_same(same, peer));
        if let Some((other, _, _)) = earlier {
            let wrong = format!("{address}/{prefix} is also in trunk[{other}].peers");
            warnings.push(source.warning(&key, wrong, "each network in one trunk"));
        }
    }
    warnings
}

/// The shortest prefix without a warning. A private block may be /8.
fn shortest_prefix(network: &Network) -> u8 {
    match network.block() {
        (IpAddr::V4(v4), _) if matches!(v4.octets(), [10 | 127, ..]) => 8,
        (IpAddr::V4(_), _) => 16,
        (IpAddr::V6(_), _) => 32,
    }
}

fn is_same(one: &Network, other: &Network) -> bool {
    one.block().1 == other.block().1 && one.contains(other.block().0)
}

/// A warning for each UDP address of SIP whose port media would use.
pub(super) fn of_ports(source: &Source, media: &Media, listeners: &[Listener]) -> Vec<Fault> {
    let (first, last) = media.ports;
    let shares = |listener: &&Listener| {
        let own = listener.local.ip();
        let meets = |address: &IpAddr| {
            address.is_ipv4() == own.is_ipv4() && (*address == own || address.is_unspecified() || own.is_unspecified())
        };
        listener.transport == Transport::Udp
            && (first..=last).contains(&listener.local.port())
            && media.listen.iter().any(meets)
    };
    let warn = |listener: &Listener| {
        let wrong = format!("{first} to {last} contain the port of SIP's udp:{}", listener.local);
        source.warning("media.ports", wrong, "ports that nothing else uses")
    };
    listeners.iter().filter(shares).map(warn).collect()
}
