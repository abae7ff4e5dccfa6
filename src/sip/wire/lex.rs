//! Characters, lines and header fields: the lexer below `wire`, shared with `framing`, `header` and `uri`.

use std::borrow::Cow;

use memchr::memchr2;

/// A set of ASCII characters, as a table by character.
#[derive(Debug)]
pub(in crate::sip) struct Set([bool; 256]);

#[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
impl Set {
    /// Letters, digits and the given characters.
    pub(in crate::sip) const fn alphanumeric_and(more: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        Self(table).and(more)
    }

    /// Control characters and the given characters.
    pub(in crate::sip) const fn controls_and(more: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_control();
            byte += 1;
        }
        Self(table).and(more)
    }

    const fn and(mut self, more: &[u8]) -> Self {
        let mut rest = more;
        while let [byte, tail @ ..] = rest {
            self.0[*byte as usize] = true;
            rest = tail;
        }
        self
    }

    pub(in crate::sip) const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// True if there is at least one character and all are in the set.
    pub(in crate::sip) fn holds_word(&self, text: &[u8]) -> bool {
        !text.is_empty() && text.iter().all(|b| self.has(*b))
    }

    /// True if no character is in the set.
    pub(in crate::sip) fn holds_none(&self, text: &[u8]) -> bool {
        !text.iter().any(|b| self.has(*b))
    }
}

/// RFC 3261 §25.1 `token`.
pub(in crate::sip) static TOKEN: Set = Set::alphanumeric_and(b"-.!%*_+`'~");

/// Space or horizontal tab.
pub(in crate::sip) const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Cuts blanks off both ends.
pub(in crate::sip) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// Cuts blanks off the front.
pub(in crate::sip) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first)
    {
        text = rest;
    }
    text
}

/// Cuts blanks off the end.
pub(in crate::sip) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// Splits at `at`; if that is beyond the end, the second half is empty.
pub(in crate::sip) fn split(text: &[u8], at: usize) -> (&[u8], &[u8]) {
    text.split_at_checked(at).unwrap_or((text, &[]))
}

/// Reads a decimal number of at most 32 bits; only digits are allowed.
pub(in crate::sip) fn decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let mut number = 0_u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    Some(number)
}

/// Why a line is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum LineFault {
    /// The bytes end before the line does.
    Unterminated,
    /// The line contains a CR without LF.
    BareCr,
}

/// Cuts the first line off `text`: (line without its end, rest). LF alone ends a line too. A bare CR stays in the line and is reported.
pub(in crate::sip) fn line(text: &[u8]) -> (&[u8], &[u8], Option<LineFault>) {
    let mut fault = None;
    let mut from = 0;
    loop {
        let (_, ahead) = split(text, from);
        let Some(found) = memchr2(b'\r', b'\n', ahead) else {
            return (text, &[], fault.or(Some(LineFault::Unterminated)));
        };
        let at = from + found;
        let (line, end) = split(text, at);
        match end {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => return (line, rest, fault),
            _ => {
                fault = Some(LineFault::BareCr);
                from = at + 1;
            }
        }
    }
}

/// The error of a header field with a CR that ends no line.
pub(in crate::sip) const BARE_CR: &str = "carriage return without line feed";

/// One header field line, folded lines joined.
#[derive(Clone, Debug)]
pub(in crate::sip) struct RawField<'a> {
    /// The text up to the colon, unchanged.
    pub(in crate::sip) name: &'a [u8],
    pub(in crate::sip) value: Cow<'a, [u8]>,
    /// No colon, no name, or an invalid line.
    pub(in crate::sip) fault: Option<&'static str>,
}

/// The next item of the header.
#[derive(Clone, Debug)]
pub(in crate::sip) enum Next<'a> {
    Field(RawField<'a>, &'a [u8]),
    /// The empty line; the body follows.
    Empty(&'a [u8]),
    /// The bytes end without an empty line.
    End,
}

/// Reads the next header field of `text`.
pub(in crate::sip) fn field(text: &[u8]) -> Next<'_> {
    if text.is_empty() {
        return Next::End;
    }
    let (first, mut rest, mut trouble) = line(text);
    if first.is_empty() && trouble.is_none() {
        return Next::Empty(rest);
    }
    let (name, value) = match memchr::memchr(b':', first) {
        Some(colon) => {
            let (name, value) = split(first, colon);
            (name, value.get(1..).unwrap_or_default())
        }
        None => (first, &[][..]),
    };
    let no_colon = name.len() == first.len();
    let mut value = Cow::Borrowed(trim(value));
    while let [b' ' | b'\t', ..] = rest {
        let (more, after, fault) = line(rest);
        trouble = trouble.or(fault);
        let more = trim(more);
        if !more.is_empty() {
            let joined = value.to_mut();
            if !joined.is_empty() {
                joined.push(b' ');
            }
            joined.extend_from_slice(more);
        }
        rest = after;
    }
    let name = trim_end(name);
    let fault = match trouble {
        Some(LineFault::BareCr) => Some(BARE_CR),
        Some(LineFault::Unterminated) => Some("header without its end"),
        None if no_colon => Some("header field without a colon"),
        None if !TOKEN.holds_word(name) => Some("header field name"),
        None => None,
    };
    Next::Field(RawField { name, value, fault }, rest)
}

