//! Offer and answer (RFC 3264): negotiates one audio stream from two descriptions.

use std::net::SocketAddr;

use super::sdes::{Crypto, CryptoLine, SrtpPolicy, Terms};
use super::sdp::{self, AudioCodec, AudioDescription, Direction, Local, SdpError, Stream, StreamPositions};

#[cfg(test)]
mod tests;

/// The parameters of a leg's stream after offer and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Agreed {
    /// The destinations of RTP and RTCP.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    pub codec: AudioCodec,
    /// Payload type of the codec in packets that we send.
    pub payload_type: u8,
    /// Payload type of telephone events in packets that we send, if negotiated.
    pub dtmf: Option<u8>,
    /// Payload type of telephone events in packets of the peer: the number in our description (RFC 3264 §5.1, §6.1).
    pub dtmf_heard: Option<u8>,
    /// The direction from our side.
    pub direction: Direction,
    /// Keys of SRTP; None: plain RTP.
    pub crypto: Option<Crypto>,
}

/// Answers an offer: its first G.711 codec (or `prefer`, else the leg's preferred codec, if it is offered), its payload types,
/// telephone-event if offered and not disabled, direction mirrored (RFC 3264 §6.1), all other m-lines rejected with port 0 in their
/// positions. RTP/SAVP gets its first usable suite with our key (RFC 4568 §5.1.2).
pub fn answer(
    offer: &AudioDescription,
    local: Local,
    prefer: Option<AudioCodec>,
) -> Result<(Vec<u8>, Agreed), SdpError> {
    let mut wanted = prefer.into_iter().chain(local.formats.wanted());
    let preferred = wanted.find_map(|wanted| offer.codecs.iter().find(|(codec, _)| *codec == wanted));
    let chosen = *preferred.or(offer.codecs.first()).ok_or(SdpError::NoCodec)?;
    same_family(offer, local)?;
    let theirs = answered_line(offer, local.terms)?;
    let crypto = theirs.map(|line| CryptoLine { key: local.terms.key, mki_bytes: 0, ..line });
    // An answer repeats the number of the offer (RFC 3264 §6.1).
    let dtmf = offer.dtmf.filter(|_| local.formats.dtmf().is_some());
    let agreed = Agreed { dtmf, dtmf_heard: dtmf, ..agree(offer, chosen, local.terms, theirs) };
    let mut text = sdp::session_part(local, &offer.time);
    let places = StreamPositions::of(offer);
    places.write_before(&mut text);
    if let Some(line) = offer.lines.get(offer.audio_index) {
        let Agreed { dtmf, direction, .. } = agreed;
        let stream = Stream { port: local.port, proto: &line.proto, codecs: &[chosen], dtmf, direction, crypto };
        sdp::write_audio(&mut text, &stream);
    }
    places.write_after(&mut text);
    Ok((text.into_bytes(), agreed))
}

/// Accepts the answer to an offer of `sdp::write_offer`: its first codec is used (RFC 3264 §7). An answer without the SRTP of the offer is
/// invalid (RFC 4568 §5.1.3).
pub fn accept(answer: &AudioDescription, local: Local) -> Result<Agreed, SdpError> {
    let chosen = *answer.codecs.first().ok_or(SdpError::NoCodec)?;
    same_family(answer, local)?;
    let theirs = match local.terms.srtp_policy {
        SrtpPolicy::AsOffered if answer.secure => return Err(SdpError::NoCrypto),
        SrtpPolicy::AsOffered => None,
        SrtpPolicy::Wanted | SrtpPolicy::Required => {
            let same = answer.crypto.iter().find(|line| line.suite == local.terms.suite);
            Some(*same.ok_or(SdpError::NoCrypto)?)
        }
    };
    // A peer that has another number is sent that number, and sends ours (RFC 3264 §6.1).
    let dtmf_heard = local.formats.dtmf();
    let dtmf = answer.dtmf.filter(|_| dtmf_heard.is_some());
    Ok(Agreed { dtmf, dtmf_heard: dtmf.and(dtmf_heard), ..agree(answer, chosen, local.terms, theirs) })
}

/// Checks that both addresses are of one family: media cannot be sent from an IPv4 to an IPv6 address, or the reverse (RFC 6157 §4).
fn same_family(peer: &AudioDescription, local: Local) -> Result<(), SdpError> {
    let address = peer.rtp.ip();
    let reachable = address.is_unspecified() || address.is_ipv4() == local.address.is_ipv4();
    if reachable { Ok(()) } else { Err(SdpError::OtherFamily) }
}

/// The crypto line of an offer that we answer. None: plain RTP.
fn answered_line(offer: &AudioDescription, terms: Terms) -> Result<Option<CryptoLine>, SdpError> {
    let first = offer.crypto.first().copied();
    match terms.srtp_policy {
        // Keys in a plain profile may come from another leg of a gateway: plain RTP is always intended.
        SrtpPolicy::AsOffered if !offer.secure => Ok(None),
        SrtpPolicy::Wanted if !offer.secure => Ok(first),
        SrtpPolicy::AsOffered | SrtpPolicy::Wanted | SrtpPolicy::Required => first.map(Some).ok_or(SdpError::NoCrypto),
    }
}

fn agree(
    peer: &AudioDescription,
    (codec, payload_type): (AudioCodec, u8),
    terms: Terms,
    theirs: Option<CryptoLine>,
) -> Agreed {
    Agreed {
        rtp: peer.rtp,
        rtcp: peer.rtcp,
        codec,
        payload_type,
        dtmf: None,
        dtmf_heard: None,
        direction: peer.direction.mirrored(),
        crypto: theirs.map(|theirs| Crypto { ours: terms.key, theirs }),
    }
}
