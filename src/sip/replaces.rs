//! Replaces (RFC 3891): identifies the dialog that a new dialog replaces.

use bytes::Bytes;

use super::dialog::{CallIdHeader, DialogKey};
use super::header::Params;
use super::wire::lex::split;
use super::wire::{Fault, Message, Name};

const FAULT: Fault = Fault { status: 400, why: "Replaces" };

/// Identifies a dialog from the view of the recipient of the INVITE (RFC 3891 §3): `to_tag` is the recipient's own tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: Bytes,
    pub to_tag: Bytes,
    pub from_tag: Bytes,
    /// Only an early dialog may be replaced.
    pub early_only: bool,
}

impl Replaces {
    /// Reads `call-id;to-tag=…;from-tag=…`. Each tag must occur once (RFC 3891 §6.1).
    pub fn parse(value: &[u8]) -> Result<Self, Fault> {
        let value = value.trim_ascii();
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let (call_id, params) = split(value, end);
        let params = Params::new(params);
        let once = |name: &str| {
            let count = params.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).count();
            let tag = params.value(name).filter(|_| count == 1).ok_or(FAULT)?;
            Ok::<Bytes, Fault>(Bytes::copy_from_slice(&tag))
        };
        let call_id = call_id.trim_ascii();
        if call_id.is_empty() {
            return Err(FAULT);
        }
        Ok(Self {
            call_id: Bytes::copy_from_slice(call_id),
            to_tag: once("to-tag")?,
            from_tag: once("from-tag")?,
            early_only: params.has("early-only"),
        })
    }

    /// The Replaces of an INVITE; more than one is an error (RFC 3891 §3).
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Fault> {
        let mut lines = message.lines(Name::Replaces);
        match (lines.next(), lines.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::parse(value).map(Some),
            (Some(_), Some(_)) => Err(FAULT),
        }
    }

    /// The same dialog from the other side, for a phone that has read the identifiers in a document about the ringing phone (RFC 4235):
    /// the tags are swapped.
    #[must_use]
    pub fn from_the_other_side(&self) -> Self {
        let (to_tag, from_tag) = (self.from_tag.clone(), self.to_tag.clone());
        Self { to_tag, from_tag, ..self.clone() }
    }

    /// The possible keys of the dialog: a tag of `0` also stands for a peer without tags (RFC 3891 §6.1).
    pub fn keys(&self) -> impl Iterator<Item = DialogKey> + use<> {
        let key = |remote_tag: Bytes| DialogKey {
            call_id: CallIdHeader(self.call_id.clone()),
            local_tag: self.to_tag.clone(),
            remote_tag,
        };
        let without = (self.from_tag.as_ref() == b"0").then(|| key(Bytes::new()));
        std::iter::once(key(self.from_tag.clone())).chain(without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let one = Replaces::parse(b"98732@sip.example.com\r\n ;from-tag=r33th4x0r ;to-tag=ff87ff").unwrap();
        assert_eq!((one.call_id.as_ref(), one.to_tag.as_ref()), (&b"98732@sip.example.com"[..], &b"ff87ff"[..]));
        assert_eq!((one.from_tag.as_ref(), one.early_only), (&b"r33th4x0r"[..], false));
        let early = Replaces::parse(b"87134@171.161.34.23;to-tag=24796;from-tag=0;early-only").unwrap();
        assert!(early.early_only);
        let tags: Vec<Bytes> = early.keys().map(|key| key.remote_tag).collect();
        assert_eq!(tags, [Bytes::from_static(b"0"), Bytes::new()]);
    }

    #[test]
    fn each_tag_must_stand_there_once() {
        for wrong in [
            &b""[..],
            b";to-tag=a;from-tag=b",
            b"x;to-tag=a",
            b"x;from-tag=b",
            b"x;to-tag=a;from-tag=",
            b"x;to-tag=a;to-tag=c;from-tag=b",
        ] {
            assert_eq!(Replaces::parse(wrong), Err(FAULT), "{}", wrong.escape_ascii());
        }
    }
}
