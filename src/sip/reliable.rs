//! Reliable provisional responses (RFC 3262): RSeq, RAck, and the order of responses.

use super::wire::{Message, Method, Name};

/// The value of RAck (RFC 3262 §7.2): the response's number, and the CSeq of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    pub rseq: u32,
    pub cseq: u32,
    pub method: Method,
}

impl RAck {
    /// Reads `776656 1 INVITE`. None if the value has another form.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        let text = std::str::from_utf8(message.first(Name::RAck)?).ok()?;
        let mut words = text.split_ascii_whitespace();
        let (rseq, cseq) = (number(words.next()?)?, number(words.next()?)?);
        let method = Method::of(words.next()?.as_bytes());
        words.next().is_none().then_some(Self { rseq, cseq, method })
    }
}

/// The RSeq of a provisional response that requires a PRACK; None for other responses.
pub fn rseq(response: &Message<'_>) -> Option<u32> {
    let text = std::str::from_utf8(response.first(Name::RSeq)?).ok()?;
    let reliable = super::option_tag::is_required(response, super::option_tag::RELIABLE);
    number(text.trim()).filter(|_| reliable)
}

/// The first sequence number. It is never 0, and low enough because numbers only increase (RFC 3262 §3).
pub fn first_number(random: u64) -> u32 {
    u32::try_from(random >> 34).unwrap_or(0).max(1)
}

/// The order of a received reliable provisional response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The next one: send a PRACK.
    New,
    /// A repetition: its PRACK was sent.
    Again,
    /// An earlier one is missing: no PRACK is sent, and the response will be repeated (RFC 3262 §4).
    TooEarly,
}

/// The order of reliable provisional responses in one early dialog (RFC 3262 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Order {
    last: Option<u32>,
}

impl Order {
    /// Handles the number of a response.
    pub fn take(&mut self, rseq: u32) -> Heard {
        match self.last {
            Some(last) if rseq <= last => return Heard::Again,
            Some(last) if rseq - last > 1 => return Heard::TooEarly,
            Some(_) | None => {}
        }
        self.last = Some(rseq);
        Heard::New
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Parsed, parse};
    use super::*;

    fn rack(value: &str) -> Option<RAck> {
        let text = format!(
            "PRACK sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=a\r\n\
             To: <sip:112@h>;tag=b\r\nCall-ID: x\r\nCSeq: 2 PRACK\r\nMax-Forwards: 70\r\nRAck: {value}\r\nContent-Length: 0\r\n\r\n"
        );
        match parse(text.as_bytes()) {
            Parsed::Good(message) => RAck::read(&message),
            other @ (Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn rack_has_two_numbers_and_a_method() {
        assert_eq!(rack("776656 1 INVITE"), Some(RAck { rseq: 776_656, cseq: 1, method: Method::Invite }));
        for wrong in ["776656 1", "1 INVITE", "+1 1 INVITE", "4294967296 1 INVITE", "1 1 INVITE x", "-1 1 INVITE"] {
            assert_eq!(rack(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn responses_are_taken_in_order_and_once() {
        let mut order = Order::default();
        assert_eq!(order.take(9_000), Heard::New, "the first may have any number");
        assert_eq!(order.take(9_000), Heard::Again);
        assert_eq!(order.take(9_002), Heard::TooEarly);
        assert_eq!(order.take(9_001), Heard::New);
        assert_eq!(order.take(9_002), Heard::New);
        assert_eq!(order.take(9_000), Heard::Again);
    }

    #[test]
    fn the_first_number_is_neither_nought_nor_high() {
        assert_eq!(first_number(0), 1);
        assert!(first_number(u64::MAX) < 1 << 31);
    }
}
