//! Keys that match a message to its transaction (RFC 3261 §17.1.3, §17.2.3).
//!
//! A key is a byte string of its parts, each after its length, so that two different keys never have the same bytes; the tables compare
//! the whole string.

use std::borrow::Cow;
use std::sync::Arc;

use crate::sip::header::Via;
use crate::sip::wire::{Message, Method, Name};

/// A key in a table.
pub(super) type Key = Arc<[u8]>;

const COOKIE: &[u8] = b"z9hG4bK";

/// The transaction to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The transaction that the request belongs to or starts.
    Own,
    /// The INVITE to which a CANCEL or an ACK belongs.
    Invite,
}

/// A buffer in which keys are built for look-ups, so that only keys in the tables are allocated.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct KeyBuffer(Vec<u8>);

impl KeyBuffer {
    /// The key of a server transaction (RFC 3261 §17.2.3). None if the request lacks a part.
    ///
    /// With a branch of RFC 3261: branch, sent-by, method and, beyond the RFC, Call-ID and CSeq number. These are equal in a
    /// retransmission, ACK and CANCEL, so a peer that uses one branch twice still gets its call.
    pub(super) fn server(&mut self, request: &Message<'_>, wanted: Wanted) -> Option<&[u8]> {
        let via = request.via().ok()?;
        let Some(branch) = rfc3261_branch(&via) else {
            let to = request.to().ok()?;
            return self.legacy(request, wanted, to.tag().as_deref());
        };
        let cseq = request.cseq().ok()?;
        let port = via.port.unwrap_or(if via.transport.eq_ignore_ascii_case(b"TLS") { 5061 } else { 5060 });
        self.0.clear();
        self.0.push(b'3');
        self.part(&branch);
        self.part_in_lower_case(via.host);
        self.part(&port.to_be_bytes());
        self.part(method(wanted, cseq.method_text));
        self.part(request.call_id().ok()?);
        self.part(&cseq.number.to_be_bytes());
        Some(&self.0)
    }

    /// The key of a server transaction whose client uses RFC 2543 (RFC 3261 §17.2.3). `to_tag` is that of the request that started it.
    pub(super) fn legacy(&mut self, request: &Message<'_>, wanted: Wanted, to_tag: Option<&[u8]>) -> Option<&[u8]> {
        let (cseq, from) = (request.cseq().ok()?, request.from().ok()?);
        self.0.clear();
        self.0.push(b'2');
        self.part(request.request_uri()?);
        self.part(to_tag.unwrap_or_default());
        self.part(from.tag().as_deref().unwrap_or_default());
        self.part(request.call_id().ok()?);
        self.part(&cseq.number.to_be_bytes());
        self.part(method(wanted, cseq.method_text));
        self.part(request.list(Name::Via).next()?);
        Some(&self.0)
    }

    /// The key of a client transaction (RFC 3261 §17.1.3): our branch, and the method of CSeq.
    pub(super) fn client(&mut self, branch: &[u8], method: Method) -> &[u8] {
        self.0.clear();
        self.0.push(method as u8);
        self.part(branch);
        &self.0
    }

    /// The key of the CANCEL of a client INVITE: the same branch (RFC 3261 §9.1).
    pub(super) fn cancel_of(invite: &Key) -> Key {
        std::iter::once(Method::Cancel as u8).chain(invite.iter().skip(1).copied()).collect()
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes.len().to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn part_in_lower_case(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes.len().to_be_bytes());
        self.0.extend(bytes.iter().map(u8::to_ascii_lowercase));
    }
}

/// True if the request can only be matched by the rules of RFC 2543.
pub(super) fn is_legacy(request: &Message<'_>) -> bool {
    request.via().is_ok_and(|via| rfc3261_branch(&via).is_none())
}

fn method(wanted: Wanted, own: &[u8]) -> &[u8] {
    match wanted {
        Wanted::Own => own,
        Wanted::Invite => b"INVITE",
    }
}

/// The branch if it starts with the magic cookie. The bare cookie identifies nothing: such a request is matched by the rules of RFC 2543
/// (RFC 4475 §3.2.1).
fn rfc3261_branch<'a>(via: &Via<'a>) -> Option<Cow<'a, [u8]>> {
    via.branch().filter(|branch| {
        let (head, rest) = branch.split_at_checked(COOKIE.len()).unwrap_or_default();
        head.eq_ignore_ascii_case(COOKIE) && !rest.is_empty()
    })
}
