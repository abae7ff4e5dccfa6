//! Parses messages from the network.

use crate::sip::flow::{Flow, Transport};
use crate::sip::wire;
use crate::sip::wire::{Fault, Name, Parsed};

/// Parses one message. Over TCP or TLS, Content-Length is required (RFC 3261 §18.3, §20.14).
pub(in crate::switchboard) fn read(flow: Flow, bytes: &[u8]) -> Parsed<'_> {
    match wire::parse(bytes) {
        Parsed::Good(message) if flow.transport != Transport::Udp && message.first(Name::ContentLength).is_none() => {
            Parsed::Bad(message, Fault { status: 400, why: "no Content-Length" })
        }
        read @ (Parsed::Good(_) | Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => read,
    }
}
