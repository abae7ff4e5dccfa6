//! The digits that wait for the peer.

use crate::sip::transaction::ClientId;
use std::collections::VecDeque;

/// The digits of one leg.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Digits {
    /// The digits for the peer. They are sent one after the other, because an INFO that overtakes another is out of order (RFC 3261
    /// §12.2.2).
    pub(in crate::switchboard::session) waiting: VecDeque<char>,
    /// The INFO that waits for its final response.
    pub(in crate::switchboard::session) pending: Option<ClientId>,
    /// The peer has sent telephone events. Its INFO requests repeat the same digits.
    pub(in crate::switchboard::session) sends_events: bool,
}

impl Digits {
    /// The INFO that waits for its final response.
    pub(in crate::switchboard::session) fn pending(&self) -> Option<ClientId> {
        self.pending
    }

    /// Drops the waiting digits, and returns the INFO whose response is no longer needed.
    pub(in crate::switchboard::session) fn forget(&mut self) -> Option<ClientId> {
        self.waiting.clear();
        self.pending.take()
    }

    /// Stores the new transaction of an INFO that was sent again.
    pub(in crate::switchboard::session) fn sent_again(&mut self, old: ClientId, new: ClientId) {
        self.pending = self.pending.map(|pending| if pending == old { new } else { pending });
    }
}
