//! Peers that may not know their dialog any more: a request of ours in it got 481, or a re-INVITE or UPDATE got 408 or no response
//! (RFC 3261 §12.2.1.2). A peer whose media still arrives keeps its call; it is lost as soon as nothing has arrived for a short time.
//! MESSAGE and INFO without a response mean nothing, nor does a 408 to them from a proxy: many session border controllers drop both.

use std::time::Duration;

use crate::media::command::Command;
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, NetworkParts, Step};

/// A peer that may have lost its dialog is lost when nothing has arrived from it for this long.
const LOST_AFTER: Duration = Duration::from_secs(3);

impl Calls {
    /// A re-INVITE or UPDATE of ours got this final response.
    pub(in crate::switchboard) fn refresh_responded(&mut self, step: &mut Step, who: Who, status: u16) {
        match status {
            408 => self.doubt(step, who),
            _ => self.responded(step, who, status),
        }
    }

    /// Another request of ours in a peer's dialog got this final response.
    pub(in crate::switchboard) fn responded(&mut self, step: &mut Step, who: Who, status: u16) {
        match status {
            481 => self.doubt(step, who),
            408 => {}
            _ => self.trust(step, who),
        }
    }

    /// The peer may have lost the dialog.
    pub(in crate::switchboard) fn doubt(&mut self, step: &mut Step, who: Who) {
        self.doubt_for(step, who, LOST_AFTER);
    }

    /// The same, for a peer that is lost when nothing has arrived from it for `limit`.
    pub(in crate::switchboard) fn doubt_for(&mut self, step: &mut Step, who: Who, limit: Duration) {
        let Some(line) = self.line_mut(who).filter(|line| !line.doubted && line.dialog.is_some()) else { return };
        line.doubted = true;
        if let Some(anchor) = line.sound.as_ref().map(|sound| sound.anchor) {
            step.out.media.push(Command::LimitSilence { anchor, limit: Some(limit) });
        }
    }

    /// The peer has shown that it knows the dialog.
    pub(in crate::switchboard) fn trust(&mut self, step: &mut Step, who: Who) {
        let Some(line) = self.line_mut(who).filter(|line| line.doubted) else { return };
        line.doubted = false;
        if let Some(anchor) = line.sound.as_ref().map(|sound| sound.anchor) {
            step.out.media.push(Command::LimitSilence { anchor, limit: None });
        }
    }

    /// No media arrives from a peer any more. If the peer may have lost its dialog, it is lost, even if it need not send; returns true then.
    pub(in crate::switchboard) fn is_lost(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) -> bool {
        let doubted = self.line_mut(who).is_some_and(|line| line.doubted);
        if doubted {
            match who {
                Who::Caller(id) => self.caller_given_up(net, step, id),
                Who::Offer(id, leg) => self.leg_lost(net, step, id, leg),
                Who::Phone(phone) => self.end_phone(net, step, phone, true),
            }
        }
        doubted
    }
}
