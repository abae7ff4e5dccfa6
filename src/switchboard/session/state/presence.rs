//! The OPTIONS to a silent peer and their result.

use crate::clock::Instant;
use crate::sip::transaction::ClientId;
use std::time::Duration;

/// The result of the OPTIONS to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) enum Found {
    #[default]
    Nothing,
    /// The call lasts unusually long: the peer gets OPTIONS as soon as it is silent.
    Awaited,
    /// The peer was silent and has responded.
    Present,
    /// The peer was silent, and has not responded or has lost the dialog.
    Gone,
}

/// An OPTIONS in the dialog of a silent peer.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Inquiry {
    pub(in crate::switchboard::session) client: ClientId,
    /// The time at which an outgoing leg is treated as lost; None for a caller.
    pub(in crate::switchboard::session) until: Option<Instant>,
}

/// How long a peer that may be gone has to respond to OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum Patience {
    /// Four transmissions over UDP: an outgoing leg or an operator's phone.
    Short,
    /// Timer F: a caller.
    TimerF,
}

/// What is known about the presence of the peer.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Presence {
    /// Set if the peer may have lost the dialog: it is lost after this time without media.
    pub(in crate::switchboard::session) doubted: Option<Duration>,
    /// Set if the peer may be gone: it gets OPTIONS as soon as its media stops.
    pub(in crate::switchboard::session) suspected: Option<Patience>,
    pub(in crate::switchboard::session) inquiry: Option<Inquiry>,
    /// Number of OPTIONS in succession that could not be sent, because the transport failed.
    pub(in crate::switchboard::session) unsent: u8,
    pub(in crate::switchboard::session) found: Found,
}

impl Presence {
    /// True if this is the OPTIONS that waits for its response.
    pub(in crate::switchboard::session) fn asked_by(&self, client: ClientId) -> bool {
        self.inquiry.is_some_and(|inquiry| inquiry.client == client)
    }

    /// The time at which an outgoing leg without a response is treated as lost.
    pub(in crate::switchboard::session) fn due(&self) -> Option<Instant> {
        self.inquiry.and_then(|inquiry| inquiry.until)
    }
}
