//! One contact of an address of record, and whether its phone responds.

use bytes::Bytes;

use crate::clock::Instant;
use crate::sip::flow::Flow;
use crate::sip::uri;

/// One contact of an address of record.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Binding {
    /// The Contact URI, unchanged, without angle brackets.
    pub uri: Bytes,
    /// `+sip.instance` (RFC 5626 §4.1), unchanged.
    pub instance: Option<Bytes>,
    /// `reg-id`.
    pub reg_id: Option<u32>,
    /// The flow of the REGISTER: requests to the phone are sent over it.
    pub flow: Flow,
    /// q value in thousandths; 1000 if absent.
    pub q: u16,
    pub expires_at: Instant,
    /// When it was registered or last refreshed.
    pub registered_at: Instant,
    pub call_id: Bytes,
    pub cseq: u32,
    pub user_agent: Option<Bytes>,
    pub reach: Reach,
}

/// Whether a binding's phone responds. A REGISTER resets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// True if the phone has not responded: `[0]` at the address of its Contact, `[1]` at the source address of its REGISTER.
    pub silent: [bool; 2],
    /// The phone counts as unreachable: other phones are rung first.
    pub unreachable: bool,
}

impl Binding {
    /// The Contact URI as a Request-URI, without header fields that a phone appends (RFC 3261 §19.1.1, table 1).
    pub fn request_uri(&self) -> Bytes {
        Bytes::from(uri::for_request_line(&self.uri))
    }
}
