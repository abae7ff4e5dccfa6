//! The parts of parsed values as offsets, so that a message can keep them beside its fields and parses each value once.

use std::borrow::Cow;

use super::super::wire::method::Method;
use super::{CSeq, NameAddr, Params, Via};

/// Where a part is in its value.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    /// `part` is a slice of `value`, or empty.
    fn of(value: &[u8], part: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let from = part.as_ptr().addr().wrapping_sub(value.as_ptr().addr());
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { from: narrow(from), to: narrow(from.saturating_add(part.len())) }
    }

    fn get(self, value: &[u8]) -> &[u8] {
        value.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

/// The parts of a Via.
#[derive(Clone, Copy, Debug)]
pub(in crate::sip) struct ViaParts {
    transport: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
}

impl ViaParts {
    /// The parts of `via`, which was parsed from `value`.
    pub(in crate::sip) fn of(value: &[u8], via: &Via<'_>) -> Self {
        Self {
            transport: Span::of(value, via.transport),
            host: Span::of(value, via.host),
            port: via.port,
            params: Span::of(value, via.params.raw),
        }
    }

    /// The Via again.
    pub(in crate::sip) fn get(self, value: &[u8]) -> Via<'_> {
        Via {
            transport: self.transport.get(value),
            host: self.host.get(value),
            port: self.port,
            params: Params { raw: self.params.get(value) },
        }
    }
}

/// The parts of a name-addr.
#[derive(Clone, Copy, Debug)]
pub(in crate::sip) struct NameAddrParts {
    display: Option<Span>,
    uri: Span,
    params: Span,
}

impl NameAddrParts {
    /// The parts of `address`, which was parsed from `value`. None if its display name is not a part of `value`, because of escapes.
    pub(in crate::sip) fn of(value: &[u8], address: &NameAddr<'_>) -> Option<Self> {
        let display = match &address.display {
            Some(Cow::Borrowed(display)) => Some(Span::of(value, display)),
            Some(Cow::Owned(_)) => return None,
            None => None,
        };
        Some(Self { display, uri: Span::of(value, address.uri), params: Span::of(value, address.params.raw) })
    }

    /// The name-addr again.
    pub(in crate::sip) fn get(self, value: &[u8]) -> NameAddr<'_> {
        NameAddr {
            display: self.display.map(|display| Cow::Borrowed(display.get(value))),
            uri: self.uri.get(value),
            params: Params { raw: self.params.get(value) },
        }
    }
}

/// The parts of a CSeq.
#[derive(Clone, Copy, Debug)]
pub(in crate::sip) struct CSeqParts {
    number: u32,
    method: Method,
    method_text: Span,
}

impl CSeqParts {
    /// The parts of `cseq`, which was parsed from `value`.
    pub(in crate::sip) fn of(value: &[u8], cseq: &CSeq<'_>) -> Self {
        Self { number: cseq.number, method: cseq.method, method_text: Span::of(value, cseq.method_text) }
    }

    /// The CSeq again.
    pub(in crate::sip) fn get(self, value: &[u8]) -> CSeq<'_> {
        CSeq { number: self.number, method: self.method, method_text: self.method_text.get(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_values_are_the_same_from_their_parts() {
        for value in ["SIP/2.0/UDP a.example:5061;branch=z9hG4bKx;rport", "SIP/2.0/TCP [::1]", "SIP / 2.0 / TLS a ; x"]
        {
            let via = Via::parse(value.as_bytes()).unwrap();
            assert_eq!(ViaParts::of(value.as_bytes(), &via).get(value.as_bytes()), via);
        }
        for value in ["<sip:a@b>", "\"A B\" <sip:a@b>;tag=1", "A <sip:a@b> ;x;tag=1", "sip:a@b;tag=2", "\"\" <sip:a@b>"]
        {
            let address = NameAddr::parse(value.as_bytes()).unwrap();
            assert_eq!(NameAddrParts::of(value.as_bytes(), &address).unwrap().get(value.as_bytes()), address);
        }
        let escaped = NameAddr::parse(br#""A \" B" <sip:a@b>"#).unwrap();
        assert!(NameAddrParts::of(b"", &escaped).is_none());
        let value = b"17  INVITE";
        let cseq = CSeq::parse(value).unwrap();
        assert_eq!(CSeqParts::of(value, &cseq).get(value), cseq);
    }
}
