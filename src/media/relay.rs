//! The anchors of one media thread: carries out commands, forwards packets between bridged anchors, plays prompts, and reports events.
//! Allocates memory for commands, never for a packet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::{CallId, LegNo, Rng};

use super::anchor::{Anchor, Arrival, Content, PLAYED_BYTES_MAX};
use super::command::{AnchorId, Command, Event, Quality};
use super::datagram::Datagram;
use super::latch::Verdict;
use super::prompt::{Playing, Sounds};
use super::recording::{Frame, RecordingId, Side};
use super::rtcp::{self, REPORT_BYTES_MAX};
use super::rtp::{FRAME_SAMPLES, Header};
use super::stream::Stream;

mod conference;
mod conferences;
mod out;

use conference::Conference;
pub use out::{Effect, Out};

/// The two ports of an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    Rtp,
    Rtcp,
}

/// A packet to be sent: `place` is its range in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    pub slot: u32,
    pub channel: Channel,
    pub to: SocketAddr,
    pub place: Range<usize>,
}

/// The result for a packet, for the counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// To be forwarded.
    Passed(Departure),
    /// Accepted, but there is no destination.
    Taken,
    /// Not the peer's, by its address or its SRTP tag.
    Foreign,
    /// Not what was negotiated.
    Ignored,
}

#[derive(Debug)]
struct ActiveRecording {
    call: CallId,
    leg: LegNo,
    anchors: [AnchorId; 2],
}

/// All anchors of one thread.
#[derive(Debug)]
pub struct Relay {
    anchors: Vec<Option<Box<Anchor>>>,
    /// Slots that are open, and slots with a prompt or digit, for the timers.
    open: Vec<u32>,
    playing: Vec<u32>,
    recordings: BTreeMap<RecordingId, ActiveRecording>,
    next_recording: u64,
    conferences: BTreeMap<CallId, Conference>,
    sounds: Arc<Sounds>,
    silence: Option<Duration>,
    rng: Rng,
}

impl Relay {
    /// Starts with `slots` closed anchors. Recording ids start at `first_recording`, so that the threads' ids differ.
    pub fn new(slots: usize, sounds: Arc<Sounds>, silence: Option<Duration>, first_recording: u64, rng: Rng) -> Self {
        let mut anchors = Vec::new();
        anchors.resize_with(slots, || None);
        Self {
            anchors,
            open: Vec::new(),
            playing: Vec::new(),
            recordings: BTreeMap::new(),
            next_recording: first_recording,
            conferences: BTreeMap::new(),
            sounds,
            silence,
            rng,
        }
    }

    /// Carries out a command.
    pub fn command(&mut self, now: Instant, command: Command, out: &mut Out) {
        match command {
            Command::Open { anchor } => self.open(now, anchor, out),
            Command::SetRemote { anchor, remote } => {
                if let Some(anchor) = self.current(anchor) {
                    anchor.aim(now, remote);
                }
            }
            Command::Bridge { a, b } => self.bridge(a, b),
            Command::Unbridge { anchor } => {
                if self.current(anchor).is_some() {
                    self.unbridge(anchor.slot);
                }
            }
            Command::Mix { room, parties } => self.mix(room, &parties),
            Command::Unmix { room } => self.unmix(room),
            Command::Play { anchor, first, then } => {
                if let Some(found) = self.current(anchor) {
                    found.playing = Some(Playing::new(first, then));
                    if !self.playing.contains(&anchor.slot) {
                        self.playing.push(anchor.slot);
                    }
                }
            }
            Command::Stop { anchor } => self.stop(anchor),
            Command::Press { anchor, digit } => self.press(anchor, digit),
            Command::AwaitVoice { anchor, limit } => {
                if let Some(anchor) = self.current(anchor) {
                    anchor.await_voice(now, limit);
                }
            }
            Command::LimitSilence { anchor, limit } => {
                if let Some(anchor) = self.current(anchor) {
                    anchor.limit_silence(limit);
                }
            }
            Command::Record { call, leg, caller, operator } => self.record(call, leg, [caller, operator], out),
            Command::StopRecord { call, leg } => {
                let found =
                    self.recordings.iter().find(|(_, recording)| (recording.call, recording.leg) == (call, leg));
                if let Some(recording) = found.map(|(id, _)| *id) {
                    self.stop_recording(recording, out);
                }
            }
            Command::Close { anchor } => self.close(anchor, out),
        }
    }

