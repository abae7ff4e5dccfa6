//! The mixer of a conference: each party hears the sum of the parties that it may hear, in frames of 20 ms. Does not depend on packets or
//! a clock, and allocates no memory once it is created.

use crate::limits::CONFERENCE_PARTIES_MAX;

use super::command::Codec;
use super::g711;
use super::rtp::FRAME_SAMPLES;

/// Samples in a party's buffer: 320 ms, so that the longest packets of RFC 3551 §4.2, 200 ms, fit after the delay. A packet that is
/// further ahead begins a new stream.
const STORE_SAMPLES: usize = 16 * FRAME_SAMPLES;
/// Samples of the longest packet: 200 ms. A longer one is dropped.
const PACKET_SAMPLES_MAX: usize = 10 * FRAME_SAMPLES;
/// Delay of the first packet of a stream: 40 ms. Later packets may be late by this time.
const DELAY: u32 = 320;
/// Number of consecutive late packets after which the party's stream is synchronised again, because its clock differs.
const LATE_MAX: u8 = 3;

/// One frame, linear.
pub type Frame = [i16; FRAME_SAMPLES];

/// Parties as bits: bit i is the party with index i.
pub type Seats = u8;

const _: () = assert!(CONFERENCE_PARTIES_MAX <= Seats::BITS as usize);

/// The mixer of one conference.
#[derive(Debug)]
pub struct Mixer {
    seats: [PartyInput; CONFERENCE_PARTIES_MAX],
}

#[derive(Debug)]
struct PartyInput {
    hears: Seats,
    store: Store,
    /// The party's audio in the current frame.
    says: Frame,
}

impl Default for Mixer {
    fn default() -> Self {
        let seat = |_| PartyInput { hears: 0, store: Store::default(), says: [0; FRAME_SAMPLES] };
        Self { seats: std::array::from_fn(seat) }
    }
}

impl Mixer {
    /// Sets which parties a party hears. A party never hears itself.
    pub fn set_hears(&mut self, seat: usize, hears: Seats) {
        if let Some(found) = self.seats.get_mut(seat) {
            found.hears = hears & !bit(seat);
        }
    }

    /// Removes a party: its audio is no longer mixed.
    pub fn clear(&mut self, seat: usize) {
        if let Some(found) = self.seats.get_mut(seat) {
            *found = PartyInput { hears: 0, store: Store::default(), says: [0; FRAME_SAMPLES] };
        }
    }

    /// Adds a packet of a party. A late packet is dropped.
    pub fn push(&mut self, seat: usize, ssrc: u32, timestamp: u32, codec: Codec, sound: &[u8]) {
        if let Some(found) = self.seats.get_mut(seat) {
            found.store.push(ssrc, timestamp, codec, sound);
        }
    }

    /// Advances by one frame: takes each party's audio for it; missing audio becomes silence.
    pub fn advance(&mut self) {
        for seat in &mut self.seats {
            seat.store.pop(&mut seat.says);
        }
    }

    /// The audio for a party in the current frame.
    pub fn heard_by(&self, seat: usize) -> Frame {
        self.sum(self.seats.get(seat).map_or(0, |seat| seat.hears))
    }

    /// The sum of these parties' audio in the current frame, limited to the range of a sample.
    pub fn sum(&self, of: Seats) -> Frame {
        let mut sums = [0_i32; FRAME_SAMPLES];
        for (no, seat) in self.seats.iter().enumerate() {
            if of & bit(no) != 0 {
                for (sum, sample) in sums.iter_mut().zip(&seat.says) {
                    *sum += i32::from(*sample);
                }
            }
        }
        sums.map(|sum| i16::try_from(sum).unwrap_or(if sum > 0 { i16::MAX } else { i16::MIN }))
    }
}

/// The bit of a party; 0 if the index is out of range.
pub const fn bit(seat: usize) -> Seats {
    if seat < CONFERENCE_PARTIES_MAX { 1 << seat } else { 0 }
}

/// Encodes a frame.
pub fn encode(codec: Codec, frame: &Frame) -> [u8; FRAME_SAMPLES] {
    frame.map(|sample| g711::encode(codec, sample))
}

/// The audio of a party that has not been mixed yet, in the order of timestamps, whatever the order of packets.
#[derive(Debug)]
struct Store {
    samples: [i16; STORE_SAMPLES],
    /// The position of `next` in the ring buffer.
    start: usize,
    /// SSRC, and the timestamp of the next sample; None before the first packet.
    stream: Option<(u32, u32)>,
    late: u8,
}

impl Default for Store {
    fn default() -> Self {
        Self { samples: [0; STORE_SAMPLES], start: 0, stream: None, late: 0 }
    }
}

impl Store {
    fn push(&mut self, ssrc: u32, timestamp: u32, codec: Codec, sound: &[u8]) {
        let length = u32::try_from(sound.len()).unwrap_or(u32::MAX);
        let room = u32::try_from(STORE_SAMPLES).unwrap_or(0);
        if sound.len() > PACKET_SAMPLES_MAX {
            return;
        }
        let mut next = match self.stream {
            Some((known, next)) if known == ssrc => next,
            Some(_) | None => self.restart(ssrc, timestamp),
        };
        let ahead = timestamp.wrapping_sub(next).cast_signed();
        if ahead < 0 {
            self.late += 1;
            if self.late < LATE_MAX {
                return;
            }
            next = self.restart(ssrc, timestamp);
        } else if ahead.cast_unsigned().saturating_add(length) > room {
            next = self.restart(ssrc, timestamp);
        }
        self.late = 0;
        let from = self.start + usize::try_from(timestamp.wrapping_sub(next)).unwrap_or(0);
        for (at, byte) in (from..).zip(sound) {
            if let Some(sample) = self.samples.get_mut(at % STORE_SAMPLES) {
                *sample = g711::decode(codec, *byte);
            }
        }
    }

    /// Starts the stream with this packet. Returns the timestamp of the next sample.
    fn restart(&mut self, ssrc: u32, timestamp: u32) -> u32 {
        let next = timestamp.wrapping_sub(DELAY);
        self.samples = [0; STORE_SAMPLES];
        self.stream = Some((ssrc, next));
        next
    }

    fn pop(&mut self, frame: &mut Frame) {
        for (at, to) in (self.start..).zip(frame.iter_mut()) {
            *to = self.samples.get_mut(at % STORE_SAMPLES).map(std::mem::take).unwrap_or_default();
        }
        self.start = (self.start + FRAME_SAMPLES) % STORE_SAMPLES;
        if let Some((_, next)) = &mut self.stream {
            *next = next.wrapping_add(u32::try_from(FRAME_SAMPLES).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests;
