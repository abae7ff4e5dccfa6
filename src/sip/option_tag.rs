//! Option tags (RFC 3261 §19.2): those that peers support and require, and those that siaga supports.

use super::wire::{Message, Name};

/// Reliable provisional responses (RFC 3262).
pub const RELIABLE: &[u8] = b"100rel";
/// Session timers (RFC 4028).
pub const TIMER: &[u8] = b"timer";
/// Outbound flows of a phone (RFC 5626).
pub const OUTBOUND: &[u8] = b"outbound";

/// Tags that a request may require. Some require nothing of a user agent server; they are listed because a call must not be rejected for
/// them.
const UNDERSTOOD: [&[u8]; 10] = [
    RELIABLE,
    TIMER,
    OUTBOUND,
    // RFC 3891: a Replaces that names none of our dialogs is a new call.
    b"replaces",
    // RFC 4488 and RFC 4916.
    b"norefersub",
    b"from-change",
    // RFC 7044.
    b"histinfo",
    // RFC 6442 §4.2, §4.3.
    b"geolocation-sip",
    b"geolocation-http",
    // RFC 3323: private values go to operators and to the record only.
    b"privacy",
];

/// True if Require contains the tag.
pub fn is_required(message: &Message<'_>, tag: &[u8]) -> bool {
    message.list(Name::Require).any(|named| named.eq_ignore_ascii_case(tag))
}

/// True if Supported or Require contains the tag.
pub fn is_supported(message: &Message<'_>, tag: &[u8]) -> bool {
    message.list(Name::Supported).any(|named| named.eq_ignore_ascii_case(tag)) || is_required(message, tag)
}

/// The required tags that siaga does not support: 420, and the value of Unsupported (RFC 3261 §8.2.2.3).
pub fn not_understood<'m>(message: &'m Message<'_>) -> impl Iterator<Item = &'m [u8]> {
    message.list(Name::Require).filter(|tag| !UNDERSTOOD.iter().any(|known| known.eq_ignore_ascii_case(tag)))
}

#[cfg(test)]
mod tests {
    use super::super::wire::sample::invite_with;
    use super::*;

    #[test]
    fn a_tag_is_known_in_any_case_and_on_any_line() {
        let fields = "Require: timer, 100REL\r\nSupported: replaces\r\nk: gruu\r\n";
        invite_with(fields, |message| {
            assert!(is_required(message, RELIABLE) && is_supported(message, TIMER));
            assert!(is_supported(message, b"gruu") && !is_required(message, b"gruu"));
        });
    }

    #[test]
    fn only_what_is_required_and_unknown_is_not_understood() {
        let fields = "Require: 100rel, precondition\r\nSupported: sec-agree\r\nRequire: x-new\r\n";
        let tags: Vec<Vec<u8>> = invite_with(fields, |message| not_understood(message).map(<[u8]>::to_vec).collect());
        assert_eq!(tags, [b"precondition".to_vec(), b"x-new".to_vec()]);
    }
}
