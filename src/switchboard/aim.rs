//! Sends media the address of each leg's peer, and the sources from which the peer's packets are accepted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::media::command::Command;
use crate::media::source::{AddressRange, Sources};

use super::leg::Who;
use super::settings::Network;
use crate::switchboard::{Calls, MediaPorts, NetworkParts, Step, Trunks};

impl Calls {
    /// Sends media the address of a leg's peer, if offer and answer have an agreement.
    pub(super) fn aim(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let networks = net.trunks.media_networks(who);
        let Some(line) = self.line_mut(who) else { return };
        let host = Some(line.host.unwrap_or(line.flow.remote.ip()));
        let Some((anchor, remote)) = line.sound.as_ref().map(|sound| (sound.anchor, sound.remote())) else { return };
        let Some(mut remote) = remote else { return };
        remote.sources = Sources { host, networks };
        for address in [&mut remote.rtp, &mut remote.rtcp] {
            if net.media.is_own_port(*address) {
                *address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            }
        }
        step.out.media.push(Command::Aim { anchor, remote });
    }

    /// A request of the dialog came from this host: media from there is accepted too.
    pub(super) fn seen_at(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, host: IpAddr) {
        let Some(line) = self.line_mut(who) else { return };
        let known = line.host.unwrap_or(line.flow.remote.ip());
        line.host = Some(host);
        if known != host {
            self.aim(net, step, who);
        }
    }
}

impl Trunks {
    /// The media gateways of a leg's trunk; for a phone the networks in `[media] phones`.
    fn media_networks(&self, who: Who) -> Arc<[AddressRange]> {
        let trunk = self.trunk_with(who).and_then(|trunk| self.settings.trunks.get(trunk));
        let networks = trunk.map_or(self.settings.phone_media.as_slice(), |trunk| match trunk.terms.media.is_empty() {
            true => &trunk.peers,
            false => &trunk.terms.media,
        });
        networks.iter().map(Network::range).collect()
    }
}

impl MediaPorts {
    /// True for an RTP or RTCP port of this service: media that is sent there would loop.
    fn is_own_port(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let listeners = self.settings.listeners.iter().map(|listener| listener.local.ip());
        let advertised = self.settings.media_addresses.iter().copied();
        // A wildcard listens on each address of the machine.
        let bound = self.ports.addresses().any(|bound| bound == ip || (bound.is_unspecified() && ip.is_loopback()));
        self.ports.number(address.port()) && (bound || listeners.chain(advertised).any(|ours| ours == ip))
    }
}
