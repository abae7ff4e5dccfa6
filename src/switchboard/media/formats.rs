//! Media settings: formats, address families and SRTP.

use std::net::IpAddr;

use crate::cdr::fact::Callee;
use crate::sip::flow::{Flow, Transport};
use crate::sip::sdes::Secrecy;
use crate::sip::sdp;
use crate::sip::sdp::{AudioDescription, Formats, SdpError};
use crate::switchboard::settings::{Settings, SrtpOffer};

impl Settings {
    /// True if siaga has a media address of that family.
    fn has_media_towards(&self, peer: IpAddr) -> bool {
        self.media_addresses.iter().any(|ours| ours.is_ipv4() == peer.is_ipv4())
    }

    /// An address of the family that the media to a peer uses: the peer's own, if siaga has a media address of that family.
    pub(in crate::switchboard) fn media_family(&self, peer: IpAddr) -> IpAddr {
        let any = self.media_addresses.first().copied();
        if self.has_media_towards(peer) { peer } else { any.unwrap_or(peer) }
    }

    /// Reads an offer: selects a stream whose address family siaga supports.
    pub(in crate::switchboard) fn read_offer(&self, body: &[u8]) -> Result<AudioDescription, SdpError> {
        sdp::read_for(body, |address| self.has_media_towards(address))
    }
}

impl Settings {
    /// An address of the family that the answer to an offer uses. If the offer has no address, the sender's family is used.
    pub(in crate::switchboard) fn media_towards(&self, offer: Option<&AudioDescription>, sender: IpAddr) -> IpAddr {
        let named = offer.map(|offer| offer.rtp.ip()).filter(|address| !address.is_unspecified());
        named.unwrap_or_else(|| self.media_family(sender))
    }
}

impl Settings {
    /// The codec and DTMF settings of a trunk; the defaults for phones.
    pub(in crate::switchboard) fn formats_of(&self, trunk: Option<usize>) -> Formats {
        let trunk = trunk.and_then(|trunk| self.trunks.get(trunk));
        trunk.map_or(Formats::ANY, |trunk| trunk.terms.formats)
    }

    /// Whether an outgoing leg offers SRTP.
    pub(in crate::switchboard) fn secrecy(&self, to: &Callee, flow: Flow) -> Secrecy {
        match (to, self.srtp) {
            (Callee::Number(_), _) | (Callee::Operator(_), SrtpOffer::Never) => Secrecy::AsOffered,
            (Callee::Operator(_), SrtpOffer::UnderTls) if flow.transport == Transport::Tls => Secrecy::Wanted,
            (Callee::Operator(_), SrtpOffer::UnderTls) => Secrecy::AsOffered,
            (Callee::Operator(_), SrtpOffer::Always) => Secrecy::Required,
        }
    }
}
