//! Media of the settings: formats, families, secrecy.

use std::net::IpAddr;

use crate::cdr::fact::Callee;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::Stencil;
use crate::sip::sdes::Secrecy;
use crate::sip::sdp;
use crate::sip::sdp::{AudioDescription, Formats, SdpError};
use crate::sip::session_timer::SECONDS_MIN;
use crate::sip::wire::{Message, Name};
use crate::switchboard::admission::door::{ALLOW, SUPPORTED};
use crate::switchboard::calls::refresh::Agreement;
use crate::switchboard::ids::Who;
use crate::switchboard::settings::SrtpOffer;
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Settings, Step, Wire};

impl Settings {
    /// True if there is a media address of that family.
    fn has_media_towards(&self, peer: IpAddr) -> bool {
        self.media_addresses.iter().any(|ours| ours.is_ipv4() == peer.is_ipv4())
    }

    /// The address whose family the media of a peer has: the peer's own, if there is a media address of that family.
    pub(in crate::switchboard) fn media_family(&self, peer: IpAddr) -> IpAddr {
        let any = self.media_addresses.first().copied();
        if self.has_media_towards(peer) { peer } else { any.unwrap_or(peer) }
    }

    /// Reads an offer: a stream of an address family of which there is a media address.
    pub(in crate::switchboard) fn read_offer(&self, body: &[u8]) -> Result<AudioDescription, SdpError> {
        sdp::read_for(body, |address| self.has_media_towards(address))
    }
}

impl Settings {
    /// The address whose family the answer to an offer has. Without an address in it that is the family of its sender.
    pub(in crate::switchboard) fn media_towards(&self, offer: Option<&AudioDescription>, sender: IpAddr) -> IpAddr {
        let named = offer.map(|offer| offer.rtp.ip()).filter(|address| !address.is_unspecified());
        named.unwrap_or_else(|| self.media_family(sender))
    }
}

impl Settings {
    /// What a trunk wants of its legs' sound; phones have no wishes of ours.
    pub(in crate::switchboard) fn formats_of(&self, trunk: Option<usize>) -> Formats {
        let trunk = trunk.and_then(|trunk| self.trunks.get(trunk));
        trunk.map_or(Formats::ANY, |trunk| trunk.terms.formats)
    }

    /// What a leg of ours wants of SRTP.
    pub(in crate::switchboard) fn secrecy(&self, to: &Callee, flow: Flow) -> Secrecy {
        match (to, self.srtp) {
            (Callee::Number(_), _) | (Callee::Operator(_), SrtpOffer::Never) => Secrecy::AsOffered,
            (Callee::Operator(_), SrtpOffer::UnderTls) if flow.transport == Transport::Tls => Secrecy::Wanted,
            (Callee::Operator(_), SrtpOffer::UnderTls) => Secrecy::AsOffered,
            (Callee::Operator(_), SrtpOffer::Always) => Secrecy::Required,
        }
    }
}

impl Settings {
    /// The timer of a caller's INVITE; it begins with the 200.
    pub(in crate::switchboard) fn session_of_invite(&self, invite: &Message<'_>) -> Agreement {
        Agreement(crate::sip::session_timer::Terms::as_uas(invite, self.session_seconds, true).unwrap_or(None))
    }
}

impl Settings {
    pub(in crate::switchboard) fn describe_response(
        &self,
        taken: &Taken<'_, '_>,
        body: Option<&[u8]>,
        headers: &[(Name, &[u8])],
    ) -> bytes::Bytes {
        let contact = self.contact(taken.flow);
        let mut response = Stencil::of(taken.message, taken.flow)
            .response(200, None)
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        match body {
            Some(body) => response.body("application/sdp", body).encode(),
            None => response.encode(),
        }
    }
}

impl Wire {
    /// The timer that a request of the peer leads to. None when it was refused with 422, which an emergency caller never is.
    pub(in crate::switchboard) fn agree_session(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
    ) -> Option<Agreement> {
        let (ours, lenient) = match who {
            Who::Caller(_) => (self.settings.session_seconds, true),
            Who::Offer(..) => (self.settings.session_seconds, false),
            // A service call is over before any timer.
            Who::Phone(_) => return Some(Agreement::NONE),
        };
        match crate::sip::session_timer::Terms::as_uas(taken.message, ours, lenient) {
            Ok(terms) => Some(Agreement(terms)),
            Err(_too_small) => {
                let least = SECONDS_MIN.to_string();
                self.reply(step, taken, 422, &[(Name::MinSe, least.as_bytes())]);
                None
            }
        }
    }
}
