//! 2xx that arrive after their INVITE has ended: each gets an ACK, and an unwanted dialog gets a BYE (RFC 3261 §13.2.2.4).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::clock::Instant;
use crate::limits::PAST_INVITES_MAX;
use crate::sip::flow::Flow;
use crate::switchboard::ids::Who;
use crate::switchboard::session::leg::Line;

/// The Call-ID and From tag of one of our INVITEs.
type InviteKey = (Bytes, Bytes);

/// One of our INVITEs, whose leg has ended.
#[derive(Debug)]
pub(in crate::switchboard) struct PastInvite {
    pub(in crate::switchboard) who: Who,
    pub(in crate::switchboard) cseq: u32,
    /// The flow to the callee, the credentials that the ACK repeats, and the dialogs that already got a BYE.
    pub(in crate::switchboard) line: Line,
    /// The other address of the phone, if the INVITE has gone there too.
    pub(in crate::switchboard) second: Option<Flow>,
    pub(in crate::switchboard) until: Instant,
}

/// Our INVITEs that have ended. Full: the oldest is dropped, and a 2xx to it is ignored.
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
