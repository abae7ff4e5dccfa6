//! Telephone events (RFC 4733): tells each digit once, however often its end is sent.

/// Watches the events of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detector {
    /// RTP timestamp that all packets of the present event share, its digit, and whether it was told.
    present: Option<(u32, char, bool)>,
}

impl Detector {
    /// Takes one event packet's payload and gives a digit that has ended: with its end bit, or, when all three packets
    /// with the end bit are lost, with the next event (RFC 4733 §2.5.2.2).
    pub fn event(&mut self, timestamp: u32, payload: &[u8]) -> Option<char> {
        let (&[event, flags, ..], _) = payload.split_first_chunk::<4>()?;
        let digit = digit(event)?;
        let ended = flags & 0x80 != 0;
        match self.present {
            Some((at, _, true)) if at == timestamp => None,
            Some((at, _, false)) if at == timestamp => {
                self.present = Some((at, digit, ended));
                ended.then_some(digit)
            }
            // A late packet of an earlier event.
            Some((at, _, _)) if timestamp.wrapping_sub(at) > u32::MAX / 2 => None,
            Some((_, earlier, false)) => {
                // Two digits cannot come of one packet: when the new one has ended too, its next packet tells it.
                self.present = Some((timestamp, digit, false));
                Some(earlier)
            }
            Some((_, _, true)) | None => {
                self.present = Some((timestamp, digit, ended));
                ended.then_some(digit)
            }
        }
    }

    /// Takes note of a sound packet: an event that was never seen to end is over, and told.
    pub fn sound(&mut self, timestamp: u32) -> Option<char> {
        match self.present {
            // Half a second later: sound may go on beside the event.
            Some((at, digit, false)) if (4_000..u32::MAX / 2).contains(&timestamp.wrapping_sub(at)) => {
                self.present = Some((at, digit, true));
                Some(digit)
            }
            Some(_) | None => None,
        }
    }
}

/// The sixteen DTMF events (RFC 4733 §3.2); other events are no digits.
fn digit(event: u8) -> Option<char> {
    match event {
        0..=9 => Some(char::from(b'0' + event)),
        10 => Some('*'),
        11 => Some('#'),
        12..=15 => Some(char::from(b'A' + event - 12)),
        16..=255 => None,
    }
}

/// The event of a digit; None: it is none.
pub(super) fn event_of(wanted: char) -> Option<u8> {
    (0..=15).find(|event| digit(*event) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u8 = 0x80;

    #[test]
    fn a_digit_whose_end_is_sent_three_times_is_told_once() {
        let mut detector = Detector::default();
        let mut told = Vec::new();
        for (flags, duration) in [(10, 160_u16), (10, 320), (10 | END, 480), (10 | END, 480), (10 | END, 480)] {
            let [high, low] = duration.to_be_bytes();
            told.extend(detector.event(1_000, &[5, flags, high, low]));
        }
        told.extend(detector.event(3_000, &[11, END, 1, 0]));
        assert_eq!(told, ['5', '#']);
    }

    #[test]
    fn a_digit_whose_ends_are_lost_is_told_with_what_follows() {
        let mut detector = Detector::default();
        assert_eq!(detector.event(1_000, &[1, 0, 0, 160]), None);
        assert_eq!(detector.event(9_000, &[2, 0, 0, 160]), Some('1'));
        assert_eq!(detector.sound(9_160), None);
        assert_eq!(detector.sound(14_000), Some('2'));
        assert_eq!(detector.sound(14_160), None);
        assert_eq!(detector.event(9_000, &[2, END, 1, 0]), None, "told already");
    }

    #[test]
    fn all_sixteen_digits_and_nothing_else() {
        let digits: String = (0..=255).filter_map(digit).collect();
        assert_eq!(digits, "0123456789*#ABCD");
        assert_eq!(Detector::default().event(1, &[1, END, 0]), None, "cut short");
    }

    #[test]
    fn timestamps_may_wrap() {
        let mut detector = Detector::default();
        assert_eq!(detector.event(u32::MAX - 10, &[1, END, 0, 160]), Some('1'));
        assert_eq!(detector.event(2_000, &[2, END, 0, 160]), Some('2'));
        assert_eq!(detector.event(u32::MAX - 10, &[1, END, 0, 160]), None, "late");
    }
}
