//! SRTP and SRTCP (RFC 3711) with AES in counter mode and HMAC-SHA1. A peer's packets are authenticated and decrypted in place, and ours
//! are encrypted and authenticated in place. Allocates memory only when keys change; takes no lock.

mod cipher;
mod window;

use crate::limits::SRTP_SOURCES_MAX;

pub use cipher::MasterKey;
use cipher::{Labels, SessionKeys, TAG_BYTES_MAX};
use window::Window;

#[cfg(test)]
mod tests;

/// Maximum bytes that protection adds to an RTP packet, and to an RTCP packet.
pub const RTP_OVERHEAD_MAX: usize = TAG_BYTES_MAX;
pub const RTCP_OVERHEAD_MAX: usize = INDEX_BYTES + TAG_BYTES_MAX;

/// Bytes of a header without contributing sources and extension.
const HEADER_BYTES: usize = 12;
/// Bytes of an RTCP packet that are not encrypted: header and SSRC (RFC 3711 §3.4).
const RTCP_CLEAR_BYTES: usize = 8;
/// Bytes of the E flag and the index after the RTCP packet.
const INDEX_BYTES: usize = 4;
/// The E flag: this RTCP packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The crypto suites of RFC 4568 §6.2, which differ in the tag's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80.
    Sha1_80,
    /// AES_CM_128_HMAC_SHA1_32; its RTCP has the long tag.
    Sha1_32,
}

impl Suite {
    const fn tag_bytes(self) -> usize {
        match self {
            Self::Sha1_80 => TAG_BYTES_MAX,
            Self::Sha1_32 => 4,
        }
    }
}

/// The negotiated parameters of two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    pub suite: Suite,
    /// The key for packets that siaga sends.
    pub ours: MasterKey,
    /// The key for packets that the peer sends.
    pub theirs: MasterKey,
    /// Length of the master key identifier in the peer's packets (RFC 3711 §3.1). There is only one key, so the identifier is skipped.
    pub mki_bytes: u8,
}

/// Why a packet of the peer is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not authenticated with the peer's key, or changed in transit.
    Forged,
    /// Received before, or too old to be checked.
    Replayed,
    /// Not a valid packet.
    Malformed,
}

/// Both directions of one peer.
#[derive(Debug)]
pub struct Session {
    keys: Keys,
    inbound: Inbound,
    outbound: Outbound,
}

impl Session {
    /// Starts with rollover counters of zero (RFC 3711 §3.3.1).
    pub fn new(keys: Keys) -> Self {
        Self { keys, inbound: Inbound::new(&keys), outbound: Outbound::new(&keys) }
    }

    /// Applies newly negotiated keys. A direction whose key is unchanged keeps its counters; one with a new key starts at zero.
    pub fn rekey(&mut self, keys: Keys) {
        let same_suite = self.keys.suite == keys.suite;
        if !same_suite || self.keys.theirs != keys.theirs {
            self.inbound = Inbound::new(&keys);
        }
        if !same_suite || self.keys.ours != keys.ours {
            self.outbound = Outbound::new(&keys);
        }
        self.inbound.mki_bytes = usize::from(keys.mki_bytes);
        self.keys = keys;
    }

    /// Authenticates and decrypts an RTP packet of the peer; returns its remaining length.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.inbound.open(packet)
    }

    /// Authenticates and decrypts an RTCP packet of the peer; returns its remaining length.
    pub fn open_report(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.inbound.open_report(packet)
    }

    /// Encrypts and authenticates the RTP packet in the first `length` bytes of `room`; returns the new length. None if there is no room,
    /// or if the index was used before, because the same key stream must not be used twice.
    pub fn seal(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        self.outbound.seal(room, length)
    }

    /// Encrypts and authenticates the RTCP packet in the first `length` bytes of `room`; returns the new length.
    pub fn seal_report(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        self.outbound.seal_report(room, length)
    }
}

/// Packets from the peer.
#[derive(Debug)]
struct Inbound {
    tag_bytes: usize,
    mki_bytes: usize,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    sources: Sources,
    report_sources: Sources,
}

impl Inbound {
    fn new(keys: &Keys) -> Self {
        Self {
            tag_bytes: keys.suite.tag_bytes(),
            mki_bytes: usize::from(keys.mki_bytes),
            rtp: SessionKeys::derive(&keys.theirs, Labels::RTP),
            rtcp: SessionKeys::derive(&keys.theirs, Labels::RTCP),
            sources: Sources::default(),
            report_sources: Sources::default(),
        }
    }

    fn open(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let signed = packet.len().checked_sub(self.tag_bytes + self.mki_bytes).ok_or(Refusal::Malformed)?;
        let (body, trailer) = packet.split_at_mut_checked(signed).ok_or(Refusal::Malformed)?;
        let head = Head::read(body).ok_or(Refusal::Malformed)?;
        let mut window = self.sources.window(head.ssrc);
        let index = window.guess(head.sequence).filter(|index| window.is_new(*index)).ok_or(Refusal::Replayed)?;
        let tag = trailer.get(self.mki_bytes..).unwrap_or_default();
        if !self.rtp.is_signed(body, rollover(index), tag) {
            return Err(Refusal::Forged);
        }
        window.take(index);
        self.sources.keep(head.ssrc, window);
        self.rtp.apply(head.ssrc, index, body.get_mut(head.bytes..).unwrap_or_default());
        Ok(signed)
    }

