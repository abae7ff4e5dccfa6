//! Reads the Contact values of a REGISTER (RFC 3261 §10.3 steps 6 and 7, RFC 5626 §6).

use bytes::Bytes;

use super::binding::Binding;
use crate::limits::{BINDINGS_PER_AOR_MAX, CONTACT_BYTES_MAX};
use crate::sip::header::NameAddr;
use crate::sip::uri::{self, Uri};
use crate::sip::wire::{Fault, Message, Name};

/// The expiry that replaces a malformed one, in seconds (RFC 3261 §10.2.1.1, §20.10).
const MALFORMED_EXPIRES: u32 = 3600;

/// The Contact values of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contacts {
    /// No Contact: a query for the bindings.
    None,
    /// `*`: remove all bindings.
    All,
    Some(Vec<Contact>),
}

/// One Contact value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) uri: Bytes,
    pub(super) instance: Option<Bytes>,
    pub(super) reg_id: Option<u32>,
    pub(super) q: u16,
    /// Seconds; None if neither the value nor the request has an expiry.
    pub(super) expires: Option<u32>,
}

impl Contact {
    /// True if the contact identifies the binding: the same URI, or the same flow of the same phone (RFC 5626 §6).
    pub(super) fn is_of(&self, binding: &Binding) -> bool {
        let same_flow = self.reg_id.is_some() && self.reg_id == binding.reg_id && self.is_same_phone(binding);
        same_flow || uri::equivalent(&self.uri, &binding.uri)
    }

    /// True if the contact replaces the binding: it identifies the binding, or it is from the same phone after a restart. A phone without
    /// reg-id has one binding (RFC 5626 §4.1: the instance identifies the phone).
    pub(super) fn replaces(&self, binding: &Binding) -> bool {
        let restarted = (self.reg_id.is_none() || binding.reg_id.is_none()) && self.is_same_phone(binding);
        restarted || self.is_of(binding)
    }

    fn is_same_phone(&self, binding: &Binding) -> bool {
        self.instance.is_some() && self.instance == binding.instance
    }
}

/// Reads all Contact values; an error in one rejects all.
pub(super) fn read(request: &Message<'_>) -> Result<Contacts, Fault> {
    let expires = request.first(Name::Expires).map(seconds);
    let mut contacts = Vec::new();
    for (i, value) in request.list(Name::Contact).enumerate() {
        if value == b"*" {
            let alone = request.list(Name::Contact).nth(1).is_none();
            let zero = request.number(Name::Expires) == Ok(Some(0));
            return if alone && zero { Ok(Contacts::All) } else { Err(fault("Contact: *")) };
        }
        if i == 2 * BINDINGS_PER_AOR_MAX {
            return Err(Fault { status: 403, why: "too many contacts" });
        }
        contacts.push(contact(&NameAddr::parse(value).map_err(|_| fault("Contact"))?, expires)?);
    }
    let bound = |contact: &&Contact| contact.expires != Some(0);
    if contacts.iter().filter(bound).count() > 1 && contacts.iter().filter(bound).any(|c| c.reg_id.is_some()) {
        return Err(fault("Contact: several with a reg-id"));
    }
    Ok(if contacts.is_empty() { Contacts::None } else { Contacts::Some(contacts) })
}

/// The beginning of a text that is stored for people only.
pub(super) fn brief(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(text.get(..128).unwrap_or(text))
}

fn contact(value: &NameAddr<'_>, expires: Option<u32>) -> Result<Contact, Fault> {
    let kept = value.uri.len() + value.params.as_bytes().len();
    if kept > CONTACT_BYTES_MAX || !matches!(Uri::parse(value.uri), Ok(Uri::Sip(_))) {
        return Err(fault("Contact"));
    }
    let instance = value.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"+sip.instance"));
    let instance = instance.and_then(|(_, text)| text).map(Bytes::copy_from_slice);
    let reg_id = value.params.value("reg-id").and_then(|text| decimal(&text)).filter(|_| instance.is_some());
    Ok(Contact {
        uri: Bytes::copy_from_slice(value.uri),
        instance,
        reg_id,
        q: value.params.value("q").map_or(1000, |text| thousandths(&text)),
        expires: value.params.value("expires").map(|text| seconds(&text)).or(expires),
    })
}

fn fault(why: &'static str) -> Fault {
    Fault { status: 400, why }
}

/// A number of seconds; a larger number than 32 bits is limited to them (RFC 3261 §20.19).
fn seconds(text: &[u8]) -> u32 {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return MALFORMED_EXPIRES;
    }
    decimal(text).unwrap_or(u32::MAX)
}

fn decimal(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// `0.5` as 500 (RFC 3261 §25.1 `qvalue`); 1000 if it is invalid.
fn thousandths(text: &[u8]) -> u16 {
    let (whole, fraction) = match text.iter().position(|b| *b == b'.').and_then(|at| text.split_at_checked(at)) {
        Some((whole, fraction)) => (whole, fraction.get(1..).unwrap_or_default()),
        None => (text, &[][..]),
    };
    let digits = fraction.len() <= 3 && fraction.iter().all(u8::is_ascii_digit);
    match whole {
        b"0" | b"" if digits => {
            (0..3).fold(0, |sum, i| sum * 10 + fraction.get(i).map_or(0, |digit| u16::from(digit - b'0')))
        }
        _ => 1000,
    }
}
