//! The conferences of a media thread: their parties, their mixers, and their audio for the recorder.

use std::net::SocketAddr;

use crate::clock::Instant;
use crate::ids::CallId;
use crate::limits::CONFERENCE_PARTIES_MAX;
use crate::media::anchor::PLAYED_BYTES_MAX;
use crate::media::command::{AnchorId, Party};
use crate::media::recording::Side;
use crate::media::rtp::FRAME_SAMPLES;

use super::out::Out;
use super::{Relay, at};

impl Relay {
    /// Creates a conference, or changes its parties and which parties each hears. A party that stays keeps its index, and with it its
    /// buffered audio.
    pub(super) fn mix(&mut self, id: CallId, parties: &[Party]) {
        let parties: Vec<Party> = parties.iter().copied().take(CONFERENCE_PARTIES_MAX).collect();
        let mut room = self.conferences.remove(&id).unwrap_or_default();
        for (seat, seated) in room.seats.into_iter().enumerate() {
            let stays = seated.is_some_and(|seated| parties.iter().any(|party| party.anchor == seated));
            if let Some(gone) = seated.filter(|_| !stays) {
                self.log_in_at_station(gone, None);
                room.vacate(seat);
            }
        }
        for party in &parties {
            if room.seat_of(party.anchor).is_some() || self.current(party.anchor).is_none() {
                continue;
            }
            let Some(free) = room.seats.iter().position(Option::is_none) else { break };
            self.unbridge(party.anchor.slot);
            self.leave_conference(party.anchor.slot);
            self.stop(party.anchor);
            self.log_in_at_station(party.anchor, Some((id, free)));
            if let Some(seat) = room.seats.get_mut(free) {
                *seat = Some(party.anchor);
            }
        }
        room.set_matrix(&parties);
        if !room.is_empty() {
            self.conferences.insert(id, room);
        }
    }

    pub(super) fn unmix(&mut self, id: CallId) {
        let Some(room) = self.conferences.remove(&id) else { return };
        for anchor in room.seats.into_iter().flatten() {
            self.log_in_at_station(anchor, None);
        }
    }

    /// Removes an anchor from its conference, if it is in one.
    pub(super) fn leave_conference(&mut self, slot: u32) {
        let Some((room, seat)) = self.slot(slot).and_then(|anchor| anchor.room.take()) else { return };
        if let Some(anchor) = self.slot(slot) {
            anchor.switch();
        }
        self.remove_party(room, seat);
    }

    /// Removes the party with this index; a conference without parties is closed.
    pub(super) fn remove_party(&mut self, id: CallId, seat: usize) {
        let Some(room) = self.conferences.get_mut(&id) else { return };
        room.vacate(seat);
        if room.is_empty() {
            self.conferences.remove(&id);
        }
    }

    /// Sends the next frame to all parties of all conferences. Returns the number of packets.
    pub(super) fn play_conferences(
        &mut self,
        now: Instant,
        send: &mut impl FnMut(u32, SocketAddr, &[u8]),
        out: &mut Out,
    ) -> u64 {
        let mut buffer = [0; PLAYED_BYTES_MAX];
        let mut sent = 0;
        for room in self.conferences.values_mut() {
            room.mixer.advance();
            room.samples = room.samples.wrapping_add(u32::try_from(FRAME_SAMPLES).unwrap_or(0));
            for (seat, seated) in room.seats.iter().enumerate() {
                let Some(anchor) = seated.and_then(|seated| at(&mut self.anchors, seated.slot)) else { continue };
                if let Some((recording, Side::Caller)) = anchor.recording {
                    room.record(now, recording, seat, out);
                }
                if anchor.playing.is_some() {
                    continue;
                }
                if let Some((to, length)) = anchor.hear(now, &room.mixer.heard_by(seat), &mut buffer) {
                    send(anchor.id().slot, to, buffer.get(..length).unwrap_or_default());
                    sent += 1;
                }
            }
        }
        sent
    }

    fn log_in_at_station(&mut self, id: AnchorId, room: Option<(CallId, usize)>) {
        if let Some(anchor) = self.current(id) {
            anchor.room = room;
            anchor.switch();
        }
    }
}
