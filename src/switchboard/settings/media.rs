//! Media settings: formats, address families and SRTP.

use std::net::IpAddr;

use crate::acd::Family;
use crate::cdr::fact::Callee;
use crate::media::command::Prompt;
use crate::sip::flow::{Flow, Transport};
use crate::sip::sdes::SrtpPolicy;
use crate::sip::sdp::{self, AudioDescription, SdpError};
use crate::switchboard::settings::Network;

/// Which operators' phones are offered SRTP (RFC 4568). A trunk gets the media profile that it has offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpOffer {
    /// No phones.
    Never,
    /// Phones that use TLS for signalling.
    UnderTls,
    /// All phones. Answers without SRTP are rejected.
    Always,
}

/// The settings of media.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// The media addresses in SDP: one, or one of each family.
    pub addresses: Vec<IpAddr>,
    /// Networks from which media of phones is accepted, besides the hosts in their SDP and the sources of their SIP messages.
    pub phones: Vec<Network>,
    pub srtp: SrtpOffer,
    /// The audio for callers who wait or are on hold: `Prompt::HoldTone` or `Prompt::Music`.
    pub waiting: Prompt,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self { addresses: Vec::new(), phones: Vec::new(), srtp: SrtpOffer::Never, waiting: Prompt::HoldTone }
    }
}

impl MediaSettings {
    /// True if siaga has a media address of that family.
    fn has_media_towards(&self, peer: IpAddr) -> bool {
        self.addresses.iter().any(|ours| ours.is_ipv4() == peer.is_ipv4())
    }

    /// An address of the family that the media to a peer uses: the peer's own, if siaga has a media address of that family.
    pub(in crate::switchboard) fn media_family(&self, peer: IpAddr) -> IpAddr {
        let any = self.addresses.first().copied();
        if self.has_media_towards(peer) { peer } else { any.unwrap_or(peer) }
    }

    /// Reads an offer: selects a stream whose address family siaga supports.
    pub(in crate::switchboard) fn read_offer(&self, body: &[u8]) -> Result<AudioDescription, SdpError> {
        sdp::read_for(body, |address| self.has_media_towards(address))
    }

    /// An address of the family that the answer to an offer uses. If the offer has no address, the sender's family is used.
    pub(in crate::switchboard) fn media_towards(&self, offer: Option<&AudioDescription>, sender: IpAddr) -> IpAddr {
        let named = offer.map(|offer| offer.rtp.ip()).filter(|address| !address.is_unspecified());
        named.unwrap_or_else(|| self.media_family(sender))
    }

    /// The address family of the port pair for a peer at this address.
    pub(in crate::switchboard) fn family_towards(&self, peer: IpAddr) -> Family {
        family(self.media_family(peer))
    }

    /// Whether an outgoing leg offers SRTP.
    pub(in crate::switchboard) fn srtp_policy(&self, to: &Callee, flow: Flow) -> SrtpPolicy {
        match (to, self.srtp) {
            (Callee::Number(_), _) | (Callee::Operator(_), SrtpOffer::Never) => SrtpPolicy::AsOffered,
            (Callee::Operator(_), SrtpOffer::UnderTls) if flow.transport == Transport::Tls => SrtpPolicy::Wanted,
            (Callee::Operator(_), SrtpOffer::UnderTls) => SrtpPolicy::AsOffered,
            (Callee::Operator(_), SrtpOffer::Always) => SrtpPolicy::Required,
        }
    }
}

pub(in crate::switchboard) fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}
