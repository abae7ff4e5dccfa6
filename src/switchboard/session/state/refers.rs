//! The REFERs of a dialog.

use crate::clock::Instant;
use crate::sip::transaction::ClientId;

/// The REFERs of one dialog.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Refers {
    pub(in crate::switchboard::session) taken: u32,
    pub(in crate::switchboard::session) open: Option<Subscription>,
    /// The time at which the phone was last notified, or may have been notified, that a transfer has failed.
    pub(in crate::switchboard::session) failed_at: Option<Instant>,
}

/// The subscription of one REFER.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Subscription {
    /// The value of the Event header field.
    pub(in crate::switchboard::session) event: String,
    /// The last NOTIFY, until its final response.
    pub(in crate::switchboard::session) pending: Option<ClientId>,
    /// True if the last NOTIFY reported a failure.
    pub(in crate::switchboard::session) failed: bool,
    /// True if the last NOTIFY ended the subscription.
    pub(in crate::switchboard::session) over: bool,
}

impl Refers {
    /// Ends the subscription. Returns the pending NOTIFY.
    pub(in crate::switchboard::session) fn forget(&mut self) -> Option<ClientId> {
        self.open.take().and_then(|open| open.pending)
    }

    /// The last NOTIFY, if it has no final response yet.
    pub(in crate::switchboard::session) fn pending(&self) -> Option<ClientId> {
        self.open.as_ref().and_then(|open| open.pending)
    }
}
