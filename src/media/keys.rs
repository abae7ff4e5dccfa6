//! Digits that siaga sends to a peer as telephone events (RFC 4733 §2.5), because the other side sent them by another method than RTP.

use std::collections::VecDeque;

use super::dtmf::event_of;

/// Number of packets of 20 ms until a digit ends, and the total number of end packets (RFC 4733 §2.5.1.4).
const STEPS: u16 = 5;
const ENDS: u16 = 3;
/// Frames of audio between two digits.
const PAUSE: u16 = 5;
/// Samples of a frame, and the usual volume of phones in -dBm0.
const FRAME_SAMPLES: u16 = 160;
const VOLUME: u8 = 10;
const END: u8 = 0x80;
/// Maximum digits that wait; further ones are dropped.
const WAITING_MAX: usize = 32;

/// The digits that are sent one after the other.
#[derive(Debug, Default)]
pub struct Keys {
    waiting: VecDeque<u8>,
    /// The event in progress, and the number of its frames that have been sent.
    pressed: Option<(u8, u16)>,
}

/// The packet of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    pub payload: [u8; 4],
    /// The first packet of its event, with the marker; its timestamp is that of all packets of the event (RFC 4733 §2.5.1).
    pub first: bool,
}

impl Keys {
    /// Adds a digit; any other character is ignored.
    pub fn press(&mut self, digit: char) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.extend(event_of(digit));
        }
    }

    /// Removes all digits.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    /// True while a digit is being sent, or in the pause after it.
    pub fn is_active(&self) -> bool {
        self.pressed.is_some() || !self.waiting.is_empty()
    }

    /// True while an event replaces audio.
    pub fn is_speaking(&self) -> bool {
        self.pressed.is_some_and(|(_, passed)| passed < STEPS + ENDS - 1)
    }

    /// Returns the packet for the next 20 ms.
    pub fn step(&mut self) -> Option<Press> {
        let over = self.pressed.is_none_or(|(_, passed)| passed >= STEPS + ENDS - 1 + PAUSE);
        if over {
            self.pressed = self.waiting.pop_front().map(|event| (event, 0));
        }
        let (event, passed) = self.pressed.as_mut()?;
        *passed += 1;
        if *passed > STEPS + ENDS - 1 {
            return None;
        }
        let [high, low] = ((*passed).min(STEPS) * FRAME_SAMPLES).to_be_bytes();
        let end = if *passed >= STEPS { END } else { 0 };
        Some(Press { payload: [*event, VOLUME | end, high, low], first: *passed == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;
    use crate::media::dtmf::Detector;
    use crate::media::rtp::Header;

    #[test]
    fn digits_are_pressed_one_after_the_other_and_read_back_once_each() {
        let (mut keys, mut detector) = (Keys::default(), Detector::default());
        "1#x*".chars().for_each(|digit| keys.press(digit));
        let (mut told, mut timestamp, mut sent) = (String::new(), 0, Vec::new());
        for frame in 0..36 {
            assert!(keys.is_active(), "after {frame} frames");
            let press = keys.step();
            if let Some(press) = press {
                timestamp = if press.first { frame * 160 } else { timestamp };
                let sequence = u16::try_from(frame).unwrap();
                let header =
                    Header { payload_type: 101, marker: press.first, sequence, timestamp, ssrc: 1, payload: 12..16 };
                let now = Instant::from_nanos(u64::from(frame) * 20_000_000);
                told.extend(detector.event(now, &header, &press.payload));
                sent.push(press.payload);
            }
            // After the last packet of an event audio is sent again.
            let last = press.is_some_and(|_| sent.len() % 7 == 0);
            assert_eq!(keys.is_speaking(), press.is_some() && !last);
        }
        assert_eq!((told.as_str(), sent.len()), ("1#*", 21));
        assert_eq!(sent.get(..2), Some(&[[1, 10, 0, 160], [1, 10, 1, 64]][..]));
        assert_eq!(sent.get(4..7), Some(&[[1, 0x8a, 3, 32]; 3][..]), "the end three times, with the whole duration");
        assert_eq!((keys.step(), keys.is_active()), (None, false));
    }

    #[test]
    fn what_is_pressed_too_fast_is_lost_and_what_is_released_is_forgotten() {
        let mut keys = Keys::default();
        (0..100).for_each(|_| keys.press('5'));
        assert_eq!(keys.waiting.len(), WAITING_MAX);
        keys.step();
        keys.release();
        assert!(!keys.is_active() && !keys.is_speaking());
    }
}
