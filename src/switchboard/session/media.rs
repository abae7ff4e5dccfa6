//! The media session of one leg: its port, and what offer and answer have agreed (RFC 3264).

use std::net::IpAddr;

use crate::media::command::{AnchorId, Codec, Remote};
use crate::media::source::Sources;
use crate::media::srtp;
use crate::sip::offer_answer::{self, Agreed};
use crate::sip::sdes::{self, Crypto, SrtpPolicy};
use crate::sip::sdp::{self, AudioCodec, AudioDescription, Direction, Formats, Local, SdpError, StreamPositions};
use crate::switchboard::ids::LegRef;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::step::Step;

/// The media session of one leg.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct MediaSession {
    anchor: AnchorId,
    local: Local,
    /// The position of siaga's media stream in the peer's last offer.
    places: StreamPositions,
    agreed: Option<Agreed>,
    /// True if RTP of the peer has arrived.
    heard: bool,
    /// True if the peer's RTP has stopped since the remote address was last set.
    silent: bool,
    /// True while an offer of siaga has no answer.
    offered: bool,
}

impl MediaSession {
    /// Lends a port of the address family of `towards`, and opens it.
    pub(in crate::switchboard) fn lend(
        media: &mut MediaPorts,
        step: &mut Step,
        leg: LegRef,
        towards: IpAddr,
    ) -> Option<Self> {
        let (anchor, bound) = media.lend(step, leg, towards)?;
        let local = media.local_at(step, bound);
        let places = StreamPositions::default();
        Some(Self { anchor, local, places, agreed: None, heard: false, silent: false, offered: false })
    }

    /// Lends a port for the answer to an offer.
    pub(in crate::switchboard) fn lend_for(
        media: &mut MediaPorts,
        step: &mut Step,
        leg: LegRef,
        offer: Option<&AudioDescription>,
        sender: IpAddr,
    ) -> Option<Self> {
        let towards = media.settings.media.media_towards(offer, sender);
        Self::lend(media, step, leg, towards)
    }

    /// Sets the codecs and the DTMF format that siaga accepts.
    pub(in crate::switchboard) fn set_formats(&mut self, formats: Formats) {
        self.local.formats = formats;
    }

    /// Sets whether siaga offers or requires SRTP.
    pub(in crate::switchboard) fn set_srtp_policy(&mut self, srtp_policy: SrtpPolicy) {
        self.local.terms.srtp_policy = srtp_policy;
    }

    /// Stores the first description of the session. `offered`: it is an offer of siaga.
    pub(in crate::switchboard) fn describe(&mut self, places: StreamPositions, agreed: Option<Agreed>, offered: bool) {
        (self.places, self.offered) = (places, offered);
        agreed.into_iter().for_each(|agreed| self.agree(agreed));
    }

    /// Stores the negotiated session. Once a leg has used SRTP, siaga's later offers require the same.
    pub(in crate::switchboard) fn agree(&mut self, agreed: Agreed) {
        if let Some(crypto) = agreed.crypto {
            let terms = &mut self.local.terms;
            terms.suite = crypto.theirs.suite;
            terms.srtp_policy = match terms.srtp_policy {
                SrtpPolicy::AsOffered | SrtpPolicy::Wanted => SrtpPolicy::Wanted,
                SrtpPolicy::Required => SrtpPolicy::Required,
            };
        }
        self.agreed = Some(agreed);
    }

    /// Answers the offer with which the peer begins the session. Returns the SDP.
    pub(in crate::switchboard) fn answer_first(&mut self, offer: &AudioDescription) -> Result<Vec<u8>, SdpError> {
        let (body, agreed) = offer_answer::answer(offer, self.local, None)?;
        self.places = StreamPositions::of(offer);
        self.agree(agreed);
        Ok(body)
    }

    /// Answers a new offer of the peer with the leg's own port (RFC 3264 §8). Returns the SDP and the result, which
    /// does not apply yet. `fresh` is used if the peer has a new SRTP key.
    pub(super) fn answer(&mut self, offer: &[u8], fresh: sdes::MasterKey) -> Result<(Vec<u8>, Agreed), SdpError> {
        let family = self.local.address;
        let offer = sdp::read_for(offer, |address| address.is_ipv4() == family.is_ipv4())?;
        let local = self.renewed(&offer, fresh);
        let (body, agreed) = offer_answer::answer(&offer, local, None)?;
        (self.local, self.places) = (local, StreamPositions::of(&offer));
        Ok((body, agreed))
    }

    /// siaga's side for the answer to a new offer. If the peer has a new SRTP key, siaga uses a new key too, so that
    /// the packet counters of both ends restart. With an unchanged key, both continue.
    fn renewed(&self, offer: &AudioDescription, fresh: sdes::MasterKey) -> Local {
        let mut local = Local { version: self.local.version + 1, ..self.local };
        let known = self.agreed.and_then(|agreed| agreed.crypto);
        if let (Some(known), Some(line)) = (known, offer.crypto.first())
            && (known.theirs.key, known.theirs.suite) != (line.key, line.suite)
        {
            local.terms.key = fresh;
        }
        local
    }

