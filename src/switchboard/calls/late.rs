//! 2xx responses that arrive after their INVITE has ended: each gets an ACK, and an unwanted dialog gets a BYE
//! (RFC 3261 §13.2.2.4).

use crate::switchboard::alarm::T1;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::calls::refresh::Unanswered;
use crate::switchboard::calls::state::past_invites::PastInvite;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

use bytes::Bytes;

use crate::clock::Now;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::wire::{Message, Method, Name};

impl Calls {
    /// Stores an outgoing INVITE whose leg has ended, as long as a 2xx to it may arrive.
    pub(in crate::switchboard) fn remember_invite(
        &mut self,
        _net: &mut NetworkParts,
        now: Now,
        who: Who,
        (from, call_id): (&[u8], &Bytes),
        cseq: u32,
        second: Option<Flow>,
    ) {
        let Some(old) = self.line_mut(who) else { return };
        let mut line = Line::new(old.flow, old.follow_target);
        line.credentials = old.credentials.clone();
        // The leg's own dialog is ended by its own BYE.
        line.hung_up.clone_from(&old.hung_up);
        line.hung_up.extend(old.dialog.iter().map(|dialog| dialog.key().remote_tag.clone()));
        let Some(tag) = Dialog::tag_of(from) else { return };
        let invite = PastInvite { who, cseq, line, second, until: now.mono + T1 * 64 };
        self.past_invites.add(now.mono, (call_id.clone(), tag), invite);
    }
}

impl Calls {
    /// Acknowledges a late 2xx to an outgoing re-INVITE. The session uses its SDP unless another request was sent in
    /// between (RFC 3261 §17.1.1.2).
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

impl Calls {
    /// Ends the dialog of a 2xx from a called party that is no longer wanted.
    pub(in crate::switchboard) fn decline(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        came_over: Flow,
        message: &Message<'_>,
        key: DialogKey,
        cseq: u32,
    ) {
        let now = step.now;
        let invite = (key.call_id.0.clone(), key.local_tag.clone());
        let sent = self.past_invites.known.get(&invite).map(|past| past.line.flow);
        if !sent.is_some_and(|sent| net.trunks.may_answer_late(&net.phones, sent, came_over)) {
            return;
        }
        let Some(past) = self.past_invites.known.get_mut(&invite) else { return };
        if now.mono >= past.until || cseq == 0 || cseq > past.cseq {
            return;
        }
        let from = message.first(Name::From).unwrap_or_default();
        let Ok(dialog) = Dialog::as_caller(from, cseq, message) else { return };
        let from_second = past.second.filter(|second| second.remote == came_over.remote);
        let flow = from_second.unwrap_or_else(|| past.line.flow_in(&dialog));
        let (who, ack) = (past.who, past.line.ack(&dialog, cseq));
        let hangs_up = past.line.hangs_up(&dialog);
        net.trunks.decline_over(&mut net.wire, step, who, flow, (ack, hangs_up), dialog);
    }
}
