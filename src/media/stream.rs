//! The RTP stream to one peer: our own SSRC, with sequence numbers and timestamps that continue across prompts, bridges and changes of
//! operator.

use crate::clock::Instant;

use super::rtp::FRAME_SAMPLES;

/// Nanoseconds of one sample at 8 kHz.
const SAMPLE_NANOS: u128 = 125_000;
/// A jump of the source's sequence numbers by more than this is a restart (RFC 3550 §A.1, MAX_DROPOUT).
const JUMP: u16 = 3_000;

/// Header fields that change from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
}

/// The stream towards one peer.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    ssrc: u32,
    sequence: u16,
    /// Timestamp of the newest packet, and the time at which it was sent.
    timestamp: u32,
    sent: Option<Instant>,
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// The next packet starts a new source, with the marker.
    None,
    /// Prompts.
    Own,
    /// Another peer's stream, shifted.
    Peer { ssrc: u32, newest: u16, sequence_shift: u16, timestamp_shift: u32 },
}

impl Stream {
    /// Starts with random numbers (RFC 3550 §5.1).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence, timestamp, sent: None, source: Source::None }
    }

    /// Our SSRC towards this peer.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The current source of the stream has ended.
    pub fn switch(&mut self) {
        self.source = Source::None;
    }

    /// Numbers the next packet of a prompt.
    pub fn own(&mut self, now: Instant) -> Numbers {
        let marker = !matches!(self.source, Source::Own);
        self.source = Source::Own;
        let step = u32::try_from(FRAME_SAMPLES).unwrap_or(0);
        let timestamp = if marker { self.fresh_timestamp(now) } else { self.timestamp.wrapping_add(step) };
        let numbers = Numbers { sequence: self.sequence, timestamp, marker };
        self.advance(now, numbers);
        numbers
    }

    /// Numbers a packet of a telephone event: all packets of an event have the timestamp of the first (RFC 4733 §2.3).
    pub fn event(&mut self, now: Instant, first: bool) -> Numbers {
        let timestamp = if first { self.fresh_timestamp(now) } else { self.timestamp };
        let numbers = Numbers { sequence: self.sequence, timestamp, marker: first };
        // The timestamp of the next packet counts from the beginning of the event.
        let began = self.sent.filter(|_| !first);
        self.advance(now, numbers);
        self.sent = began.or(self.sent);
        self.source = Source::None;
        numbers
    }

    /// Renumbers a packet of the other peer; loss and reordering are preserved.
    pub fn relayed(&mut self, now: Instant, ssrc: u32, from: Numbers) -> Numbers {
        let (sequence_shift, timestamp_shift, fresh) = match self.source {
            Source::Peer { ssrc: known, newest, sequence_shift, timestamp_shift }
                if known == ssrc && near(newest, from.sequence) =>
            {
                (sequence_shift, timestamp_shift, false)
            }
            Source::Peer { .. } | Source::Own | Source::None => (
                self.sequence.wrapping_sub(from.sequence),
                self.fresh_timestamp(now).wrapping_sub(from.timestamp),
                true,
            ),
        };
        self.follow(ssrc, from.sequence, sequence_shift, timestamp_shift, fresh);
        let numbers = Numbers {
            sequence: from.sequence.wrapping_add(sequence_shift),
            timestamp: from.timestamp.wrapping_add(timestamp_shift),
            marker: from.marker || fresh,
        };
        self.advance(now, numbers);
        numbers
    }

    /// Closes the gap of a packet that is not forwarded, so that it does not look like loss.
    pub fn skipped(&mut self, ssrc: u32, sequence: u16) {
        if let Source::Peer { ssrc: known, newest, sequence_shift, .. } = &mut self.source
            && *known == ssrc
            && (1..JUMP).contains(&sequence.wrapping_sub(*newest))
        {
            *newest = sequence;
            *sequence_shift = sequence_shift.wrapping_sub(1);
        }
    }

    /// The offsets from the other peer's sequence numbers and timestamps; None while it is not relayed.
    pub fn shifts(&self) -> Option<(u16, u32)> {
        match self.source {
            Source::Peer { sequence_shift, timestamp_shift, .. } => Some((sequence_shift, timestamp_shift)),
            Source::Own | Source::None => None,
        }
    }

    /// The timestamp of a packet that siaga numbers itself: the last one plus the time since then.
    fn fresh_timestamp(&self, now: Instant) -> u32 {
        let Some(sent) = self.sent else { return self.timestamp };
        let passed = now.since(sent).as_nanos() / SAMPLE_NANOS;
        let samples = u32::try_from(passed & u128::from(u32::MAX)).unwrap_or(0);
        self.timestamp.wrapping_add(samples.max(u32::try_from(FRAME_SAMPLES).unwrap_or(0)))
    }

    fn follow(&mut self, ssrc: u32, sequence: u16, sequence_shift: u16, timestamp_shift: u32, fresh: bool) {
        let newest = match self.source {
            Source::Peer { newest, .. } if !fresh && sequence.wrapping_sub(newest) > u16::MAX / 2 => newest,
            Source::Peer { .. } | Source::Own | Source::None => sequence,
        };
        self.source = Source::Peer { ssrc, newest, sequence_shift, timestamp_shift };
    }

    fn advance(&mut self, now: Instant, numbers: Numbers) {
        if numbers.sequence.wrapping_sub(self.sequence) < u16::MAX / 2 {
            self.sequence = numbers.sequence.wrapping_add(1);
            self.timestamp = numbers.timestamp;
            self.sent = Some(now);
        }
    }
}

