//! The two requests that a client builds from a stored INVITE for the same hop: CANCEL (RFC 3261 §9.1) and the ACK of a final response
//! that is not a 2xx (RFC 3261 §17.1.1.3).

use bytes::Bytes;

use crate::sip::message::{self, Builder};
use crate::sip::wire::{self, Message, Method, Name, Parsed};

/// The ACK of `response`: all values from the INVITE, except To from the response.
pub(super) fn ack(invite: &[u8], response: &Message<'_>) -> Option<Bytes> {
    let invite = read(invite)?;
    let to = response.first(Name::To).or_else(|| invite.first(Name::To))?;
    Some(same_hop(&invite, Method::Ack, "ACK", to)?.encode())
}

/// The CANCEL of an INVITE, with the value of a Reason (RFC 3326 §2).
pub(super) fn cancel(invite: &[u8], reason: Option<&[u8]>) -> Option<Bytes> {
    let invite = read(invite)?;
    let cancel = same_hop(&invite, Method::Cancel, "CANCEL", invite.first(Name::To)?)?;
    Some(reason.iter().fold(cancel, |cancel, reason| cancel.header(Name::Reason, reason)).encode())
}

fn read(bytes: &[u8]) -> Option<Message<'_>> {
    match wire::parse(bytes) {
        Parsed::Good(message) | Parsed::Bad(message, _) => Some(message),
        Parsed::KeepAlive | Parsed::Garbage(_) => None,
    }
}

fn same_hop(invite: &Message<'_>, method: Method, name: &str, to: &[u8]) -> Option<Builder> {
    let cseq = format!("{} {name}", invite.cseq().ok()?.number);
    let mut builder = message::request(method, invite.request_uri()?).header(Name::Via, invite.list(Name::Via).next()?);
    for route in invite.lines(Name::Route) {
        builder = builder.header(Name::Route, route);
    }
    let builder = builder
        .header(Name::MaxForwards, b"70")
        .header(Name::From, invite.first(Name::From)?)
        .header(Name::To, to)
        .header(Name::CallId, invite.call_id().ok()?)
        .header(Name::CSeq, cseq.as_bytes());
    Some(builder)
}
