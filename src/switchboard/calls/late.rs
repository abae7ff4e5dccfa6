//! 2xx that arrive after their INVITE has ended: each gets an ACK, and an unwanted dialog gets a BYE (RFC 3261 §13.2.2.4).

use bytes::Bytes;

use crate::clock::Now;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::wire::{Message, Method};
use crate::switchboard::alarm::T1;
use crate::switchboard::calls::refresh::Unanswered;
use crate::switchboard::ids::Who;
use crate::switchboard::session::leg::Line;
use crate::switchboard::wire::late::PastInvite;
use crate::switchboard::{Calls, NetworkParts, Step};

impl Calls {
    /// Keeps one of our INVITEs whose leg has ended, as long as a 2xx to it may arrive.
    pub(in crate::switchboard) fn remember_invite(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        who: Who,
        (from, call_id): (&[u8], &Bytes),
        cseq: u32,
        second: Option<Flow>,
    ) {
        let Some(old) = self.line_mut(who) else { return };
        let mut line = Line::new(old.flow, old.follow_target);
        line.credentials = old.credentials.clone();
        // The leg's own dialog gets, or has got, its own BYE.
        line.hung_up.clone_from(&old.hung_up);
        line.hung_up.extend(old.dialog.iter().map(|dialog| dialog.key().remote_tag.clone()));
        let Some(tag) = Dialog::tag_of(from) else { return };
        let invite = PastInvite { who, cseq, line, second, until: now.mono + T1 * 64 };
        net.wire.past_invites.add(now.mono, (call_id.clone(), tag), invite);
    }
}

impl Calls {
    /// Acknowledges each late 2xx to our re-INVITE. The session uses its description unless another request was sent in between (RFC 3261
    /// §17.1.1.2).
    pub(in crate::switchboard) fn late_refresh(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        message: &Message<'_>,
        cseq: u32,
    ) {
        let Some(unanswered) = self.line_mut(who).and_then(|line| line.unanswered.as_mut()) else { return };
        if unanswered.cseq != cseq {
            return;
        }
        match std::mem::replace(unanswered, Unanswered { cseq, outdated: true }).outdated {
            true => self.ack(step, who, cseq),
            false => self.refreshed(net, step, who, (Method::Invite, cseq), message),
        }
    }
}
