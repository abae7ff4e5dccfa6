//! Peers that may have lost their dialog: a request in it got 481, or a re-INVITE or UPDATE got 408 or no response (RFC 3261 §12.2.1.2).
//! The session continues while the peer's media arrives, and ends when none has arrived for a short time. A missing response to MESSAGE and
//! INFO, or a 408 from a proxy, is ignored: many session border controllers drop both methods.

use std::time::Duration;

use crate::media::command::Command;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::step::Step;

/// The time without media after which a peer that may have lost its dialog counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

impl Session {
    /// True if the peer may have lost the dialog: the leg is lost as soon as its media stops.
    pub(super) fn is_doubted(&self) -> bool {
        self.presence.doubted.is_some()
    }

    /// Handles the final response to a re-INVITE or UPDATE.
    pub(super) fn refresh_responded(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) -> Option<SessionEvent> {
        match status {
            408 => {
                self.doubt(step);
                None
            }
            _ => self.responded(net, step, leg, status),
        }
    }

    /// Handles the final response to another request in the dialog.
    pub(in crate::switchboard) fn responded(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) -> Option<SessionEvent> {
        match status {
            481 => {
                self.doubt(step);
                None
            }
            408 => None,
            _ => self.confirm_presence(net, step, leg),
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
        let unsent = std::mem::take(&mut self.presence.unsent);
        if doubted.is_some() || suspected.is_some() || unsent > 0 {
            self.limit_silence(step);
        }
    }

    /// Handles a message of the peer in the dialog, other than the response to an OPTIONS: an OPTIONS without a response is no longer
    /// awaited, and media measures the silence anew. A peer that got the OPTIONS because it is silent is then reported as one that has
    /// responded.
    pub(in crate::switchboard) fn confirm_presence(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
    ) -> Option<SessionEvent> {
        let was_suspected = self.presence.suspected.is_some();
        self.trust(step);
        self.presence.inquiry?;
        self.stop_inquiry(net, step, leg);
        let is_silent = self.media.as_ref().is_some_and(|media| media.is_silent());
        if is_silent && !was_suspected && net.wire.settings.session.silence_ends_call {
            return self.stays_silent(net, step, leg, 200);
        }
        self.send_peer_address(net, step, leg);
        None
    }

    /// Sets the silence after which media reports it, after a change of what is known about the peer.
    pub(super) fn limit_silence(&self, step: &mut Step) {
        let limit = self.silence_limit();
        if let Some(anchor) = self.media.as_ref().map(|media| media.anchor()) {
            step.out.media.push(Command::LimitSilence { anchor, limit });
        }
    }

    /// The silence after which media reports it; None: the configured time-out.
    pub(super) fn silence_limit(&self) -> Option<Duration> {
        self.presence.doubted.or(self.suspect_limit()).or(self.long_call_limit())
    }
}