    /// Handles a packet; a packet to be forwarded is rewritten in place.
    pub fn receive(
        &mut self,
        now: Instant,
        slot: u32,
        channel: Channel,
        datagram: Datagram<'_>,
        out: &mut Out,
    ) -> Fate {
        match channel {
            Channel::Rtp => self.receive_sound(now, slot, datagram, out),
            Channel::Rtcp => self.receive_report(now, slot, datagram, out),
        }
    }

    /// Sends the next frame of all prompts and conferences; due every 20 ms. Returns the number of packets.
    pub fn play(&mut self, now: Instant, send: &mut impl FnMut(u32, SocketAddr, &[u8]), out: &mut Out) -> u64 {
        let mixed = self.play_conferences(now, send, out);
        let Self { anchors, playing, sounds, .. } = self;
        let mut buffer = [0; PLAYED_BYTES_MAX];
        let mut sent = 0;
        playing.retain(|slot| {
            let Some(anchor) = at(anchors, *slot) else { return false };
            match anchor.play(now, sounds, &mut buffer) {
                Ok(Some((to, length))) => {
                    send(*slot, to, buffer.get(..length).unwrap_or_default());
                    sent += 1;
                }
                Ok(None) => {}
                Err(_over) => out.effects.push(Effect::Report(Event::Played { anchor: anchor.id() })),
            }
            anchor.is_busy()
        });
        sent + mixed
    }

    /// Reports anchors that receive nothing any more, or on which no voice was detected in time; due about every second.
    pub fn look_for_silence(&mut self, now: Instant, out: &mut Out) {
        for slot in &self.open {
            let Some(anchor) = at(&mut self.anchors, *slot) else { continue };
            if anchor.has_no_voice(now) {
                out.effects.push(Effect::Report(Event::NoVoice { anchor: anchor.id() }));
            }
            if anchor.falls_silent(now, self.silence) {
                out.effects
                    .push(Effect::Report(Event::Silent { anchor: anchor.id(), limit: anchor.own_limit(self.silence) }));
            }
        }
    }

    /// Writes our own receiver report in response to a sender report in `packet`, while there is no other side.
    pub fn answer_report(
        &mut self,
        slot: u32,
        packet: &[u8],
        buffer: &mut [u8; REPORT_BYTES_MAX],
    ) -> Option<(SocketAddr, usize)> {
        let time = rtcp::sender_report_time(packet)?;
        let anchor = at(&mut self.anchors, slot).filter(|anchor| anchor.partner.is_none())?;
        Some((anchor.report_target()?, anchor.report(time, buffer)?))
    }

    /// Hands an anchor over to another thread.
    pub fn give(&mut self, slot: u32, out: &mut Out) -> Option<Box<Anchor>> {
        let mut anchor = self.anchors.get_mut(usize::try_from(slot).ok()?)?.take()?;
        self.anchors_gone(slot, &mut anchor, out);
        Some(anchor)
    }

    /// Takes an anchor over from another thread.
    pub fn adopt(&mut self, slot: u32, anchor: Box<Anchor>, out: &mut Out) {
        let Some(place) = usize::try_from(slot).ok().and_then(|slot| self.anchors.get_mut(slot)) else { return };
        if anchor.is_busy() {
            self.playing.push(slot);
        }
        *place = Some(anchor);
        self.open.push(slot);
        out.effects.push(Effect::Listen(slot));
    }

    /// Closes all recordings, at the end of the thread.
    pub fn stop_recordings(&mut self, out: &mut Out) {
        while let Some((recording, _)) = self.recordings.first_key_value() {
            let recording = *recording;
            self.stop_recording(recording, out);
        }
    }

    /// Anchors that are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// True while a prompt plays or a conference exists.
    pub fn is_playing(&self) -> bool {
        !self.playing.is_empty() || !self.conferences.is_empty()
    }

