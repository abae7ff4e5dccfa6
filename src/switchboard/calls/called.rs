//! Reads which service or number a trunk's INVITE calls.

use crate::sip::dialog::DialogKey;
use crate::sip::wire::{Message, Method};
use crate::switchboard::wire::Wire;

/// Maximum characters of a called number; the rest is cut off.
pub(in crate::switchboard) const CALLED_CHARS_MAX: usize = 512;

/// The called number or service in a Request-URI.
pub(in crate::switchboard) enum Called {
    /// The site's number, a desk's number or an emergency service.
    Emergency {
        /// `112`, `113`, `urn:service:sos.fire`: chooses the desk.
        called: String,
        /// The Request-URI has a prefix of `[[trunk]] called` before the number.
        prefixed: bool,
    },
    /// `urn:service:test.sos` (RFC 6881 §15): siaga itself answers.
    Test,
    /// Another number or service.
    Unknown,
}

/// True for a valid prefix of `[[trunk]] called`: digits, with or without `+` before them, or `+` alone.
pub fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=15).contains(&text.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for the service `root` and all services below it.
pub(in crate::switchboard) fn is_or_below(service: &str, root: &str) -> bool {
    service.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Wire {
    /// True for the INVITE of an emergency call, and for requests and responses that belong to a call.
    pub(in crate::switchboard) fn concerns_a_call(&mut self, message: &Message<'_>, trunk: usize) -> bool {
        let of_dialog = DialogKey::of_request(message);
        match message.method() {
            None | Some(Method::Ack) => true,
            Some(Method::Cancel) => self.transactions.invite_of(message).is_some(),
            Some(Method::Invite) if of_dialog.is_none() => {
                matches!(self.settings.called(message, trunk), Called::Emergency { .. })
            }
            Some(_) => of_dialog.is_some_and(|key| self.dialogs.contains_key(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_digits_with_or_without_a_plus() {
        for (text, expected) in
            [("+62", true), ("0725", true), ("+", true), ("", false), ("6+2", false), ("+62-", false), ("00", true)]
        {
            assert_eq!(is_prefix(text), expected, "{text}");
        }
    }
}
