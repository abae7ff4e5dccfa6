//! The media state of one leg: its peer, the stream to the peer, and statistics of the peer's stream.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::CallId;

use super::command::{AnchorId, Codec, Event, Quality, Remote};
use super::dtmf::Detector;
use super::g711;
use super::keys::{Keys, Press};
use super::latch::{Latch, Verdict};
use super::mixer;
use super::prompt::{Playing, Sounds};
use super::quality::Reception;
use super::recording::{RecordingId, Side};
use super::rtcp;
use super::rtp::{self, FRAME_BYTES, FRAME_SAMPLES, Header};
use super::silence::{Arrivals, Silence};
use super::srtp::{RTP_OVERHEAD_MAX, Refusal, Session};
use super::stream::{Numbers, Stream};
use super::voice::Awaited;

/// Maximum length of a packet of a prompt.
pub(super) const PLAYED_BYTES_MAX: usize = FRAME_BYTES + RTP_OVERHEAD_MAX;

/// The state of one open port pair.
#[derive(Debug)]
pub struct Anchor {
    id: AnchorId,
    peer: Option<Peer>,
    /// The SRTP session, if SRTP is negotiated with the peer.
    secure: Option<Box<Session>>,
    stream: Stream,
    reception: Reception,
    detector: Detector,
    quality: Quality,
    arrivals: Arrivals,
    silence: Silence,
    awaited: Option<Awaited>,
    pub(super) playing: Option<Playing>,
    keys: Keys,
    /// Slot of the anchor on the other side of the bridge.
    pub(super) partner: Option<u32>,
    /// The conference, and the party's index in it.
    pub(super) room: Option<(CallId, usize)>,
    pub(super) recording: Option<(RecordingId, Side)>,
}

#[derive(Clone, Debug)]
struct Peer {
    remote: Remote,
    latch: Latch,
    /// The last source of the peer's RTCP, and the time.
    rtcp_from: Option<(SocketAddr, Instant)>,
}

/// A sender of RTCP that has sent nothing for this long is replaced by another one: a little over two intervals of RFC 3550 §6.2.
const REPORTS_LAST: Duration = Duration::from_secs(15);

/// The content of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Sound(Codec),
    /// A telephone event.
    Event,
}

/// The result of checking an incoming packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The packet is the peer's. `digit` has just ended.
    Taken { header: Header, content: Content, digit: Option<char> },
    /// The packet is from another address, or not authenticated with the peer's key: dropped.
    Foreign,
    /// The packet is not what was negotiated: dropped. If it has a header, its sequence number is removed from the stream to the partner.
    Ignored(Option<Header>),
}

impl Anchor {
    /// Opens the anchor; `stream` is the stream to the peer.
    pub fn new(id: AnchorId, now: Instant, stream: Stream) -> Self {
        Self {
            id,
            peer: None,
            secure: None,
            stream,
            reception: Reception::default(),
            detector: Detector::default(),
            quality: Quality::default(),
            arrivals: Arrivals::default(),
            silence: Silence::new(now),
            awaited: None,
            playing: None,
            keys: Keys::default(),
            partner: None,
            room: None,
            recording: None,
        }
    }

    /// Sets where and how to send. After a change of the RTP address the latch searches for the peer again. An unchanged address keeps the
    /// latch, as does the unspecified address, which means hold (RFC 3264 §8.4). Unchanged SRTP keys keep their counters.
    pub fn aim(&mut self, now: Instant, remote: Remote) {
        self.silence.restart(now);
        match (&mut self.secure, remote.srtp) {
            (Some(session), Some(keys)) => session.rekey(keys),
            (None, Some(keys)) => self.secure = Some(Box::new(Session::new(keys))),
            (_, None) => self.secure = None,
        }
        let sources = remote.sources.clone();
        match &mut self.peer {
            Some(peer) => {
                peer.latch.aim(now, remote.rtp, sources);
                // After a new RTCP address in the SDP, the former sender no longer counts.
                peer.rtcp_from = peer.rtcp_from.filter(|_| peer.remote.rtcp == remote.rtcp);
                peer.remote = remote;
            }
            None => {
                let latch = Latch::new(remote.rtp, sources);
                self.peer = Some(Peer { remote, latch, rtcp_from: None });
            }
        }
    }