    fn receive_sound(&mut self, now: Instant, slot: u32, datagram: Datagram<'_>, out: &mut Out) -> Fate {
        let Datagram { from, room, length } = datagram;
        let (Some(anchor), Some(packet)) = (at(&mut self.anchors, slot), room.get_mut(..length)) else {
            return Fate::Ignored;
        };
        let partner = anchor.partner;
        match anchor.receive(now, from, packet) {
            Arrival::Foreign => {
                out.effects.extend(anchor.misses(now, from).map(Effect::Report));
                Fate::Foreign
            }
            Arrival::Ignored(header) => {
                if header.is_some() {
                    out.effects.extend(anchor.heard_anew().map(Effect::Report));
                }
                if let (Some(header), Some(other)) = (header, partner.and_then(|slot| at(&mut self.anchors, slot))) {
                    other.skip(&header);
                }
                Fate::Ignored
            }
            Arrival::Taken { header, content, digit } => {
                out.effects.extend(anchor.heard_anew().map(Effect::Report));
                if let Some(digit) = digit {
                    out.effects.push(Effect::Report(Event::Digit { anchor: anchor.id(), digit }));
                }
                if let Some((room, seat)) = anchor.room {
                    let room = self.conferences.get_mut(&room);
                    room.into_iter().for_each(|room| room.hear_from(seat, &header, content, packet));
                } else if let Some((recording, side)) = anchor.recording {
                    record_packet(now, recording, side, &header, content, packet, out);
                }
                let Some((slot, other)) = partner.and_then(|slot| Some((slot, at(&mut self.anchors, slot)?))) else {
                    return Fate::Taken;
                };
                match other.forward(now, &header, content, room) {
                    Some((to, place)) => Fate::Passed(Departure { slot, channel: Channel::Rtp, to, place }),
                    None => Fate::Taken,
                }
            }
        }
    }

    fn receive_report(&mut self, now: Instant, slot: u32, datagram: Datagram<'_>, out: &mut Out) -> Fate {
        let Datagram { from, room, length } = datagram;
        let (Some(anchor), Some(packet)) = (at(&mut self.anchors, slot), room.get_mut(..length)) else {
            return Fate::Ignored;
        };
        match anchor.receive_report(now, from, packet) {
            Some((Verdict::Peer, length)) => {
                out.effects.extend(anchor.heard_anew().map(Effect::Report));
                self.forward_report(slot, room, length).map_or(Fate::Taken, Fate::Passed)
            }
            Some((Verdict::Foreign, _)) => Fate::Foreign,
            None => Fate::Ignored,
        }
    }

    fn forward_report(&mut self, slot: u32, room: &mut [u8], length: usize) -> Option<Departure> {
        let find = |slot: u32| self.anchors.get(usize::try_from(slot).ok()?)?.as_deref();
        let anchor = find(slot)?;
        let slot = anchor.partner?;
        let other = find(slot)?;
        let mapping = other.mapping_from(anchor)?;
        let to = other.report_target()?;
        let length = rtcp::rewrite(room.get_mut(..length)?, &mapping);
        let length = self.slot(slot)?.seal_report(room, length).filter(|_| length > 0)?;
        Some(Departure { slot, channel: Channel::Rtcp, to, place: 0..length })
    }

    fn open(&mut self, now: Instant, id: AnchorId, out: &mut Out) {
        match self.slot(id.slot).map(|anchor| anchor.id()) {
            Some(present) if present == id => return,
            Some(present) => self.close(present, out),
            None => {}
        }
        let bits = self.rng.next_u64().to_be_bytes();
        let [a, b, c, d, e, f, g, h] = bits;
        // In the lower half, so that the loss of the first packets cannot be taken for a rollover (RFC 4568 §6.4).
        let sequence = u16::from_be_bytes([e, f]) >> 1;
        let stream = Stream::new(u32::from_be_bytes([a, b, c, d]), sequence, u32::from_be_bytes([g, h, a, e]));
        let Some(place) = usize::try_from(id.slot).ok().and_then(|slot| self.anchors.get_mut(slot)) else { return };
        *place = Some(Box::new(Anchor::new(id, now, stream)));
        self.open.push(id.slot);
        out.effects.push(Effect::Listen(id.slot));
    }

    fn close(&mut self, id: AnchorId, out: &mut Out) {
        let Some(present) = self.slot(id.slot).map(|anchor| anchor.id()) else {
            // The anchor never opened, or is already closed: the event releases its ports in the switchboard.
            out.effects.push(Effect::Report(Event::Closed { anchor: id, quality: Quality::default() }));
            return;
        };
        if present != id {
            return;
        }
        let taken = usize::try_from(id.slot).ok().and_then(|slot| self.anchors.get_mut(slot)).and_then(Option::take);
        if let Some(mut anchor) = taken {
            self.anchors_gone(id.slot, &mut anchor, out);
            out.effects.push(Effect::Report(Event::Closed { anchor: id, quality: anchor.quality() }));
        }
    }

    /// Removes a slot from all lists after its anchor was removed.
    fn anchors_gone(&mut self, slot: u32, anchor: &mut Anchor, out: &mut Out) {
        if let Some(other) = anchor.partner.take().and_then(|slot| self.slot(slot)) {
            other.partner = None;
            other.switch();
        }
        if let Some((room, seat)) = anchor.room.take() {
            self.remove_party(room, seat);
        }
        if let Some((recording, _)) = anchor.recording.take() {
            self.stop_recording(recording, out);
        }
        self.open.retain(|open| *open != slot);
        self.playing.retain(|playing| *playing != slot);
        out.effects.push(Effect::Deaf(slot));
    }

