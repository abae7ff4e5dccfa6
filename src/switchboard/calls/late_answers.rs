//! 2xx responses that arrive after their INVITE has ended: each gets an ACK, and an unwanted dialog gets a BYE
//! (RFC 3261 §13.2.2.4).

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::past_invites::PastInvite;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::timers::T1;

use bytes::Bytes;

use crate::clock::Now;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::wire::{Message, Name};

impl Calls {
    /// Stores an outgoing INVITE whose leg has ended, as long as a 2xx to it may arrive.
    pub(in crate::switchboard) fn remember_invite(
        &mut self,
        now: Now,
        who: LegRef,
        (from, call_id): (&[u8], &Bytes),
        cseq: u32,
        second: Option<Flow>,
    ) {
        let Some(session) = self.session(who).map(Session::remnant) else { return };
        let Some(tag) = Dialog::tag_of(from) else { return };
        let invite = PastInvite { who, cseq, session, second, until: now.mono + T1 * 64 };
        self.past_invites.add(now.mono, (call_id.clone(), tag), invite);
    }

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
        let sent = self.past_invites.known.get(&invite).map(|past| past.session.flow());
        if !sent.is_some_and(|sent| net.trunks.may_answer_late(&net.phones, sent, came_over)) {
            return;
        }
        let Some(past) = self.past_invites.known.get_mut(&invite) else { return };
        if now.mono >= past.until || cseq == 0 || cseq > past.cseq {
            return;
        }
        let from = message.first(Name::From).unwrap_or_default();
        let Ok(dialog) = Dialog::as_caller(from, cseq, message) else { return };
        let flow = past.second.filter(|second| second.remote == came_over.remote);
        past.session.decline_answer(net, step, past.who, (dialog, cseq), flow);
    }
}
