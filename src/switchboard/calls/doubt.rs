//! Peers that may have lost their dialog: a request in it got 481, or a re-INVITE or UPDATE got 408 or no response (RFC 3261 §12.2.1.2).
//! The call continues while the peer's media arrives, and ends when none has arrived for a short time. A missing response to MESSAGE and
//! INFO, or a 408 from a proxy, is ignored: many session border controllers drop both methods.

use std::time::Duration;

use crate::media::command::Command;
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, NetworkParts, Step};

/// The time without media after which a peer that may have lost its dialog counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

impl Calls {
    /// Handles the final response to a re-INVITE or UPDATE.
    pub(in crate::switchboard) fn refresh_responded(&mut self, step: &mut Step, who: Who, status: u16) {
        match status {
            408 => self.doubt(step, who),
            _ => self.responded(step, who, status),
        }
    }

    /// Handles the final response to another request in a peer's dialog.
    pub(in crate::switchboard) fn responded(&mut self, step: &mut Step, who: Who, status: u16) {
        match status {
            481 => self.doubt(step, who),
            408 => {}
            _ => self.trust(step, who),
        }
    }

    /// Marks that the peer may have lost the dialog.
    pub(in crate::switchboard) fn doubt(&mut self, step: &mut Step, who: Who) {
        self.doubt_for(step, who, LOST_AFTER);
    }

    /// Marks that the peer may have lost the dialog. The peer counts as lost after `limit` without media.
    pub(in crate::switchboard) fn doubt_for(&mut self, step: &mut Step, who: Who, limit: Duration) {
        let Some(line) = self.line_mut(who).filter(|line| !line.doubted && line.dialog.is_some()) else { return };
        line.doubted = true;
        if let Some(anchor) = line.sound.as_ref().map(|sound| sound.anchor) {
            step.out.media.push(Command::LimitSilence { anchor, limit: Some(limit) });
        }
    }

    /// Removes the mark, because the peer has shown that it knows the dialog.
    pub(in crate::switchboard) fn trust(&mut self, step: &mut Step, who: Who) {
        let Some(line) = self.line_mut(who).filter(|line| line.doubted) else { return };
        line.doubted = false;
        if let Some(anchor) = line.sound.as_ref().map(|sound| sound.anchor) {
            step.out.media.push(Command::LimitSilence { anchor, limit: None });
        }
    }

    /// Handles a peer whose media has stopped. If the peer may have lost its dialog, ends its leg, even if the peer need not send media,
    /// and returns true.
    pub(in crate::switchboard) fn is_lost(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) -> bool {
        let doubted = self.line_mut(who).is_some_and(|line| line.doubted);
        if doubted {
            self.lose(net, step, who);
        }
        doubted
    }

    /// Ends a leg whose peer is lost.
    pub(in crate::switchboard) fn lose(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        match who {
            Who::Caller(id) => self.caller_given_up(net, step, id),
            Who::Offer(id, leg) => self.leg_lost(net, step, id, leg),
            Who::Phone(phone) => self.end_phone(net, step, phone, true),
        }
    }
}
