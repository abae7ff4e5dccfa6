//! Peers that may be gone: their phone or trunk has not responded to a keep-alive, or the phone has registered anew, as after a reboot. If
//! the peer's media has stopped or has never arrived, siaga sends OPTIONS in the dialog at once. The peer is lost if it does not respond, or
//! does not know the dialog.

use std::time::Duration;

use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::session::state::presence::Patience;
use crate::switchboard::step::Step;

/// The time without media after which the peer gets OPTIONS.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// Time for an outgoing leg or an operator's phone to respond: four transmissions over UDP.
const RESPONDS_IN: Duration = Duration::from_secs(4);

impl Session {
    /// Marks that the peer may be gone.
    pub(in crate::switchboard) fn suspect(&mut self, step: &mut Step, patience: Patience) {
        let is_known = self.presence.suspected.is_some() || self.presence.doubted;
        if !is_known && self.media.is_some() && self.dialog.is_some() {
            self.limit_silence(step, Some(SILENT_FOR));
            self.presence.suspected = Some(patience);
        }
    }

    /// Handles the silence of a suspected peer: sends OPTIONS and returns true. Returns false if the peer is not suspected.
    pub(super) fn probe_suspect(&mut self, net: &mut NetworkParts, step: &mut Step, leg: Who) -> bool {
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
        leg: Who,
        status: u16,
    ) -> Option<Option<SessionEvent>> {
        self.presence.suspected.take()?;
        let is_silent = self.media.as_ref()?.is_silent();
        if is_silent && matches!(status, 408 | 481) {
            return Some(Some(SessionEvent::Lost));
        }
        if !self.is_doubted() {
            self.limit_silence(step, None);
        }
        if is_silent {
            // Media measures the silence again, with the configured limit.
            self.aim(net, step, leg);
        }
        is_silent.then_some(None)
    }
}