/// Maximum bytes of a display name without quotes in which a comma does not end an element of a list.
const DISPLAY_NAME_MAX: usize = 256;

/// Splits a value at its commas outside quotes and angle brackets. Yields trimmed elements, empty ones too.
#[derive(Clone, Debug)]
pub(in crate::sip) struct List<'a> {
    rest: Option<&'a [u8]>,
    /// True if the elements are addresses, whose display names may have commas.
    addresses: bool,
}

impl<'a> List<'a> {
    pub(in crate::sip) const fn new(value: &'a [u8]) -> Self {
        Self { rest: Some(value), addresses: false }
    }

    /// A list of addresses: a comma in a display name without quotes (`Bell, Alexander <sip:…>`) does not end an element.
    pub(in crate::sip) const fn of_addresses(value: &'a [u8]) -> Self {
        Self { rest: Some(value), addresses: true }
    }

    /// Position of the end of the first element of `rest`.
    fn comma(&self, rest: &[u8]) -> Option<usize> {
        let comma = outside(rest, b',')?;
        let name = match self.addresses {
            true => split(rest, DISPLAY_NAME_MAX.min(rest.len())).0,
            false => &[],
        };
        let is_star = trim(split(rest, comma).0) == b"*";
        // The name continues after the comma if a bracket follows and there is no URI before that bracket.
        let bracket = memchr::memchr(b'<', name).filter(|bracket| *bracket > comma);
        match bracket.filter(|_| !is_star).map(|bracket| (bracket, split(rest, bracket))) {
            Some((bracket, (before, address))) if !before.iter().any(|byte| matches!(byte, b':' | b'"')) => {
                outside(address, b',').map(|at| bracket + at)
            }
            Some(_) | None => Some(comma),
        }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match self.comma(rest) {
            Some(comma) => {
                let (element, tail) = split(rest, comma);
                self.rest = Some(tail.get(1..).unwrap_or_default());
                Some(trim(element))
            }
            None => {
                self.rest = None;
                Some(trim(rest))
            }
        }
    }
}

/// Position of the first `wanted` outside quoted strings and angle brackets. An unclosed quote or bracket extends to the end.
pub(in crate::sip) fn outside(text: &[u8], wanted: u8) -> Option<usize> {
    // Most values contain none at all, which one vector search shows.
    memchr::memchr(wanted, text)?;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == wanted {
            return Some(at);
        }
        at += match byte {
            b'"' => quoted_length(split(text, at).1)?,
            b'<' => memchr::memchr(b'>', split(text, at).1)? + 1,
            _ => 1,
        };
    }
    None
}

/// Length of the quoted string at the front of `text`, including both quotes; None if it is not closed.
pub(in crate::sip) fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut from = 1;
    loop {
        let found = memchr2(b'"', b'\\', text.get(from..)?)?;
        let at = from + found;
        match text.get(at) {
            Some(b'"') => return Some(at + 1),
            _ => from = at + 2,
        }
    }
}

/// The content of a quoted string with escapes decoded (RFC 3261 §25.1 `quoted-pair`); other text unchanged.
pub(in crate::sip) fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = text else { return Cow::Borrowed(text) };
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            _ => plain.push(*byte),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(value: &str) -> Vec<String> {
        List::new(value.as_bytes()).map(|e| String::from_utf8_lossy(e).into_owned()).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        assert_eq!(elements(r#""a,\",b" <sip:c,d@e>;x , <f,g>,h"#), [r#""a,\",b" <sip:c,d@e>;x"#, "<f,g>", "h"]);
        assert_eq!(elements(r#""never closed, x"#), [r#""never closed, x"#]);
        assert_eq!(elements(""), [""]);
        assert_eq!(elements("a,,b,"), ["a", "", "b", ""]);
    }

    #[test]
    fn quotes_are_undone_with_their_escapes() {
        assert_eq!(unquote(br#""J Rosenberg \\\"""#).as_ref(), br#"J Rosenberg \""#);
        assert_eq!(unquote(b"\"plain\"").as_ref(), b"plain");
        assert_eq!(unquote(b"\"").as_ref(), b"\"");
    }

    #[test]
    fn numbers_have_nothing_but_digits_and_32_bits() {
        assert_eq!(decimal(b"0009"), Some(9));
        assert_eq!(decimal(b"4294967295"), Some(u32::MAX));
        for bad in [&b""[..], b"-1", b"+1", b"4294967296", b"1 ", b"0x1", b"36893488147419103232"] {
            assert_eq!(decimal(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn lines_end_with_lf_and_a_bare_cr_is_reported() {
        assert_eq!(line(b"a\r\nb"), (&b"a"[..], &b"b"[..], None));
        assert_eq!(line(b"a\nb"), (&b"a"[..], &b"b"[..], None));
        assert_eq!(line(b"a\rb\r\nc"), (&b"a\rb"[..], &b"c"[..], Some(LineFault::BareCr)));
        assert_eq!(line(b"a"), (&b"a"[..], &b""[..], Some(LineFault::Unterminated)));
    }
}
