//! 2xx responses that arrive after their INVITE has ended: each gets an ACK, and an unwanted dialog gets a BYE
//! (RFC 3261 §13.2.2.4).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::clock::{Instant, Now};
use crate::limits::PAST_INVITES_MAX;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::wire::{Message, Name};
use crate::switchboard::alarm::T1;
use crate::switchboard::ids::Who;
use crate::switchboard::session::Session;
use crate::switchboard::{Calls, NetworkParts, Step};

impl Calls {
    /// Stores an outgoing INVITE whose leg has ended, as long as a 2xx to it may arrive.
    pub(in crate::switchboard) fn remember_invite(
        &mut self,
        now: Now,
        who: Who,
        (from, call_id): (&[u8], &Bytes),
        cseq: u32,
        second: Option<Flow>,
    ) {
        let Some(session) = self.session(who).map(Session::remnant) else { return };
        let Some(tag) = Dialog::tag_of(from) else { return };
        let invite = PastInvite { who, cseq, session, second, until: now.mono + T1 * 64 };
        self.past_invites.add(now.mono, (call_id.clone(), tag), invite);
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

/// An outgoing INVITE whose leg has ended.
#[derive(Debug)]
pub(in crate::switchboard) struct PastInvite {
    pub(in crate::switchboard) who: Who,
    pub(in crate::switchboard) cseq: u32,
    /// The flow to the called party, the credentials that the ACK repeats, and the dialogs that have already got a BYE.
    pub(in crate::switchboard) session: Session,
    /// The second address of the phone, if the INVITE was also sent to it.
    pub(in crate::switchboard) second: Option<Flow>,
    pub(in crate::switchboard) until: Instant,
}

/// Outgoing INVITEs that have ended. When the table is full, the oldest is dropped, and a 2xx to it is ignored.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct PastInvites {
    pub(in crate::switchboard) known: BTreeMap<InviteKey, PastInvite>,
    order: VecDeque<(Instant, InviteKey)>,
}

impl PastInvites {
    pub(in crate::switchboard) fn add(&mut self, now: Instant, key: InviteKey, invite: PastInvite) {
        while let Some((_, key)) = self.order.pop_front_if(|(until, _)| *until <= now) {
            self.known.remove(&key);
        }
        self.order.push_back((invite.until, key.clone()));
        self.known.insert(key, invite);
        if self.order.len() > PAST_INVITES_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The Call-ID and From tag of an outgoing INVITE.
pub(in crate::switchboard) type InviteKey = (Bytes, Bytes);
