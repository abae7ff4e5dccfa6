//! The INVITEs that siaga sent last: their 2xx may arrive late.

use crate::clock::Instant;
use crate::limits::PAST_INVITES_MAX;
use crate::sip::flow::Flow;
use crate::switchboard::ids::LegRef;
use crate::switchboard::session::Session;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// An outgoing INVITE whose leg has ended.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct PastInvite {
    pub(in crate::switchboard) who: LegRef,
    pub(in crate::switchboard) cseq: u32,
    /// The flow to the called party, the credentials that the ACK repeats, and the dialogs that have already got a BYE.
    pub(in crate::switchboard) session: Session,
    /// The second address of the phone, if the INVITE was also sent to it.
    pub(in crate::switchboard) second: Option<Flow>,
    pub(in crate::switchboard) until: Instant,
}

/// Outgoing INVITEs that have ended. When the table is full, the oldest is dropped, and a 2xx to it is ignored.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
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