fn near(newest: u16, sequence: u16) -> bool {
    !(JUMP..=u16::MAX - JUMP).contains(&sequence.wrapping_sub(newest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn packet(sequence: u16, timestamp: u32) -> Numbers {
        Numbers { sequence, timestamp, marker: false }
    }

    #[test]
    fn numbers_go_on_from_announcement_to_bridge_to_the_next_operator() {
        let mut stream = Stream::new(1, 65_534, u32::MAX - 200);
        let first = stream.own(at_ms(0));
        assert_eq!(first, Numbers { sequence: 65_534, timestamp: u32::MAX - 200, marker: true });
        assert_eq!(stream.own(at_ms(20)), Numbers { sequence: 65_535, timestamp: u32::MAX - 40, marker: false });
        // 100 ms later the first operator speaks, numbered from anywhere.
        let bridged = stream.relayed(at_ms(120), 77, packet(9_000, 5_000));
        assert_eq!(bridged, Numbers { sequence: 0, timestamp: (u32::MAX - 40).wrapping_add(800), marker: true });
        let next = stream.relayed(at_ms(140), 77, packet(9_001, 5_160));
        assert_eq!(next, Numbers { sequence: 1, timestamp: bridged.timestamp + 160, marker: false });
        stream.switch();
        let other = stream.relayed(at_ms(160), 78, packet(3, 90));
        assert_eq!(other, Numbers { sequence: 2, timestamp: next.timestamp + 160, marker: true });
        assert_eq!(stream.ssrc(), 1);
    }

    #[test]
    fn loss_and_reordering_of_the_source_stay_visible() {
        let mut stream = Stream::new(1, 100, 0);
        let out: Vec<u16> = [10, 11, 14, 13, 15]
            .into_iter()
            .map(|sequence| stream.relayed(at_ms(0), 7, packet(sequence, u32::from(sequence) * 160)).sequence)
            .collect();
        assert_eq!(out, [100, 101, 104, 103, 105]);
        stream.switch();
        assert_eq!(stream.own(at_ms(20)).sequence, 106, "after the highest that was sent");
    }

    #[test]
    fn packets_that_are_not_passed_on_leave_no_gap() {
        let mut stream = Stream::new(1, 100, 0);
        stream.relayed(at_ms(0), 7, packet(10, 1_600));
        stream.skipped(7, 11);
        stream.skipped(7, 12);
        let next = stream.relayed(at_ms(60), 7, packet(13, 2_080));
        assert_eq!((next.sequence, next.marker), (101, false));
    }

    #[test]
    fn an_event_has_one_timestamp_and_what_follows_is_as_much_later_as_time_has_passed() {
        let mut stream = Stream::new(1, 100, 0);
        stream.relayed(at_ms(0), 7, packet(10, 1_600));
        let event: Vec<Numbers> = (0..3).map(|n| stream.event(at_ms(20 + 20 * n), n == 0)).collect();
        let wanted = [(101, 160, true), (102, 160, false), (103, 160, false)];
        assert_eq!(event, wanted.map(|(sequence, timestamp, marker)| Numbers { sequence, timestamp, marker }));
        let after = stream.relayed(at_ms(80), 7, packet(14, 2_240));
        assert_eq!(after, Numbers { sequence: 104, timestamp: 640, marker: true });
    }

    #[test]
    fn a_source_that_starts_again_does_not_tear_the_stream() {
        let mut stream = Stream::new(1, 100, 0);
        stream.relayed(at_ms(0), 7, packet(10, 1_600));
        let jumped = stream.relayed(at_ms(20), 7, packet(40_000, 77));
        assert_eq!(jumped, Numbers { sequence: 101, timestamp: 160, marker: true });
    }
}