    /// Writes an offer with a new version, because the peer's re-INVITE has none. It waits for its answer.
    pub(super) fn offer_in_answer(&mut self) -> Vec<u8> {
        self.offered = true;
        self.local.version += 1;
        let codec = self.agreed.map_or(AudioCodec::Pcma, |agreed| agreed.codec);
        sdp::write_offer(self.local, codec, Direction::SendRecv, &self.places)
    }

    /// Writes an offer with a new version that describes the session as it is.
    pub(super) fn offer_unchanged(&mut self) -> Vec<u8> {
        self.local.version += 1;
        let agreed = self.agreed.map(|agreed| (agreed.codec, agreed.direction));
        let (codec, direction) = agreed.unwrap_or((AudioCodec::Pcma, Direction::SendRecv));
        sdp::write_offer(self.local, codec, direction, &self.places)
    }

    /// Writes the first offer, with this codec first.
    pub(in crate::switchboard) fn first_offer(&self, first: AudioCodec) -> Vec<u8> {
        sdp::write_offer(self.local, first, Direction::SendRecv, &self.places)
    }

    /// Removes the mark that an offer of siaga has no answer. Returns true if it was set.
    pub(super) fn take_offered(&mut self) -> bool {
        std::mem::take(&mut self.offered)
    }

    /// Records that RTP of the peer arrives.
    pub(super) fn set_heard(&mut self) {
        (self.heard, self.silent) = (true, false);
    }

    /// Records whether the peer's RTP has stopped.
    pub(super) fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    pub(in crate::switchboard) fn anchor(&self) -> AnchorId {
        self.anchor
    }

    /// siaga's side of the session.
    pub(in crate::switchboard) fn local(&self) -> Local {
        self.local
    }

    /// The codec that was agreed.
    pub(in crate::switchboard) fn codec(&self) -> Option<AudioCodec> {
        self.agreed.map(|agreed| agreed.codec)
    }

    /// True if offer and answer have led to an agreement.
    pub(super) fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// True if the peer accepts telephone events.
    pub(super) fn takes_events(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.dtmf.is_some())
    }

    /// True if siaga accepts telephone events in this session.
    pub(super) fn offers_events(&self) -> bool {
        self.local.formats.dtmf().is_some()
    }

    /// True while an offer of siaga has no answer.
    pub(super) fn is_offered(&self) -> bool {
        self.offered
    }

    /// True if RTP of the peer has arrived.
    pub(in crate::switchboard) fn was_heard(&self) -> bool {
        self.heard
    }

    /// True while RTP of the peer arrives.
    pub(in crate::switchboard) fn is_heard(&self) -> bool {
        self.heard && !self.silent
    }

    /// True if the peer's RTP has stopped since the remote address was last set.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// False while the peer need not send: it only receives, or has put siaga on hold. Its silence is then expected.
    pub(super) fn peer_sends(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.direction == Direction::SendRecv)
    }

    /// True while the peer has put siaga on hold (`sendonly`, `inactive` or the address 0.0.0.0).
    pub(in crate::switchboard) fn peer_holds(&self) -> bool {
        self.agreed.is_some_and(|agreed| matches!(agreed.direction, Direction::RecvOnly | Direction::Inactive))
    }

    /// True if the session must use SRTP and does not.
    pub(in crate::switchboard) fn breaks_srtp_policy(&self) -> bool {
        self.local.terms.srtp_policy == SrtpPolicy::Required
            && self.agreed.is_some_and(|agreed| agreed.crypto.is_none())
    }

    /// The peer's side of the session as media uses it.
    pub(super) fn remote(&self) -> Option<Remote> {
        self.agreed.map(|agreed| Remote {
            rtp: agreed.rtp,
            rtcp: agreed.rtcp,
            sources: Sources::default(),
            codec: media_codec(agreed.codec),
            payload_type: agreed.payload_type,
            dtmf: agreed.dtmf,
            dtmf_heard: agreed.dtmf_heard,
            send: matches!(agreed.direction, Direction::SendRecv | Direction::SendOnly),
            srtp: agreed.crypto.map(srtp_keys),
        })
    }
}

fn media_codec(codec: AudioCodec) -> Codec {
    match codec {
        AudioCodec::Pcma => Codec::Pcma,
        AudioCodec::Pcmu => Codec::Pcmu,
    }
}

/// The SRTP keys in the types of media.
fn srtp_keys(crypto: Crypto) -> srtp::Keys {
    let master = |key: sdes::MasterKey| srtp::MasterKey { key: key.key(), salt: key.salt() };
    srtp::Keys {
        suite: match crypto.theirs.suite {
            sdes::Suite::Sha1_80 => srtp::Suite::Sha1_80,
            sdes::Suite::Sha1_32 => srtp::Suite::Sha1_32,
        },
        ours: master(crypto.ours),
        theirs: master(crypto.theirs.key),
        mki_bytes: crypto.theirs.mki_bytes,
    }
}
