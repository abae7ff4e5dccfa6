//! Messages for the tests of this module.

use super::{Message, Parsed, parse};

/// Parses a valid message.
pub(in crate::sip) fn good(bytes: &[u8]) -> Message<'_> {
    match parse(bytes) {
        Parsed::Good(message) => message,
        other @ (Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => {
            panic!("{other:?}: {}", bytes.escape_ascii())
        }
    }
}

/// Parses an INVITE with these additional header fields, each with its line end.
pub(in crate::sip) fn invite_with<T>(fields: &str, look: impl FnOnce(&Message<'_>) -> T) -> T {
    let text = format!(
        "INVITE sip:112@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:112@h>\r\n\
         Call-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{fields}Content-Length: 0\r\n\r\n"
    );
    look(&good(text.as_bytes()))
}
