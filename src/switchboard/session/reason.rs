//! The Reason header field (RFC 3326).

use crate::sip::wire::{Message, Name};

/// The Q.850 cause of a Reason header field (RFC 3326 §2).
pub(in crate::switchboard) fn q850(message: &Message<'_>) -> Option<u8> {
    message.list(Name::Reason).find_map(|value| {
        let text = std::str::from_utf8(value).ok()?;
        let (protocol, params) = text.split_once(';')?;
        if !protocol.trim().eq_ignore_ascii_case("Q.850") {
            return None;
        }
        let mut params = params.split(';').filter_map(|param| param.split_once('='));
        let (_, cause) = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))?;
        cause.trim().parse().ok()
    })
}
