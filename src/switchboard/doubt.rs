//! Peers that may not know their dialog any more: a request of ours in it got 481 or 408, or no response (RFC 3261 §12.2.1.2). A
//! peer whose media still arrives keeps its call; it is lost as soon as nothing has arrived for a short time.

use std::time::Duration;

use crate::cdr::fact::{EndCause, Side};
use crate::clock::Now;
use crate::media::command::Command;

use super::Switchboard;
use super::end::Ending;
use super::leg::Who;

/// A peer whose dialog is in doubt is lost when nothing has arrived from it for so long.
const LOST_AFTER: Duration = Duration::from_secs(3);

impl Switchboard {
    /// A request of ours in a peer's dialog got this final response. 408: none.
    pub(super) fn responded(&mut self, who: Who, status: u16) {
        match status {
            408 | 481 => self.doubt(who),
            200..=299 => self.trust(who),
            _ => {}
        }
    }

    /// The peer may be gone.
    pub(super) fn doubt(&mut self, who: Who) {
        let Some(line) = self.line_mut(who).filter(|line| !line.doubted && line.dialog.is_some()) else { return };
        line.doubted = true;
        if let Some(anchor) = line.sound.as_ref().map(|sound| sound.anchor) {
            self.media.push(Command::LimitSilence { anchor, limit: Some(LOST_AFTER) });
        }
    }

    /// The peer has shown that it knows the dialog.
    pub(super) fn trust(&mut self, who: Who) {
        let Some(line) = self.line_mut(who).filter(|line| line.doubted) else { return };
        line.doubted = false;
        if let Some(anchor) = line.sound.as_ref().map(|sound| sound.anchor) {
            self.media.push(Command::LimitSilence { anchor, limit: None });
        }
    }

    /// Nothing arrives any more from a peer. True when its dialog was in doubt: it is lost, even if it need not send.
    pub(super) fn is_lost(&mut self, now: Now, who: Who) -> bool {
        let doubted = self.line_mut(who).is_some_and(|line| line.doubted);
        if doubted {
            match who {
                Who::Caller(id) => self.end_call(now, id, Ending::by(Side::Service, EndCause::CallerLost)),
                Who::Offer(id, leg) => self.leg_lost(now, id, leg),
                Who::Phone(phone) => self.end_phone(now, phone, true),
            }
        }
        doubted
    }
}