    /// Handles an RTP packet; SRTP is decrypted in place.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, packet: &mut [u8]) -> Arrival {
        let Some(peer) = &mut self.peer else { return Arrival::Ignored(None) };
        let length = match self.secure.as_mut().map_or(Ok(packet.len()), |session| session.open(packet)) {
            Ok(length) => length,
            Err(Refusal::Forged) => {
                self.quality.packets_foreign += 1;
                return Arrival::Foreign;
            }
            Err(Refusal::Replayed | Refusal::Malformed) => return Arrival::Ignored(None),
        };
        let packet = packet.get(..length).unwrap_or_default();
        let Some(header) = rtp::read(packet) else { return Arrival::Ignored(None) };
        let content = content(&peer.remote, header.payload_type);
        // Only negotiated content may change the latch; anything else is accepted only from the peer.
        let verdict = match content {
            Some(_) => peer.latch.judge(now, from, header.ssrc, header.sequence),
            None if peer.latch.hears(now, from) => Verdict::Peer,
            None => Verdict::Foreign,
        };
        if verdict == Verdict::Foreign {
            self.quality.packets_foreign += 1;
            return Arrival::Foreign;
        }
        self.silence.restart(now);
        self.quality.packets_in += 1;
        let Some(content) = content else { return Arrival::Ignored(Some(header)) };
        self.arrivals.hear();
        let is_sound = matches!(content, Content::Sound(_));
        self.reception.packet(now, header.ssrc, header.sequence, is_sound.then_some(header.timestamp));
        let payload = packet.get(header.payload.clone()).unwrap_or_default();
        let digit = match content {
            Content::Sound(codec) => {
                if self.awaited.as_mut().is_some_and(|awaited| awaited.hears(codec, payload)) {
                    self.awaited = None;
                }
                self.detector.sound(now)
            }
            Content::Event => self.detector.event(now, &header, payload),
        };
        Arrival::Taken { header, content, digit }
    }

    /// Returns `Event::Heard` once, when a packet has arrived from the peer for the first time or after a reported silence.
    pub fn heard_anew(&mut self) -> Option<Event> {
        self.arrivals.take_heard().then_some(Event::Heard { anchor: self.id })
    }

    /// Returns `Event::Foreign` once, when some packets from a host that is not accepted have arrived instead of the peer's.
    pub fn misses(&mut self, now: Instant, from: SocketAddr) -> Option<Event> {
        let latch = &self.peer.as_ref()?.latch;
        if !self.arrivals.counts_foreign() || !latch.misses(now, from) {
            return None;
        }
        let expected = latch.signalled();
        self.arrivals.count_foreign().then_some(Event::Foreign { anchor: self.id, from, expected })
    }

    /// Rewrites a packet of the other side for this peer; returns the destination and the range of `room`. None if it cannot be sent: no
    /// address, on hold, a prompt or a digit is being sent, an event that this peer did not negotiate, or no room for SRTP's tag.
    pub fn forward(
        &mut self,
        now: Instant,
        header: &Header,
        content: Content,
        room: &mut [u8],
    ) -> Option<(SocketAddr, Range<usize>)> {
        let payload_type = self.outgoing_type(content).filter(|_| !self.keys.is_speaking());
        let (Some(peer), Some(payload_type), None) = (&self.peer, payload_type, &self.playing) else {
            self.stream.skipped(header.ssrc, header.sequence);
            return None;
        };
        if let Content::Sound(codec) = content {
            g711::transcode(codec, peer.remote.codec, room.get_mut(header.payload.clone())?);
        }
        let Header { sequence, timestamp, marker, .. } = *header;
        let numbers = self.stream.relayed(now, header.ssrc, Numbers { sequence, timestamp, marker });
        let target = peer.latch.target(now)?;
        let place = rtp::rewrite(room, &numbered(self.stream.ssrc(), payload_type, numbers, header.payload.clone()))?;
        let length = seal(&mut self.secure, room.get_mut(place.start..)?, place.len())?;
        let place = place.start..place.start + length;
        self.quality.packets_out += 1;
        Some((target, place))
    }

    /// A packet of the other side is not forwarded.
    pub fn skip(&mut self, header: &Header) {
        self.stream.skipped(header.ssrc, header.sequence);
    }

    /// The source of the stream changes: a prompt ends, and the next packet starts a talk spurt.
    pub fn switch(&mut self) {
        self.playing = None;
        self.keys.release();
        self.stream.switch();
    }

    /// Sends a digit to the peer, if it has negotiated telephone events.
    pub fn press(&mut self, digit: char) {
        if self.outgoing_type(Content::Event).is_some() {
            self.keys.press(digit);
        }
    }

    /// True while a prompt or a digit is being sent.
    pub fn is_busy(&self) -> bool {
        self.playing.is_some() || self.keys.is_active()
    }

    /// Builds the next frame of the prompt or digit; returns its destination and length. None: nothing to send now. `Err`: the prompt has
    /// ended.
    pub fn play(
        &mut self,
        now: Instant,
        sounds: &Sounds,
        buffer: &mut [u8; PLAYED_BYTES_MAX],
    ) -> Result<Option<(SocketAddr, usize)>, Over> {
        if let Some(press) = self.keys.step() {
            return Ok(self.send_event(now, press, buffer));
        }
        let (Some(playing), Some(peer)) = (&mut self.playing, &self.peer) else { return Ok(None) };
        let mut sound = [0; FRAME_SAMPLES];
        if !playing.frame(sounds, peer.remote.codec, &mut sound) {
            self.switch();
            return Err(Over);
        }
        Ok(self.send_own(now, &sound, buffer))
    }

    /// Builds the packet with a frame of the conference for this peer; returns its destination and length.
    pub fn hear(
        &mut self,
        now: Instant,
        frame: &mixer::Frame,
        buffer: &mut [u8; PLAYED_BYTES_MAX],
    ) -> Option<(SocketAddr, usize)> {
        let codec = self.peer.as_ref()?.remote.codec;
        self.send_own(now, &mixer::encode(codec, frame), buffer)
    }

    fn send_own(
        &mut self,
        now: Instant,
        sound: &[u8; FRAME_SAMPLES],
        buffer: &mut [u8; PLAYED_BYTES_MAX],
    ) -> Option<(SocketAddr, usize)> {
        let peer = self.peer.as_ref().filter(|peer| peer.remote.send)?;
        let (target, payload_type) = (peer.latch.target(now)?, peer.remote.payload_type);
        let header = numbered(self.stream.ssrc(), payload_type, self.stream.own(now), 0..0);
        let built = rtp::build(&header, sound, buffer).and_then(|length| seal(&mut self.secure, buffer, length));
        self.quality.packets_out += u64::from(built.is_some());
        built.map(|length| (target, length))
    }

    fn send_event(
        &mut self,
        now: Instant,
        press: Press,
        buffer: &mut [u8; PLAYED_BYTES_MAX],
    ) -> Option<(SocketAddr, usize)> {
        let payload_type = self.outgoing_type(Content::Event)?;
        let target = self.peer.as_ref()?.latch.target(now)?;
        let header = numbered(self.stream.ssrc(), payload_type, self.stream.event(now, press.first), 0..0);
        let built =
            rtp::build(&header, &press.payload, buffer).and_then(|length| seal(&mut self.secure, buffer, length));
        self.quality.packets_out += u64::from(built.is_some());
        built.map(|length| (target, length))
    }

    /// Handles an RTCP packet, which is decrypted in place; returns whether it is the peer's, and its length. None if it is no report.
    pub fn receive_report(&mut self, now: Instant, from: SocketAddr, packet: &mut [u8]) -> Option<(Verdict, usize)> {
        let peer = self.peer.as_mut()?;
        let length = match self.secure.as_mut().map_or(Ok(packet.len()), |session| session.open_report(packet)) {
            Ok(length) => length,
            Err(Refusal::Forged) => {
                self.quality.packets_foreign += 1;
                return Some((Verdict::Foreign, 0));
            }
            Err(Refusal::Replayed | Refusal::Malformed) => return None,
        };
        if !packet.get(..length).is_some_and(rtcp::is_report) {
            return None;
        }
        // The signalled address has priority, as with RTP.
        let elsewhere = match peer.rtcp_from {
            Some((known, last)) if now.since(last) < REPORTS_LAST => known == from,
            Some(_) | None => peer.latch.is_at(from),
        };
        if from != peer.remote.rtcp && !elsewhere {
            self.quality.packets_foreign += 1;
            return Some((Verdict::Foreign, length));
        }
        peer.rtcp_from = Some((from, now));
        self.silence.restart(now);
        Some((Verdict::Peer, length))
    }

    /// Prepares the RTCP packet in the first `length` bytes of `room` for this peer; returns its new length.
    pub fn seal_report(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        self.secure.as_mut().map_or(Some(length), |session| session.seal_report(room, length))
    }

    /// The destination of RTCP to this peer, if there is one.
    pub fn report_target(&self) -> Option<SocketAddr> {
        let peer = self.peer.as_ref()?;
        let from = peer.rtcp_from.map(|(from, _)| from);
        // Behind a NAT the signalled address is not usable; the port after the accepted RTP port is the best guess.
        let guess = || peer.latch.is_elsewhere().map(next_port);
        let signalled = Some(peer.remote.rtcp).filter(|rtcp| !rtcp.ip().is_unspecified());
        from.or_else(guess).or(signalled)
    }

    /// The mapping from reports of the partner `other` to reports for this peer.
    pub fn mapping_from(&self, other: &Self) -> Option<rtcp::Mapping> {
        let (_, timestamp_shift) = self.stream.shifts()?;
        let (sequence_shift, _) = other.stream.shifts().unwrap_or_default();
        Some(rtcp::Mapping {
            sender: self.stream.ssrc(),
            timestamp_shift,
            about: other.stream.ssrc(),
            about_becomes: self.reception.ssrc()?,
            sequence_shift,
        })
    }

    /// Writes our own receiver report for this peer.
    pub fn report(&mut self, last_sender_report: u32, buffer: &mut [u8]) -> Option<usize> {
        let report = self.reception.report();
        let length = rtcp::receiver_report(self.stream.ssrc(), report, last_sender_report, buffer)?;
        self.seal_report(buffer, length)
    }

    /// Reports silence longer than `limit` from now on, even if it was reported before; None: as configured.
    pub fn limit_silence(&mut self, limit: Option<Duration>) {
        self.silence.set_limit(limit);
    }

    /// True once for each silence longer than `configured` or the anchor's own limit, measured since `aim` or the last packet.
    pub fn falls_silent(&mut self, now: Instant, configured: Option<Duration>) -> bool {
        let silent = self.peer.is_some() && self.silence.begins(now, configured);
        if silent {
            self.arrivals.fall_silent();
        }
        silent
    }

    /// The anchor's own limit of silence, unless `configured` is shorter.
    pub fn own_limit(&self, configured: Option<Duration>) -> Option<Duration> {
        self.silence.own_limit(configured)
    }

    /// Starts to wait for the peer's voice.
    pub fn await_voice(&mut self, now: Instant, limit: Duration) {
        self.awaited = Some(Awaited::new(now, limit));
    }

    /// True once, when no voice was detected in time.
    pub fn has_no_voice(&mut self, now: Instant) -> bool {
        self.awaited.take_if(|awaited| awaited.is_over(now)).is_some()
    }

    /// The anchor's id.
    pub fn id(&self) -> AnchorId {
        self.id
    }

    /// The statistics so far.
    pub fn quality(&self) -> Quality {
        Quality { packets_lost: self.reception.lost(), jitter_us: self.reception.jitter_us(), ..self.quality }
    }

    fn outgoing_type(&self, content: Content) -> Option<u8> {
        let remote = self.peer.as_ref().map(|peer| &peer.remote).filter(|remote| remote.send)?;
        match content {
            Content::Sound(_) => Some(remote.payload_type),
            Content::Event => remote.dtmf,
        }
    }
}

/// The prompt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// Prepares the RTP packet in the first `length` bytes of `room` for the peer; returns its new length.
fn seal(secure: &mut Option<Box<Session>>, room: &mut [u8], length: usize) -> Option<usize> {
    secure.as_mut().map_or(Some(length), |session| session.seal(room, length))
}

/// Checks for the negotiated payload types and the static ones of G.711 (RFC 3551 §6): a peer that was offered both may send either.
fn content(remote: &Remote, payload_type: u8) -> Option<Content> {
    if payload_type == remote.payload_type {
        return Some(Content::Sound(remote.codec));
    }
    if [remote.dtmf, remote.dtmf_heard].contains(&Some(payload_type)) {
        return Some(Content::Event);
    }
    match payload_type {
        0 => Some(Content::Sound(Codec::Pcmu)),
        8 => Some(Content::Sound(Codec::Pcma)),
        _ => None,
    }
}

fn numbered(ssrc: u32, payload_type: u8, numbers: Numbers, payload: Range<usize>) -> Header {
    let Numbers { sequence, timestamp, marker } = numbers;
    Header { payload_type, marker, sequence, timestamp, ssrc, payload }
}

fn next_port(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port().wrapping_add(1))
}
