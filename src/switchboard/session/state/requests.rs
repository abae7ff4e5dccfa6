//! The re-INVITEs and UPDATEs of siaga in a dialog.

use crate::clock::Instant;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::session::state::closing::Credentials;

/// A re-INVITE or UPDATE of siaga that waits for its final response.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct PendingRequest {
    pub(in crate::switchboard::session) client: ClientId,
    pub(in crate::switchboard::session) method: Method,
    pub(in crate::switchboard::session) cseq: u32,
}

/// A re-INVITE of siaga whose transaction has ended without a final response. Its 2xx may still arrive.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Unanswered {
    pub(in crate::switchboard::session) cseq: u32,
    /// True if its SDP no longer applies, because a later request was sent.
    pub(in crate::switchboard::session) outdated: bool,
}

/// siaga's own requests in the dialog.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Requests {
    /// True if the peer's Allow contains UPDATE.
    pub(in crate::switchboard::session) allows_update: bool,
    pub(in crate::switchboard::session) pending: Option<PendingRequest>,
    /// The last answered re-INVITE of siaga and its CSeq: its 2xx may be retransmitted.
    pub(in crate::switchboard::session) reinvited: Option<(ClientId, u32)>,
    /// A re-INVITE of siaga without a response in time.
    pub(in crate::switchboard::session) unanswered: Option<Unanswered>,
    pub(in crate::switchboard::session) credentials: Option<Credentials>,
    /// The time at which audio is offered to the caller again.
    pub(in crate::switchboard::session) audio_again_at: Option<Instant>,
}

impl Requests {
    /// True if this re-INVITE or UPDATE waits for a response, or is the last answered re-INVITE.
    pub(in crate::switchboard::session) fn holds(&self, client: ClientId) -> bool {
        self.pending.is_some_and(|pending| pending.client == client)
            || self.reinvited.is_some_and(|(last, _)| last == client)
    }

    /// The time at which audio is offered to the caller again.
    pub(in crate::switchboard::session) fn audio_again_at(&self) -> Option<Instant> {
        self.audio_again_at
    }
}
