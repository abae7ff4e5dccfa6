//! The reliable provisional responses to a caller (RFC 3262).

use crate::clock::Instant;
use crate::sip::wire::Message;
use crate::sip::{option_tag, reliable};
use crate::switchboard::session::state::repeats::Repeats;
use crate::switchboard::settings::SessionSettings;
use crate::switchboard::step::Step;
use bytes::Bytes;

/// A reliable provisional response that waits for its PRACK.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Unpracked {
    pub(in crate::switchboard::session) rseq: u32,
    pub(in crate::switchboard::session) status: u16,
    pub(in crate::switchboard::session) bytes: Bytes,
    /// True if it contains SDP: no 2xx may be sent before its PRACK (RFC 3262 §3).
    pub(in crate::switchboard::session) described: bool,
    pub(in crate::switchboard::session) repeats: Repeats,
}

impl Unpracked {
    pub(in crate::switchboard::session) fn due(&self) -> Instant {
        self.repeats.due()
    }
}

/// The reliable provisional responses to one caller's INVITE. Only one is pending: the next waits for its PRACK.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Reliable {
    /// The RSeq of the next response.
    pub(in crate::switchboard::session) next: u32,
    pub(in crate::switchboard::session) unpracked: Option<Unpracked>,
    /// The RSeq of the last response, which is no longer repeated because the final response has been sent. Its PRACK
    /// may still arrive (RFC 3262 §3).
    pub(in crate::switchboard::session) late: Option<u32>,
    /// True if SDP was sent reliably: the 2xx then has none.
    pub(in crate::switchboard::session) described: bool,
    /// The provisional status to send after the PRACK.
    pub(in crate::switchboard::session) waiting: Option<u16>,
    /// True if the 2xx must be sent after the PRACK.
    pub(in crate::switchboard::session) answer_due: bool,
}

impl Reliable {
    /// The state of reliable responses to this INVITE; None if they are not reliable.
    pub(in crate::switchboard::session) fn of_invite(
        settings: SessionSettings,
        step: &mut Step,
        invite: &Message<'_>,
    ) -> Option<Self> {
        let required = option_tag::is_required(invite, option_tag::RELIABLE);
        let wanted = settings.reliable_when_supported && option_tag::is_supported(invite, option_tag::RELIABLE);
        (required || wanted).then(|| Self {
            next: reliable::first_number(step.rng.next_u64()),
            unpracked: None,
            late: None,
            described: false,
            waiting: None,
            answer_due: false,
        })
    }

    /// The time at which the pending response is repeated or given up.
    pub(in crate::switchboard::session) fn due(&self) -> Option<Instant> {
        self.unpracked.as_ref().map(Unpracked::due)
    }

    /// True if SDP was sent reliably.
    pub(in crate::switchboard::session) fn is_described(&self) -> bool {
        self.described
    }
}