    fn open_report(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let signed = packet.len().checked_sub(TAG_BYTES_MAX + self.mki_bytes).ok_or(Refusal::Malformed)?;
        let (body, trailer) = packet.split_at_mut_checked(signed).ok_or(Refusal::Malformed)?;
        let length = signed.checked_sub(INDEX_BYTES).filter(|length| *length >= RTCP_CLEAR_BYTES);
        let length = length.ok_or(Refusal::Malformed)?;
        let (flagged, ssrc) = (word(body, length), word(body, 4));
        let (Some(flagged), Some(ssrc)) = (flagged, ssrc) else { return Err(Refusal::Malformed) };
        let mut window = self.report_sources.window(ssrc);
        let index = u64::from(flagged & !ENCRYPTED);
        if !window.is_new(index) {
            return Err(Refusal::Replayed);
        }
        let tag = trailer.get(self.mki_bytes..).unwrap_or_default();
        if !self.rtcp.is_signed(body, [], tag) {
            return Err(Refusal::Forged);
        }
        window.take(index);
        self.report_sources.keep(ssrc, window);
        if flagged & ENCRYPTED != 0 {
            self.rtcp.apply(ssrc, index, body.get_mut(RTCP_CLEAR_BYTES..length).unwrap_or_default());
        }
        Ok(length)
    }
}

/// Packets to the peer: one stream.
#[derive(Debug)]
struct Outbound {
    tag_bytes: usize,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    sent: Window,
    /// Index of the next report.
    next_report: u32,
}

impl Outbound {
    fn new(keys: &Keys) -> Self {
        Self {
            tag_bytes: keys.suite.tag_bytes(),
            rtp: SessionKeys::derive(&keys.ours, Labels::RTP),
            rtcp: SessionKeys::derive(&keys.ours, Labels::RTCP),
            sent: Window::default(),
            next_report: 0,
        }
    }

    fn seal(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        let (body, after) = room.split_at_mut_checked(length)?;
        let tag = after.get_mut(..self.tag_bytes)?;
        let head = Head::read(body)?;
        let index = self.sent.guess(head.sequence).filter(|index| self.sent.is_new(*index))?;
        self.sent.take(index);
        self.rtp.apply(head.ssrc, index, body.get_mut(head.bytes..)?);
        self.rtp.sign(body, rollover(index), tag);
        Some(length + self.tag_bytes)
    }

    fn seal_report(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        let end = length + RTCP_OVERHEAD_MAX;
        let (body, tag) = room.get_mut(..end)?.split_at_mut_checked(length + INDEX_BYTES)?;
        let ssrc = word(body, 4).filter(|_| length >= RTCP_CLEAR_BYTES)?;
        // 2^31 reports take centuries; after them the key must not be used any more (RFC 3711 §9.2).
        let index = Some(self.next_report).filter(|index| index & ENCRYPTED == 0)?;
        self.next_report += 1;
        self.rtcp.apply(ssrc, u64::from(index), body.get_mut(RTCP_CLEAR_BYTES..length)?);
        body.get_mut(length..)?.copy_from_slice(&(ENCRYPTED | index).to_be_bytes());
        self.rtcp.sign(body, [], tag);
        Some(end)
    }
}

/// The SSRCs of one peer, the most recent one first.
#[derive(Debug, Default)]
struct Sources([Option<(u32, Window)>; SRTP_SOURCES_MAX]);

impl Sources {
    fn window(&self, ssrc: u32) -> Window {
        self.0.iter().flatten().find(|(known, _)| *known == ssrc).map(|(_, window)| *window).unwrap_or_default()
    }

    /// Adds an SSRC. If the list is full, the least recent one is removed.
    fn keep(&mut self, ssrc: u32, window: Window) {
        let at = self.0.iter().position(|entry| entry.is_none_or(|(known, _)| known == ssrc));
        let at = at.unwrap_or(SRTP_SOURCES_MAX - 1);
        if let Some(upto) = self.0.get_mut(..=at) {
            upto.rotate_right(1);
        }
        if let Some(first) = self.0.first_mut() {
            *first = Some((ssrc, window));
        }
    }
}

/// The fields of an RTP header that can be read before decryption; the padding count cannot.
struct Head {
    sequence: u16,
    ssrc: u32,
    /// Length of the header with contributing sources and extension, which are not encrypted.
    bytes: usize,
}

impl Head {
    fn read(packet: &[u8]) -> Option<Self> {
        let [first, ..] = *packet.first_chunk::<HEADER_BYTES>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut bytes = HEADER_BYTES + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = word(packet, bytes)? & 0xffff;
            bytes += 4 + 4 * usize::try_from(words).ok()?;
        }
        let sequence = u16::try_from(word(packet, 0)? & 0xffff).ok()?;
        (bytes <= packet.len()).then_some(Self { sequence, ssrc: word(packet, 8)?, bytes })
    }
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// The rollover counter of a packet's index, which the tag covers.
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}
