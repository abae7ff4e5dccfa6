//! One conference of a media thread: its parties, its mixer, and its audio for the recorder.

use crate::clock::Instant;
use crate::limits::CONFERENCE_PARTIES_MAX;
use crate::media::anchor::Content;
use crate::media::command::{AnchorId, Codec, Party};
use crate::media::mixer::{self, Mixer, Seats};
use crate::media::recording::{Frame, RecordingId, Side};
use crate::media::relay::out::Out;
use crate::media::rtp::{FRAME_SAMPLES, Header};

/// The law in which a conference is recorded.
const RECORDING_LAW: Codec = Codec::Pcma;

/// One conference.
#[derive(Debug, Default)]
pub(super) struct Conference {
    pub(super) seats: [Option<AnchorId>; CONFERENCE_PARTIES_MAX],
    recorded: Seats,
    pub(super) mixer: Mixer,
    /// Samples since it was created, used as timestamps of its frames in a recording.
    pub(super) samples: u32,
}

impl Conference {
    /// Handles a party's packet; only audio is mixed.
    pub(super) fn hear_from(&mut self, seat: usize, header: &Header, content: Content, packet: &[u8]) {
        let Content::Sound(codec) = content else { return };
        let sound = packet.get(header.payload.clone()).unwrap_or_default();
        self.mixer.push(seat, header.ssrc, header.timestamp, codec, sound);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.iter().all(Option::is_none)
    }

    pub(super) fn seat_of(&self, anchor: AnchorId) -> Option<usize> {
        self.seats.iter().position(|seated| *seated == Some(anchor))
    }

    pub(super) fn vacate(&mut self, seat: usize) {
        self.mixer.clear(seat);
        self.recorded &= !mixer::bit(seat);
        if let Some(seat) = self.seats.get_mut(seat) {
            *seat = None;
        }
    }

    /// Converts positions in the list to party indexes.
    pub(super) fn set_matrix(&mut self, parties: &[Party]) {
        let seats: Vec<Option<usize>> = parties.iter().map(|party| self.seat_of(party.anchor)).collect();
        self.recorded = 0;
        for (party, seat) in parties.iter().zip(&seats) {
            let Some(seat) = *seat else { continue };
            let heard = seats.iter().enumerate().filter(|(place, _)| party.hears & mixer::bit(*place) != 0);
            let hears = heard.filter_map(|(_, seat)| *seat).fold(0, |all, seat| all | mixer::bit(seat));
            self.mixer.set_hears(seat, hears);
            if party.recorded {
                self.recorded |= mixer::bit(seat);
            }
        }
    }

    /// Records the current frame of the caller, and that of all other parties whose voices are recorded.
    pub(super) fn record(&self, at: Instant, recording: RecordingId, caller: usize, out: &mut Out) {
        let caller = mixer::bit(caller);
        for (side, of) in [(Side::Caller, caller), (Side::Operator, self.recorded & !caller)] {
            let payload = mixer::encode(RECORDING_LAW, &self.mixer.sum(of));
            let length = u8::try_from(FRAME_SAMPLES).unwrap_or(0);
            // An SSRC that no network source has: the recorder detects a change from one source to the other by it.
            out.frames.push(Frame {
                recording,
                side,
                codec: RECORDING_LAW,
                at,
                ssrc: 0,
                timestamp: self.samples,
                length,
                payload,
            });
        }
    }
}
