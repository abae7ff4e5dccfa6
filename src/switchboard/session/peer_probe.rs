//! Peers that may be gone: their phone or trunk has not responded to a keep-alive, or the phone has registered anew, as after a reboot. If
//! the peer's media has stopped or has never arrived, siaga sends OPTIONS in the dialog at once. The peer is lost if it does not respond, or
//! does not know the dialog.

use std::time::Duration;

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::session::state::presence::{Found, Patience};
use crate::switchboard::step::Step;

/// The time without media after which the peer gets OPTIONS.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// Time for an outgoing leg or an operator's phone to respond: four transmissions over UDP.
const RESPONDS_IN: Duration = Duration::from_secs(4);

impl Session {
    /// Marks that the peer may be gone.
    pub(in crate::switchboard) fn suspect(&mut self, step: &mut Step, patience: Patience) {
        let is_known = self.presence.suspected.is_some() || self.is_doubted();
        if !is_known && self.media.is_some() && self.dialog.is_some() {
            self.presence.suspected = Some(patience);
            self.limit_silence(step);
        }
    }

    /// The limit of silence of a suspected peer, and of a peer to which the last OPTIONS could not be sent.
    pub(super) fn suspect_limit(&self) -> Option<Duration> {
        (self.presence.suspected.is_some() || self.presence.unsent > 0).then_some(SILENT_FOR)
    }

    /// Handles the silence of a suspected peer: sends OPTIONS and returns true. Returns false if the peer is not suspected.
    pub(super) fn probe_suspect(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) -> bool {
        let Some(patience) = self.presence.suspected else { return false };
        if self.presence.inquiry.is_none() {
            let until = match patience {
                Patience::Short => Some(step.now.mono + RESPONDS_IN),
                Patience::TimerF => None,
            };
            self.inquire(net, step, leg, until);
        }
        true
    }

    /// Handles the final response of a suspected peer to OPTIONS; 408 if none arrived. Returns the event if the peer is silent; None if the
    /// response is to be handled as that of any other peer.
    pub(super) fn suspect_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) -> Option<Option<SessionEvent>> {
        let patience = self.presence.suspected.take()?;
        self.limit_unless_doubted(step);
        if !self.media.as_ref()?.is_silent() {
            return None;
        }
        let silence_ends = net.wire.settings.session.silence_ends_call;
        Some(match (status, patience) {
            (481, _) | (408, Patience::Short) => Some(SessionEvent::Lost),
            (408, Patience::TimerF) if silence_ends => Some(SessionEvent::Lost),
            // The caller's trunk may send no media in silence and drop OPTIONS: only in an unusually long call does this count.
            (408, Patience::TimerF) => self.found_in_long_call(step, Found::Gone),
            (_, Patience::Short | Patience::TimerF) => {
                self.trust(step);
                // Media measures the silence again, with the configured limit.
                self.send_peer_address(net, step, leg);
                self.present_after_probe(step, silence_ends)
            }
        })
    }

    /// Stores that a silent peer has responded.
    fn present_after_probe(&mut self, step: &mut Step, silence_ends: bool) -> Option<SessionEvent> {
        if silence_ends {
            self.presence.found = Found::Present;
            return None;
        }
        self.found_in_long_call(step, Found::Present)
    }
}
