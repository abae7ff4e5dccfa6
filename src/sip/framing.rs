//! Splits a byte stream into messages (RFC 3261 §18.3): CRLFCRLF, then Content-Length octets.

use super::wire::{Name, lex};
use crate::limits::MESSAGE_BYTES_MAX;

/// What the buffer of a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An incomplete message.
    Partial,
    /// A double CRLF ping of this length (RFC 5626 §3.5.1): drop it, respond with one CRLF.
    Ping(usize),
    /// Stray CRLFs of this length: drop them.
    Blank(usize),
    /// One message of this length.
    Message(usize),
    /// The header, of this length, of a message whose end is unknown (no or invalid Content-Length, over the limit): it can get a
    /// response, but the stream can no longer be parsed.
    Endless(usize, &'static str),
    /// The stream can no longer be parsed: close it.
    Broken(&'static str),
}

/// Examines the front of one stream's buffer repeatedly while it grows, and each byte of it once.
#[derive(Debug, Default)]
pub struct Framer {
    /// No header ends before this offset.
    scanned: usize,
    /// The length of a message whose header is complete and whose body is not.
    whole: Option<usize>,
}

impl Framer {
    /// Examines the bytes received so far. After `Partial` the next call must pass the same bytes with more after them; after any other
    /// frame, the bytes that follow it.
    pub fn next(&mut self, buffer: &[u8]) -> Frame {
        let frame = self.look(buffer);
        if frame != Frame::Partial {
            *self = Self::default();
        }
        frame
    }

    fn look(&mut self, buffer: &[u8]) -> Frame {
        match buffer {
            [b'\r', b'\n', b'\r', b'\n', ..] => return Frame::Ping(4),
            // These may be the start of a ping.
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Frame::Partial,
            [b'\r', b'\n', ..] => return Frame::Blank(2),
            [b'\n', ..] => return Frame::Blank(1),
            [first, ..] if !lex::TOKEN.has(*first) => return Frame::Broken("not a SIP message"),
            _ => {}
        }
        if let Some(whole) = self.whole {
            return if whole > buffer.len() { Frame::Partial } else { Frame::Message(whole) };
        }
        let Some(header) = header_length(buffer, self.scanned) else {
            // The last two bytes may be the start of an empty line.
            self.scanned = buffer.len().saturating_sub(2);
            return match buffer.len() < MESSAGE_BYTES_MAX {
                true => Frame::Partial,
                false => Frame::Broken("header over the limit"),
            };
        };
        let body = match content_length(lex::split(buffer, header).0) {
            Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Err(why) => return Frame::Endless(header, why),
        };
        match header.saturating_add(body) {
            whole if whole > MESSAGE_BYTES_MAX => Frame::Endless(header, "message over the limit"),
            whole if whole > buffer.len() => {
                self.whole = Some(whole);
                Frame::Partial
            }
            whole => Frame::Message(whole),
        }
    }
}

/// Examines the front of a buffer once.
pub fn next_frame(buffer: &[u8]) -> Frame {
    Framer::default().next(buffer)
}

/// The length up to and including the empty line, which does not end before `from`.
fn header_length(buffer: &[u8], from: usize) -> Option<usize> {
    let ends = memchr::memchr_iter(b'\n', lex::split(buffer, from).1).map(|at| from + at);
    ends.into_iter().find_map(|at| match lex::split(buffer, at + 1).1 {
        [b'\r', b'\n', ..] => Some(at + 3),
        [b'\n', ..] => Some(at + 2),
        _ => None,
    })
}

/// The only Content-Length of a header, which streams require (RFC 3261 §18.3).
fn content_length(header: &[u8]) -> Result<u32, &'static str> {
    let (_, mut text, _) = lex::line(header);
    let mut found = None;
    while let lex::Next::Field(field, rest) = lex::field(text) {
        text = rest;
        if Name::of(field.name) == Name::ContentLength {
            let length = lex::decimal(&field.value).ok_or("Content-Length is not a number")?;
            if found.is_some_and(|before| before != length) {
                return Err("Content-Length twice");
            }
            found = Some(length);
        }
    }
    found.ok_or("no Content-Length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP b;branch=z9hG4bK1\r\n";

    fn frame(text: &str) -> Frame {
        next_frame(format!("{HEAD}{text}").as_bytes())
    }

    fn message(text: &str) -> Frame {
        Frame::Message(HEAD.len() + text.len())
    }

    #[test]
    fn a_message_ends_where_content_length_says() {
        assert_eq!(frame("l: 0\r\n\r\n"), message("l: 0\r\n\r\n"));
        assert_eq!(frame("Content-Length:\r\n 3\r\n\r\nabcNEXT"), message("Content-Length:\r\n 3\r\n\r\nabc"));
        assert_eq!(frame("Content-Length : 3\n\nabc"), message("Content-Length : 3\n\nabc"));
        assert_eq!(frame("l: 3\r\nl: 3\r\n\r\nabc"), message("l: 3\r\nl: 3\r\n\r\nabc"));
    }

    #[test]
    fn every_shorter_piece_is_partial() {
        let whole = format!("{HEAD}Content-Length: 5\r\n\r\nhello");
        for length in 0..whole.len() {
            assert_eq!(next_frame(&whole.as_bytes()[..length]), Frame::Partial, "{length}");
        }
        assert_eq!(next_frame(whole.as_bytes()), Frame::Message(whole.len()));
    }

    #[test]
    fn a_message_that_comes_byte_by_byte_is_looked_at_once() {
        let fields: String = (0..2_000).map(|n| format!("X-{n}: \r\n")).collect();
        for end in ["\n", "\r\n"] {
            let header = format!("{HEAD}{fields}Content-Length: 9000{}{end}", "\r\n");
            let whole = format!("{header}{}", "b".repeat(9_000)).into_bytes();
            let mut framer = Framer::default();
            for length in 1..whole.len() {
                assert_eq!(framer.next(&whole[..length]), Frame::Partial, "{length}");
                match length < header.len() {
                    true => assert!(length - framer.scanned <= 2, "{length} from {}", framer.scanned),
                    false => assert_eq!(framer.whole, Some(whole.len()), "no header is read again for a body"),
                }
            }
            assert_eq!(framer.next(&whole), Frame::Message(whole.len()));
            assert_eq!(framer.next(&whole), Frame::Message(whole.len()), "nothing of the last one is left");
        }
    }

    #[test]
    fn pings_and_stray_line_ends_are_told_apart() {
        assert_eq!(next_frame(b"\r\n\r\n"), Frame::Ping(4));
        assert_eq!(next_frame(b"\r\n\r\nOPTIONS"), Frame::Ping(4));
        assert_eq!(next_frame(b"\r\nOPTIONS"), Frame::Blank(2));
        assert_eq!(next_frame(b"\nOPTIONS"), Frame::Blank(1));
        assert_eq!(next_frame(b"\r\n"), Frame::Partial);
    }

    #[test]
    fn a_stream_that_cannot_be_followed_is_broken() {
        for text in [
            "\r\n",
            "l: -1\r\n\r\n",
            "l: 1\r\nl: 2\r\n\r\n",
            "l: x\r\n\r\n",
            "l: 65536\r\n\r\n",
            "l: 4294967296\r\n\r\n",
        ] {
            let header = HEAD.len() + text.len();
            assert!(matches!(frame(text), Frame::Endless(length, _) if length == header), "{text:?} {:?}", frame(text));
        }
        assert!(matches!(next_frame(b"\x16\x03\x01\x02\x00"), Frame::Broken(_)));
        assert!(matches!(next_frame(&vec![b'a'; MESSAGE_BYTES_MAX]), Frame::Broken(_)));
    }
}
