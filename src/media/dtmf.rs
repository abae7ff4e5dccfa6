//! Telephone events (RFC 4733): reports each digit once, however often its end is sent.

use std::time::Duration;

use crate::clock::Instant;

use super::rtp::Header;

#[cfg(test)]
mod tests;

/// An end packet that repeats the last one within this time belongs to the same press.
const END_REPEATS: Duration = Duration::from_millis(100);
/// An event has ended if none of its packets has arrived for this long.
const EVENT_LASTS: Duration = Duration::from_millis(500);
/// The longest duration of one segment (RFC 4733 §2.5.1.3).
const SEGMENT_FULL: u16 = u16::MAX;

/// Watches the events of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detector {
    present: Option<Press>,
}

/// The event that was seen last.
#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    ssrc: u32,
    /// Of the event's newest packet.
    sequence: u16,
    timestamp: u32,
    duration: u16,
    /// The arrival time of that packet.
    at: Instant,
    /// The end bit was seen.
    ended: bool,
    /// The digit was reported.
    reported: bool,
}

impl Detector {
    /// Takes the payload of one event packet and returns a digit that has ended: by its end bit or, if all packets with the end bit
    /// are lost, by the next event (RFC 4733 §2.5.2.2).
    pub fn event(&mut self, now: Instant, header: &Header, payload: &[u8]) -> Option<char> {
        let (&[event, flags, high, low], _) = payload.split_first_chunk::<4>()?;
        let digit = digit(event)?;
        let &Header { ssrc, sequence, timestamp, .. } = header;
        let duration = u16::from_be_bytes([high, low]);
        let ended = flags & 0x80 != 0;
        let next = Press { digit, ssrc, sequence, timestamp, duration, at: now, ended, reported: false };
        let Some(present) = self.present else {
            self.present = Some(Press { reported: ended, ..next });
            return ended.then_some(digit);
        };
        let newer = present.is_before(ssrc, sequence);
        if present.continues_with(&next, newer) {
            let reports = ended && !present.reported;
            let reported = reports || present.reported;
            self.present = Some(match newer {
                true => Press { ended: ended || present.ended, reported, ..next },
                false => Press { ended: ended || present.ended, reported, ..present },
            });
            return reports.then_some(digit);
        }
        if !newer {
            return None;
        }
        // One packet can report only one digit: if the new one has ended too, its next packet reports it.
        let earlier = Some(present.digit).filter(|_| !present.reported);
        self.present = Some(Press { reported: ended && earlier.is_none(), ..next });
        earlier.or(Some(digit).filter(|_| ended))
    }

    /// Takes an audio packet: an event whose end was lost has ended, and is reported.
    pub fn sound(&mut self, now: Instant) -> Option<char> {
        let press = self.present.as_mut().filter(|press| !press.reported)?;
        // Audio may be sent during the event.
        if now.since(press.at) < EVENT_LASTS {
            return None;
        }
        press.reported = true;
        Some(press.digit)
    }
}

impl Press {
    /// True if a packet with that number was sent after the newest one of this event.
    fn is_before(&self, ssrc: u32, sequence: u16) -> bool {
        ssrc != self.ssrc || (1..=u16::MAX / 2).contains(&sequence.wrapping_sub(self.sequence))
    }

    /// True if `next` is a packet of the same press. Some senders give each packet of an event a different timestamp.
    fn continues_with(&self, next: &Self, newer: bool) -> bool {
        if self.digit != next.digit {
            return false;
        }
        if self.timestamp == next.timestamp {
            return true;
        }
        let passed = next.at.since(self.at);
        let repeats_end = self.ended && next.ended && self.duration == next.duration && passed <= END_REPEATS;
        let grows = next.duration > self.duration || (next.ended && next.duration == self.duration);
        let goes_on = !self.ended && (grows || self.fills_segment_before(next)) && passed < EVENT_LASTS;
        newer && (repeats_end || goes_on)
    }

    /// True if `next` continues this long event in a new segment, which begins where the full one ends.
    fn fills_segment_before(&self, next: &Self) -> bool {
        let follows = next.timestamp.wrapping_sub(self.timestamp) == u32::from(SEGMENT_FULL);
        self.duration == SEGMENT_FULL || follows
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

/// The event of a digit; None if the character is no digit.
pub(super) fn event_of(wanted: char) -> Option<u8> {
    (0..=15).find(|event| digit(*event) == Some(wanted))
}