    fn bridge(&mut self, a: AnchorId, b: AnchorId) {
        if a.slot == b.slot || self.current(a).is_none() || self.current(b).is_none() {
            return;
        }
        if self.slot(a.slot).is_some_and(|anchor| anchor.partner == Some(b.slot)) {
            self.stop(a);
            self.stop(b);
            return;
        }
        for (this, other) in [(a, b), (b, a)] {
            self.unbridge(this.slot);
            self.leave_conference(this.slot);
            if let Some(anchor) = self.slot(this.slot) {
                anchor.switch();
                anchor.partner = Some(other.slot);
            }
        }
        self.playing.retain(|slot| *slot != a.slot && *slot != b.slot);
    }

    fn unbridge(&mut self, slot: u32) {
        let partner = self.slot(slot).and_then(|anchor| {
            let partner = anchor.partner.take();
            if partner.is_some() {
                anchor.switch();
            }
            partner
        });
        if let Some(other) = partner.and_then(|slot| self.slot(slot)) {
            other.partner = None;
            other.switch();
        }
    }

    fn stop(&mut self, id: AnchorId) {
        if let Some(anchor) = self.current(id)
            && anchor.playing.is_some()
        {
            anchor.switch();
            self.playing.retain(|slot| *slot != id.slot);
        }
    }

    fn press(&mut self, id: AnchorId, digit: char) {
        let Some(anchor) = self.current(id) else { return };
        anchor.press(digit);
        if anchor.is_busy() && !self.playing.contains(&id.slot) {
            self.playing.push(id.slot);
        }
    }

    fn record(&mut self, call: CallId, leg: LegNo, anchors: [AnchorId; 2], out: &mut Out) {
        if self.recordings.values().any(|recording| (recording.call, recording.leg) == (call, leg)) {
            return;
        }
        if anchors.iter().any(|id| self.current(*id).is_none()) {
            let why = "a leg was closed before its recording began".to_owned();
            out.effects.push(Effect::Report(Event::RecordingFailed { call, leg, why }));
            return;
        }
        let recording = RecordingId(self.next_recording);
        self.next_recording += 1;
        for (id, side) in anchors.into_iter().zip([Side::Caller, Side::Operator]) {
            // A voice can be in one recording only: a new recording ends the old one.
            if let Some((old, _)) = self.current(id).and_then(|anchor| anchor.recording) {
                self.stop_recording(old, out);
            }
            if let Some(anchor) = self.current(id) {
                anchor.recording = Some((recording, side));
            }
        }
        self.recordings.insert(recording, ActiveRecording { call, leg, anchors });
        out.effects.push(Effect::StartRecording { recording, call, leg });
    }

    fn stop_recording(&mut self, id: RecordingId, out: &mut Out) {
        let Some(recording) = self.recordings.remove(&id) else { return };
        for anchor in recording.anchors {
            if let Some(anchor) = self.current(anchor) {
                anchor.recording = anchor.recording.filter(|(recording, _)| *recording != id);
            }
        }
        out.effects.push(Effect::StopRecording(id));
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Anchor> {
        at(&mut self.anchors, slot)
    }

    /// The anchor, if it has this generation.
    fn current(&mut self, id: AnchorId) -> Option<&mut Anchor> {
        self.slot(id.slot).filter(|anchor| anchor.id() == id)
    }
}

fn at(anchors: &mut [Option<Box<Anchor>>], slot: u32) -> Option<&mut Anchor> {
    anchors.get_mut(usize::try_from(slot).ok()?)?.as_deref_mut()
}

/// Splits an audio packet into frames for the recorder.
fn record_packet(
    at: Instant,
    recording: RecordingId,
    side: Side,
    header: &Header,
    content: Content,
    packet: &[u8],
    out: &mut Out,
) {
    let Content::Sound(codec) = content else { return };
    let sound = packet.get(header.payload.clone()).unwrap_or_default();
    let mut timestamp = header.timestamp;
    for piece in sound.chunks(FRAME_SAMPLES) {
        let mut payload = [0; FRAME_SAMPLES];
        for (to, from) in payload.iter_mut().zip(piece) {
            *to = *from;
        }
        let length = u8::try_from(piece.len()).unwrap_or(0);
        out.frames.push(Frame { recording, side, codec, at, ssrc: header.ssrc, timestamp, length, payload });
        timestamp = timestamp.wrapping_add(u32::from(length));
    }
}

#[cfg(test)]
mod tests;
