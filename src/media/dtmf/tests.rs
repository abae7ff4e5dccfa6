//! Digits in sequences of packets.

use super::*;

const END: u8 = 0x80;

/// Sends the packets of one peer, 20 ms apart, and collects the digits.
struct Bench {
    detector: Detector,
    now: Instant,
    sequence: u16,
    digits: String,
}

impl Bench {
    fn new() -> Self {
        Self { detector: Detector::default(), now: Instant::from_nanos(1), sequence: 65_530, digits: String::new() }
    }

    fn event(&mut self, timestamp: u32, event: u8, flags: u8, duration: u16) -> &mut Self {
        self.sequence = self.sequence.wrapping_add(1);
        self.numbered(self.sequence, timestamp, event, flags, duration)
    }

    fn numbered(&mut self, sequence: u16, timestamp: u32, event: u8, flags: u8, duration: u16) -> &mut Self {
        self.pass(20);
        let header = Header { payload_type: 101, marker: false, sequence, timestamp, ssrc: 7, payload: 12..16 };
        let [high, low] = duration.to_be_bytes();
        let digit = self.detector.event(self.now, &header, &[event, 10 | flags, high, low]);
        self.digits.extend(digit);
        self
    }

    fn sound(&mut self) -> &mut Self {
        self.pass(20);
        let digit = self.detector.sound(self.now);
        self.digits.extend(digit);
        self
    }

    fn pass(&mut self, ms: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(ms);
        self
    }
}

#[test]
fn a_digit_whose_end_is_sent_three_times_is_reported_once() {
    let mut bench = Bench::new();
    for (flags, duration) in [(0, 160), (0, 320), (END, 480), (END, 480), (END, 480)] {
        bench.event(1_000, 5, flags, duration);
    }
    bench.event(3_000, 11, END, 256);
    assert_eq!(bench.digits, "5#");
}

#[test]
fn an_event_with_a_new_timestamp_in_each_packet_is_one_digit() {
    let mut bench = Bench::new();
    for step in 1..=8_u16 {
        bench.event(1_000 + u32::from(step) * 160, 5, 0, step * 160);
    }
    for step in 9..=11 {
        bench.event(1_000 + step * 160, 5, END, 1_280);
    }
    assert_eq!(bench.digits, "5");
    // The same digit again: its duration begins anew.
    bench.event(5_000, 5, 0, 160).event(5_160, 5, 0, 320).event(5_320, 5, END, 480);
    assert_eq!(bench.digits, "55");
}

#[test]
fn an_end_packet_that_is_repeated_later_is_one_digit_and_a_later_press_another() {
    let mut bench = Bench::new();
    bench.event(1_000, 5, END, 800).event(1_160, 5, END, 800).pass(60).event(1_900, 5, END, 800);
    assert_eq!(bench.digits, "5");
    bench.pass(100).event(3_000, 5, END, 800);
    assert_eq!(bench.digits, "55");
    bench.event(3_160, 5, END, 900);
    assert_eq!(bench.digits, "555", "another duration");
}

#[test]
fn a_long_event_in_segments_is_one_digit() {
    let mut bench = Bench::new();
    bench.event(1_000, 1, 0, 65_000).event(1_000, 1, 0, u16::MAX);
    bench.event(1_000 + 65_535, 1, 0, 160).event(1_000 + 65_535, 1, END, 320);
    assert_eq!(bench.digits, "1");
    // The last packet of the full segment is lost.
    bench.pass(1_000).event(200_000, 2, 0, 65_000).event(200_000 + 65_535, 2, 0, 160).event(265_535, 2, END, 320);
    assert_eq!(bench.digits, "12");
}

#[test]
fn a_late_packet_of_an_earlier_event_is_no_digit() {
    let mut bench = Bench::new();
    bench.numbered(10, 1_000, 1, 0, 160).numbered(12, 3_000, 2, 0, 160);
    assert_eq!(bench.digits, "1");
    // Another code with an older number, and the same code with an older number and timestamp.
    bench.numbered(11, 1_000, 1, END, 320).numbered(9, 500, 2, END, 320);
    assert_eq!(bench.digits, "1");
    bench.numbered(13, 3_000, 2, END, 320);
    assert_eq!(bench.digits, "12");
}

#[test]
fn a_digit_whose_ends_are_lost_is_reported_with_what_follows() {
    let mut bench = Bench::new();
    bench.event(1_000, 1, 0, 160);
    assert_eq!(bench.digits, "");
    bench.event(9_000, 2, 0, 160);
    assert_eq!(bench.digits, "1");
    bench.sound();
    assert_eq!(bench.digits, "1");
    bench.pass(480).sound();
    assert_eq!(bench.digits, "12");
    bench.sound().event(9_000, 2, END, 256);
    assert_eq!(bench.digits, "12", "reported already");
}

#[test]
fn the_same_digit_twice_is_reported_twice_when_the_first_end_is_lost() {
    let mut bench = Bench::new();
    bench.event(1_000, 7, 0, 160).event(1_000, 7, 0, 320);
    bench.event(4_000, 7, 0, 160).event(4_000, 7, END, 320);
    assert_eq!(bench.digits, "77");
}

#[test]
fn a_digit_that_follows_its_own_lost_end_after_half_a_second_is_another_press() {
    let mut bench = Bench::new();
    bench.event(1_000, 7, 0, 160).pass(500).event(9_000, 7, 0, 320).event(9_000, 7, END, 480);
    assert_eq!(bench.digits, "77", "the first end was lost");
}

#[test]
fn all_sixteen_digits_and_nothing_else() {
    let digits: String = (0..=255).filter_map(digit).collect();
    assert_eq!(digits, "0123456789*#ABCD");
    let header = Header { payload_type: 101, marker: false, sequence: 1, timestamp: 1, ssrc: 7, payload: 12..15 };
    assert_eq!(Detector::default().event(Instant::default(), &header, &[1, END, 0]), None, "incomplete");
}

#[test]
fn timestamps_may_wrap() {
    let mut bench = Bench::new();
    bench.event(u32::MAX - 10, 1, END, 160).event(2_000, 2, END, 160);
    assert_eq!(bench.digits, "12");
    bench.numbered(bench.sequence.wrapping_sub(1), u32::MAX - 10, 1, END, 160);
    assert_eq!(bench.digits, "12", "late");
}
