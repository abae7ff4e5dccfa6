//! Media settings: formats, address families and SRTP.

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
use crate::switchboard::settings::{Settings, SrtpOffer};
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::taken::Taken;

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

impl Settings {
    /// The session timer of a caller's INVITE. It starts with the 200.
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
    /// The session timer for a request of the peer. Returns None if the request was rejected with 422; an emergency caller's request never
    /// is.
    pub(in crate::switchboard) fn agree_session(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
    ) -> Option<Agreement> {
        let (ours, lenient) = match who {
            Who::Caller(_) => (self.settings.session_seconds, true),
            Who::Offer(..) => (self.settings.session_seconds, false),
            // A service call ends before any session timer.
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
