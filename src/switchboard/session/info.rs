//! INFO in a dialog: DTMF digits.

use crate::sip::wire::Name;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Session {
    /// Handles an INFO. A digit (`application/dtmf-relay`, `application/dtmf`) is treated like a digit by RFC 4733. An
    /// info package is rejected with 469, since siaga offers to receive none (RFC 6086 §4.2.2). An INFO without a body
    /// is a keep-alive.
    pub(super) fn informed(
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
    ) -> Option<SessionEvent> {
        if taken.message.first(Name::InfoPackage).is_some() {
            net.wire.reply(step, taken, 469, &[(Name::RecvInfo, b"")]);
            return None;
        }
        let (kind, body) = (kind(taken), taken.message.body);
        let digit = match kind.as_slice() {
            b"application/dtmf-relay" => relayed(body),
            b"application/dtmf" => digit(body),
            _ if body.is_empty() => None,
            _ => {
                let accept = (Name::Accept, b"application/dtmf-relay, application/dtmf".as_slice());
                net.wire.reply(step, taken, 415, &[accept, (Name::AcceptEncoding, b"identity")]);
                return None;
            }
        };
        net.wire.reply(step, taken, 200, &[]);
        digit.map(|digit| SessionEvent::Digit { digit })
    }
}

fn kind(taken: &IncomingRequest<'_, '_>) -> Vec<u8> {
    let kind = taken.message.first(Name::ContentType).unwrap_or_default();
    kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
}

/// Reads the digit from a `Signal=5` line.
fn relayed(body: &[u8]) -> Option<char> {
    body.split(|byte| matches!(byte, b'\r' | b'\n')).find_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let (name, value) = line.split_at_checked(at)?;
        name.trim_ascii().eq_ignore_ascii_case(b"signal").then(|| digit(value.get(1..).unwrap_or_default())).flatten()
    })
}

/// Reads one of the sixteen DTMF digits; 10 and 11 stand for `*` and `#` (RFC 4733 §3.2).
fn digit(text: &[u8]) -> Option<char> {
    match text.trim_ascii() {
        b"10" => Some('*'),
        b"11" => Some('#'),
        [one] => {
            let one = char::from(one.to_ascii_uppercase());
            matches!(one, '0'..='9' | '*' | '#' | 'A'..='D').then_some(one)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relayed_digit_stands_in_its_signal_line() {
        assert_eq!(relayed(b"Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(relayed(b"Duration=250\nsignal = *"), Some('*'));
        assert_eq!(relayed(b"Signal=11\r\n"), Some('#'));
        assert_eq!(relayed(b"Duration=160\r\n"), None);
    }

    #[test]
    fn only_sixteen_digits_are_digits() {
        let all = b"0123456789*#ABCDabcd";
        assert!(all.iter().all(|one| digit(&[*one]).is_some()));
        for wrong in [&b""[..], b"12", b"x", b"\xff", b"5 5"] {
            assert_eq!(digit(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
