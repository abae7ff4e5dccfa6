//! A 2xx that waits for its ACK.

use crate::clock::Instant;
use crate::sip::transaction::ServerId;
use crate::switchboard::session::state::repeats::Repeats;
use bytes::Bytes;

/// A 2xx to an INVITE that waits for its ACK.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Unacked {
    pub(in crate::switchboard::session) server: ServerId,
    /// The CSeq number of the INVITE and the ACK.
    pub(in crate::switchboard::session) cseq: u32,
    pub(in crate::switchboard::session) bytes: Bytes,
    pub(in crate::switchboard::session) repeats: Repeats,
}

impl Unacked {
    /// The time of the next retransmission, or of giving up.
    pub(in crate::switchboard::session) fn due(&self) -> Instant {
        self.repeats.due()
    }
}
