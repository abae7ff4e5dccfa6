//! Peers that may have lost their dialog: a request in it got 481, or a re-INVITE or UPDATE got 408 or no response (RFC 3261 §12.2.1.2).
//! The session continues while the peer's media arrives, and ends when none has arrived for a short time. A missing response to MESSAGE and
//! INFO, or a 408 from a proxy, is ignored: many session border controllers drop both methods.

use std::time::Duration;

use crate::media::command::Command;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;

/// The time without media after which a peer that may have lost its dialog counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

impl Session {
    /// True if the peer may have lost the dialog: the leg is lost as soon as its media stops.
    pub(super) fn is_doubted(&self) -> bool {
        self.presence.doubted.is_some()
    }

    /// Handles the final response to a re-INVITE or UPDATE.
    pub(super) fn refresh_responded(&mut self, step: &mut Step, status: u16) {
        match status {
            408 => self.doubt(step),
            _ => self.responded(step, status),
        }
    }

    /// Handles the final response to another request in the dialog.
    pub(in crate::switchboard) fn responded(&mut self, step: &mut Step, status: u16) {
        match status {
            481 => self.doubt(step),
            408 => {}
            _ => self.trust(step),
        }
    }

    /// Marks that the peer may have lost the dialog.
    pub(super) fn doubt(&mut self, step: &mut Step) {
        self.doubt_for(step, LOST_AFTER);
    }

    /// Marks that the peer may have lost the dialog. The peer counts as lost after `limit` without media.
    pub(in crate::switchboard) fn doubt_for(&mut self, step: &mut Step, limit: Duration) {
        if self.is_doubted() || self.dialog.is_none() {
            return;
        }
        self.presence.doubted = Some(limit);
        self.limit_silence(step);
    }

    /// Removes the marks that the peer may have lost the dialog or may be gone, because it has shown that it knows the dialog.
    pub(in crate::switchboard) fn trust(&mut self, step: &mut Step) {
        let (doubted, suspected) = (self.presence.doubted.take(), self.presence.suspected.take());
        if doubted.is_some() || suspected.is_some() {
            self.limit_silence(step);
        }
    }

    /// Sets the silence after which media reports it, after a change of what is known about the peer.
    pub(super) fn limit_silence(&self, step: &mut Step) {
        let limit = self.presence.doubted.or(self.suspect_limit()).or(self.long_call_limit());
        if let Some(anchor) = self.media.as_ref().map(|media| media.anchor()) {
            step.out.media.push(Command::LimitSilence { anchor, limit });
        }
    }
}
