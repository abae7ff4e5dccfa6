//! Reception statistics of one peer's stream: loss (RFC 3550 §A.1, §A.3) and interarrival jitter (§A.8).

use crate::clock::Instant;

/// A jump ahead by this many packets means another stream, not loss (RFC 3550 §A.1).
const MAX_DROPOUT: u16 = 3_000;
/// A packet that is this far behind means another stream, not reordering (RFC 3550 §A.1).
const MAX_MISORDER: u16 = 100;
/// Nanoseconds of one sample at 8 kHz.
const SAMPLE_NANOS: u64 = 125_000;

/// The reception of one peer's packets over all the sources (SSRC) that it used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    source: Option<Source>,
    /// Packets lost from sources before the current one.
    lost_before: u64,
    /// Interarrival jitter in samples, times 16.
    jitter: u32,
    /// Arrival minus timestamp of the last packet, in samples.
    transit: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    /// First and highest extended sequence numbers.
    first: u32,
    highest: u32,
    received: u64,
    /// The sequence number that would confirm a jump.
    after_jump: Option<u16>,
    /// Expected and received at the last report.
    reported: (u64, u64),
}

/// The content of a report block about a stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub ssrc: u32,
    /// The fraction lost since the last report, in 256ths.
    pub fraction_lost: u8,
    pub lost: u32,
    pub highest: u32,
    /// In samples.
    pub jitter: u32,
}

impl Reception {
    /// Counts a packet. `timestamp` is None if it is not the time of sending (telephone events).
    pub fn packet(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: Option<u32>) {
        match &mut self.source {
            Some(source) if source.ssrc == ssrc => {
                if !source.packet(sequence) {
                    return;
                }
            }
            Some(_) | None => self.restart(ssrc, sequence),
        }
        let Some(timestamp) = timestamp else { return };
        let arrival = u32::try_from((now.as_nanos() / SAMPLE_NANOS) & u64::from(u32::MAX)).unwrap_or(0);
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let change = transit.wrapping_sub(last);
            let distance = change.min(change.wrapping_neg());
            // A jump of a second comes from the sender's clock, not from the network.
            if distance < 8_000 {
                self.jitter += distance;
                self.jitter -= (self.jitter - distance + 8) >> 4;
            }
        }
    }

    /// Number of lost packets, according to sequence numbers.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        u32::try_from(u64::from(self.jitter) * (SAMPLE_NANOS / 1_000) / 16).unwrap_or(u32::MAX)
    }

    /// The SSRC of the current source.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.map(|source| source.ssrc)
    }

    /// The values for a report block; the next one counts from here. None before the first packet.
    pub fn report(&mut self) -> Option<Report> {
        let jitter = self.jitter >> 4;
        let source = self.source.as_mut()?;
        let (expected, received) = (source.expected(), source.received);
        let (expected_before, received_before) = std::mem::replace(&mut source.reported, (expected, received));
        let span = expected.saturating_sub(expected_before);
        let lost = span.saturating_sub(received.saturating_sub(received_before));
        let fraction = (lost << 8).checked_div(span).unwrap_or(0).min(255);
        Some(Report {
            ssrc: source.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(source.lost().min(0x7f_ffff)).unwrap_or(0),
            highest: source.highest,
            jitter,
        })
    }

    fn restart(&mut self, ssrc: u32, sequence: u16) {
        self.lost_before = self.lost();
        self.transit = None;
        self.source = Some(Source::new(ssrc, sequence));
    }
}

impl Source {
    fn new(ssrc: u32, sequence: u16) -> Self {
        let first = u32::from(sequence);
        Self { ssrc, first, highest: first, received: 1, after_jump: None, reported: (0, 0) }
    }

    /// Returns false if the packet does not belong to the stream, as far as known yet.
    fn packet(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(low_half(self.highest));
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        } else if ahead <= u16::MAX - MAX_MISORDER {
            if self.after_jump != Some(sequence) {
                self.after_jump = Some(sequence.wrapping_add(1));
                return false;
            }
            // Two packets in a row: the sender has restarted. Earlier losses still count.
            let lost = u32::try_from(self.lost()).unwrap_or(u32::MAX);
            let first = u32::from(sequence).wrapping_sub(lost);
            *self = Self { first, highest: u32::from(sequence), received: 0, ..Self::new(self.ssrc, sequence) };
        }
        self.after_jump = None;
        self.received += 1;
        true
    }

    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }

    /// Duplicates can make `received` greater than `expected`: then nothing is lost.
    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

/// The lower 16 bits of an extended sequence number, which packets contain.
fn low_half(extended: u32) -> u16 {
    u16::try_from(extended & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn loss_is_counted_across_the_wrap_and_duplicates_do_not_hide_it() {
        let mut reception = Reception::default();
        for (i, sequence) in [65_533_u16, 65_534, 1, 0, 2, 4].into_iter().enumerate() {
            reception.packet(at_ms(20 * i as u64), 7, sequence, None);
        }
        assert_eq!(reception.lost(), 2, "65535 and 3");
        let report = reception.report().unwrap();
        assert_eq!((report.lost, report.highest, report.fraction_lost), (2, 65_536 + 4, 64), "2 of 8");
        assert_eq!(reception.report().unwrap().fraction_lost, 0, "nothing since");
    }

    #[test]
    fn another_source_or_a_restart_is_no_loss() {
        let mut reception = Reception::default();
        for (ssrc, sequence) in [(7, 1_u16), (7, 3), (8, 40_000), (8, 40_001), (8, 10), (8, 11), (8, 12)] {
            reception.packet(at_ms(0), ssrc, sequence, None);
        }
        assert_eq!(reception.lost(), 1, "only 2 of the first source");
        assert_eq!(reception.ssrc(), Some(8));
    }

    #[test]
    fn jitter_follows_the_formula() {
        // J += (|D| - J)/16 in samples, by RFC 3550 §6.4.1 with real numbers.
        let (mut reception, mut expected) = (Reception::default(), 0.0_f64);
        let delays = [0_u64, 5, 1, 9, 0, 0, 30, 2, 2, 7, 4, 0, 0, 12];
        for (i, delay) in delays.iter().enumerate() {
            reception.packet(at_ms(1_000 + 20 * i as u64 + delay), 7, 100 + i as u16, Some(160 * i as u32));
            if i > 0 {
                expected += (delays[i - 1].abs_diff(*delay) as f64 * 8.0 - expected) / 16.0;
            }
        }
        let microseconds = expected * 125.0;
        assert!((f64::from(reception.jitter_us()) - microseconds).abs() < 130.0, "{}", reception.jitter_us());
    }

    #[test]
    fn even_pacing_has_no_jitter() {
        let mut reception = Reception::default();
        for i in 0..500_u16 {
            let timestamp = 0xffff_f000_u32.wrapping_add(u32::from(i) * 160);
            reception.packet(at_ms(20 * u64::from(i)), 7, i, Some(timestamp));
        }
        assert_eq!((reception.jitter_us(), reception.lost()), (0, 0));
    }
}
