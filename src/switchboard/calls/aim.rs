//! Sends media the address of each leg's peer, and the sources from which the peer's packets are accepted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::media::command::Command;
use crate::media::source::Sources;
use crate::sip::sdp::{AudioDescription, Places};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::Sound;
use crate::switchboard::ids::Who;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Calls {
    /// Sends media the address of a leg's peer, if offer and answer have led to an agreement.
    pub(in crate::switchboard) fn aim(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
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

    /// Stores the host that sent a request in the leg's dialog. Media from this host is accepted too.
    pub(in crate::switchboard) fn seen_at(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, host: IpAddr) {
        let Some(line) = self.line_mut(who) else { return };
        let known = line.host.unwrap_or(line.flow.remote.ip());
        line.host = Some(host);
        if known != host {
            self.aim(net, step, who);
        }
    }
}

impl MediaPorts {
    /// Lends a port of the address family of `towards`, and opens it.
    pub(in crate::switchboard) fn lend_sound(&mut self, step: &mut Step, who: Who, towards: IpAddr) -> Option<Sound> {
        let (anchor, bound) = self.ports.lend(towards)?;
        self.anchors.insert(anchor, who);
        step.out.media.push(Command::Open { anchor });
        Some(Sound {
            anchor,
            local: self.local_at(step, bound),
            places: Places::default(),
            agreed: None,
            heard: false,
            silent: false,
            offered: false,
        })
    }
}

impl MediaPorts {
    /// Lends a port for the answer to an offer.
    pub(in crate::switchboard) fn lend_for(
        &mut self,
        step: &mut Step,
        who: Who,
        offer: Option<&AudioDescription>,
        sender: IpAddr,
    ) -> Option<Sound> {
        self.lend_sound(step, who, self.settings.media_towards(offer, sender))
    }
}
