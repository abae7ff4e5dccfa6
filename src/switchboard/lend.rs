//! Ports lent to legs, and the address family that each leg's media has.

use std::net::{IpAddr, SocketAddr};

use crate::media::command::{AnchorId, Command};
use crate::sip::sdes::{MasterKey, Terms};
use crate::sip::sdp::{self, AudioDescription, Formats, Local, Places, SdpError};

use super::leg::{Sound, Who};
use crate::switchboard::{MediaPorts, Settings, Step};

impl MediaPorts {
    /// Lends a port of the address family of `towards`, and opens it.
    pub(super) fn lend_sound(&mut self, step: &mut Step, who: Who, towards: IpAddr) -> Option<Sound> {
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

    /// Our side of a session whose port is bound there.
    pub(super) fn local_at(&mut self, step: &mut Step, bound: SocketAddr) -> Local {
        let session = step.rng.next_u64() >> 2;
        let terms = Terms::new(step.master_key());
        let mut advertised = self.settings.media_addresses.iter().copied();
        let address = advertised.find(|ip| ip.is_ipv4() == bound.is_ipv4()).unwrap_or(bound.ip());
        Local { address, port: bound.port(), session, version: 1, terms, formats: Formats::ANY }
    }
}

impl Settings {
    /// True if there is a media address of that family.
    fn has_media_towards(&self, peer: IpAddr) -> bool {
        self.media_addresses.iter().any(|ours| ours.is_ipv4() == peer.is_ipv4())
    }

    /// The address whose family the media of a peer has: the peer's own, if there is a media address of that family.
    pub(super) fn media_family(&self, peer: IpAddr) -> IpAddr {
        let any = self.media_addresses.first().copied();
        if self.has_media_towards(peer) { peer } else { any.unwrap_or(peer) }
    }

    /// Reads an offer: a stream of an address family of which there is a media address.
    pub(super) fn read_offer(&self, body: &[u8]) -> Result<AudioDescription, SdpError> {
        sdp::read_for(body, |address| self.has_media_towards(address))
    }
}

impl MediaPorts {
    /// Lends a port for the answer to an offer.
    pub(super) fn lend_for(
        &mut self,
        step: &mut Step,
        who: Who,
        offer: Option<&AudioDescription>,
        sender: IpAddr,
    ) -> Option<Sound> {
        self.lend_sound(step, who, self.settings.media_towards(offer, sender))
    }
}

impl Settings {
    /// The address whose family the answer to an offer has. Without an address in it that is the family of its sender.
    pub(super) fn media_towards(&self, offer: Option<&AudioDescription>, sender: IpAddr) -> IpAddr {
        let named = offer.map(|offer| offer.rtp.ip()).filter(|address| !address.is_unspecified());
        named.unwrap_or_else(|| self.media_family(sender))
    }
}

impl Step {
    /// A key of ours for SRTP.
    pub(super) fn master_key(&mut self) -> MasterKey {
        let mut key = MasterKey([0; 30]);
        self.rng.fill(&mut key.0);
        key
    }
}

impl MediaPorts {
    /// Gives a port back that no leg has taken over.
    pub(super) fn return_anchor(&mut self, step: &mut Step, anchor: AnchorId) {
        self.anchors.remove(&anchor);
        self.ports.give_back(anchor);
        step.out.media.push(Command::Close { anchor });
    }
}
