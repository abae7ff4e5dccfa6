//! How a session ends: credentials of the ACK, reason, and dialogs that have got a BYE.

use crate::sip::wire::Name;
use crate::switchboard::session::state::held_bye::HeldBye;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Credentials of an outgoing INVITE, which its ACK repeats (RFC 3261 §13.2.2.4). They are never logged.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Credentials {
    pub(in crate::switchboard::session) cseq: u32,
    pub(in crate::switchboard::session) name: Name,
    pub(in crate::switchboard::session) value: Bytes,
}

impl Credentials {
    pub(in crate::switchboard) fn of(cseq: u32, name: Name, value: &[u8]) -> Self {
        Self { cseq, name, value: Bytes::copy_from_slice(value) }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("cseq", &self.cseq).finish_non_exhaustive()
    }
}

/// Which side sends the BYE of a session that ends, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Bye {
    /// The peer has sent it.
    Received,
    /// siaga, at once: the peer is lost, and its ACK is not awaited.
    AtOnce,
    /// siaga, after the ACK to its 2xx: a called party must not send BYE before (RFC 3261 §15).
    AfterAck,
}

/// How a session ends.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Closing {
    /// The session has ended.
    pub(in crate::switchboard::session) closed: bool,
    /// The session has ended, but the BYE must wait for the ACK (RFC 3261 §15).
    pub(in crate::switchboard::session) bye_due: bool,
    /// The Reason header field of the BYE or CANCEL (RFC 3326).
    pub(in crate::switchboard::session) reason: Option<Bytes>,
    /// The To tags of unwanted dialogs that have already got a BYE: a repeated 2xx gets only the ACK.
    pub(in crate::switchboard::session) hung_up: BTreeSet<Bytes>,
    /// The peer's BYE, while an earlier request may still arrive.
    pub(in crate::switchboard::session) held_bye: Option<HeldBye>,
}

impl Closing {
    pub(in crate::switchboard::session) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(in crate::switchboard::session) fn is_bye_due(&self) -> bool {
        self.bye_due
    }

    pub(in crate::switchboard::session) fn take_bye_due(&mut self) -> bool {
        std::mem::take(&mut self.bye_due)
    }
}
