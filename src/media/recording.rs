//! Aligns the audio of two peers as one stereo recording: the caller left, the operator right.

use std::collections::VecDeque;

use crate::clock::Instant;

use super::command::Codec;
use super::g711;
use super::rtp::FRAME_SAMPLES;

/// Samples that are held back for late packets: one second.
const HOLD_BACK: u64 = 8_000;
/// Maximum deviation of a peer's timestamps from the arrival time: 200 ms. Beyond that its clock has jumped.
const TOLERANCE: i64 = 1_600;
/// Nanoseconds of one sample at 8 kHz.
const SAMPLE_NANOS: u128 = 125_000;

/// The side of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Operator,
}

/// Identifies a running recording among the media threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(pub u64);

/// The audio of one packet, of fixed size, so that it passes through a queue without allocation.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub recording: RecordingId,
    pub side: Side,
    pub codec: Codec,
    pub at: Instant,
    pub ssrc: u32,
    pub timestamp: u32,
    pub length: u8,
    pub payload: [u8; FRAME_SAMPLES],
}

impl Frame {
    /// The audio, one byte per sample.
    pub fn sound(&self) -> &[u8] {
        self.payload.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// One sample of both sides.
pub type Pair = [i16; 2];

/// The part of one call's recording that is not written yet.
#[derive(Debug)]
pub struct Stereo {
    started: Instant,
    /// Samples since the start that have been written.
    written: u64,
    waiting: VecDeque<Pair>,
    caller: Option<Anchorage>,
    operator: Option<Anchorage>,
}

/// Relates a peer's timestamps to our time.
#[derive(Clone, Copy, Debug)]
struct Anchorage {
    ssrc: u32,
    timestamp: u32,
    position: i64,
}

impl Stereo {
    /// Starts without audio.
    pub fn new(started: Instant) -> Self {
        Self { started, written: 0, waiting: VecDeque::new(), caller: None, operator: None }
    }

    /// Adds a frame, and writes samples that are older than a second.
    pub fn push(&mut self, frame: &Frame, out: &mut impl FnMut(Pair)) {
        self.advance(frame.at, out);
        let arrival = self.position(frame.at);
        let known = match frame.side {
            Side::Caller => &mut self.caller,
            Side::Operator => &mut self.operator,
        };
        let start = place(known, frame, arrival);
        for (position, byte) in (start..).zip(frame.sound()) {
            let Ok(index) = usize::try_from(position - i64::try_from(self.written).unwrap_or(i64::MAX)) else {
                continue;
            };
            if self.waiting.len() <= index {
                self.waiting.resize(index + 1, [0, 0]);
            }
            if let Some([left, right]) = self.waiting.get_mut(index) {
                let sample = g711::decode(frame.codec, *byte);
                match frame.side {
                    Side::Caller => *left = sample,
                    Side::Operator => *right = sample,
                }
            }
        }
    }

    /// Writes all samples that are older than a second, with silence where no audio arrived.
    pub fn advance(&mut self, now: Instant, out: &mut impl FnMut(Pair)) {
        let until = u64::try_from(self.position(now)).unwrap_or(0).saturating_sub(HOLD_BACK);
        while self.written < until {
            out(self.waiting.pop_front().unwrap_or_default());
            self.written += 1;
        }
    }

    /// Writes the remaining audio, and silence until `end`: the recording is as long as the conversation.
    pub fn finish(&mut self, end: Instant, out: &mut impl FnMut(Pair)) {
        self.advance(end, out);
        let length = u64::try_from(self.position(end)).unwrap_or(0);
        let missing = usize::try_from(length.saturating_sub(self.written)).unwrap_or(0);
        self.waiting.resize(self.waiting.len().max(missing), [0, 0]);
        for pair in self.waiting.drain(..) {
            out(pair);
            self.written += 1;
        }
    }

    /// Milliseconds from the start to `at`.
    pub fn millis_at(&self, at: Instant) -> u64 {
        u64::try_from(at.since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// Number of samples that have been written.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn position(&self, at: Instant) -> i64 {
        i64::try_from(at.since(self.started).as_nanos() / SAMPLE_NANOS).unwrap_or(i64::MAX)
    }
}

/// The position of a frame, in samples since the start.
fn place(known: &mut Option<Anchorage>, frame: &Frame, arrival: i64) -> i64 {
    if let Some(anchorage) = known
        && anchorage.ssrc == frame.ssrc
    {
        let ahead = frame.timestamp.wrapping_sub(anchorage.timestamp).cast_signed();
        let position = anchorage.position + i64::from(ahead);
        if (position - arrival).abs() <= TOLERANCE {
            // Updates the reference, so that timestamps may wrap in a long call.
            *anchorage = Anchorage { timestamp: frame.timestamp, position, ..*anchorage };
            return position;
        }
    }
    *known = Some(Anchorage { ssrc: frame.ssrc, timestamp: frame.timestamp, position: arrival });
    arrival
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(side: Side, ms: u64, timestamp: u32, value: i16) -> Frame {
        Frame {
            recording: RecordingId(1),
            side,
            codec: Codec::Pcma,
            at: Instant::from_nanos(ms * 1_000_000),
            ssrc: 5,
            timestamp,
            length: 160,
            payload: [g711::encode(Codec::Pcma, value); FRAME_SAMPLES],
        }
    }

    fn recorded(frames: &[Frame]) -> Vec<Pair> {
        let (mut stereo, mut all) = (Stereo::new(Instant::default()), Vec::new());
        frames.iter().for_each(|frame| stereo.push(frame, &mut |pair| all.push(pair)));
        stereo.finish(Instant::default(), &mut |pair| all.push(pair));
        assert_eq!(stereo.written(), all.len() as u64);
        all
    }

    #[test]
    fn both_sides_stand_where_they_were_said_however_late_they_came() {
        // Packets with up to 60 ms of delay, one of them overtaken, on timestamps that wrap.
        let first = u32::MAX - 200;
        let at = |n: u32| first.wrapping_add(n * 160);
        let all = recorded(&[
            frame(Side::Caller, 0, at(0), 1_000),
            frame(Side::Operator, 10, 77, -2_000),
            frame(Side::Caller, 75, at(2), 3_000),
            frame(Side::Caller, 80, at(1), 2_000),
            frame(Side::Caller, 120, at(3), 4_000),
        ]);
        let level = |value: i16| g711::decode(Codec::Pcma, g711::encode(Codec::Pcma, value));
        let left: Vec<i16> = all.chunks(160).take(4).map(|chunk| chunk[0][0]).collect();
        assert_eq!(left, [level(1_000), level(2_000), level(3_000), level(4_000)]);
        assert_eq!((all[79][1], all[80][1], all[239][1], all[240][1]), (0, level(-2_000), level(-2_000), 0));
        assert_eq!(all.len(), 640);
    }

    #[test]
    fn a_pause_is_silence_of_the_same_length_and_needs_no_memory() {
        let mut stereo = Stereo::new(Instant::default());
        let mut count = 0_u64;
        stereo.push(&frame(Side::Caller, 0, 0, 500), &mut |_| count += 1);
        stereo.push(&frame(Side::Caller, 600_000, 99, 500), &mut |_| count += 1);
        assert!(stereo.waiting.len() <= 9_000, "{}", stereo.waiting.len());
        stereo.finish(Instant::default(), &mut |_| count += 1);
        assert_eq!(count, 600 * 8_000 + 160);
    }

    #[test]
    fn silence_at_the_end_is_as_long_as_the_conversation() {
        // (the last frame comes at, the end is at): silence of 5 s, of half a second, none, and a frame that ends after the end.
        for (last, end) in [(1_000, 6_000), (1_000, 1_500), (1_000, 1_020), (1_000, 1_010)] {
            let mut stereo = Stereo::new(Instant::default());
            let mut all = Vec::new();
            stereo.push(&frame(Side::Caller, 0, 0, 500), &mut |pair| all.push(pair));
            stereo.push(&frame(Side::Caller, last, 8_000, 500), &mut |pair| all.push(pair));
            stereo.finish(Instant::from_nanos(end * 1_000_000), &mut |pair| all.push(pair));
            assert_eq!(all.len() as u64, end.max(last + 20) * 8, "{last} {end}");
            assert_eq!(stereo.written(), all.len() as u64);
            assert_ne!(all[8_000][0], 0, "{last} {end}: what was said is there");
        }
    }

    #[test]
    fn a_clock_that_jumps_is_tied_to_arrival_again() {
        let all = recorded(&[frame(Side::Caller, 0, 0, 500), frame(Side::Caller, 100, 4_000_000, 700)]);
        assert_eq!(all.len(), 800 + 160);
        assert_ne!(all[800][0], 0);
    }
}
