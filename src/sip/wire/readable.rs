//! Replaces unreadable From and To by their URI and tag, for a call that must not fail for them.

use std::borrow::Cow;

use super::{Message, Name, lex};
use crate::sip::header::NameAddr;

/// The address that replaces an unreadable one (RFC 3323 §4.1.1.3).
const NO_ADDRESS: &[u8] = b"sip:anonymous@anonymous.invalid";
/// Maximum brackets in which the URI is searched, from the end. Each costs time in proportion to the value's length.
const BRACKETS_MAX: usize = 8;

impl Message<'_> {
    /// Replaces the first From and To that cannot be parsed by their URI and tag.
    pub(super) fn make_readable(&mut self) {
        for name in [Name::From, Name::To] {
            let Some(field) = self.fields.iter_mut().find(|field| field.name == name) else { continue };
            let has_bare_cr = field.value.contains(&b'\r');
            if field.value.is_empty() || (!has_bare_cr && NameAddr::parse(&field.value).is_ok()) {
                continue;
            }
            let readable = readable(&field.value);
            let came = std::mem::replace(&mut field.value, Cow::Owned(readable));
            self.came.push((name, came));
        }
    }
}

/// A name-addr with the URI and the tag that can be found in a value.
fn readable(value: &[u8]) -> Vec<u8> {
    let mut found = [b"<", uri(value).unwrap_or(NO_ADDRESS), b">"].concat();
    if let Some(tag) = tag(value) {
        found.extend_from_slice(b";tag=");
        found.extend_from_slice(tag);
    }
    found
}

/// The last URI in angle brackets, else the text before the parameters.
fn uri(value: &[u8]) -> Option<&[u8]> {
    let brackets = value.iter().enumerate().rev().filter(|(_, byte)| **byte == b'<');
    let ends = brackets.take(BRACKETS_MAX).map(|(at, _)| at + 1);
    let mut in_brackets = ends.filter_map(|from| {
        let (_, rest) = lex::split(value, from);
        Some(lex::trim(lex::split(rest, memchr::memchr(b'>', rest)?).0))
    });
    let bare = || value.split(|byte| matches!(byte, b';' | b'?' | b',')).next().map(lex::trim);
    in_brackets.find(|uri| is_address(uri)).or_else(|| bare().filter(|uri| is_address(uri)))
}

fn is_address(uri: &[u8]) -> bool {
    NameAddr::parse(&[b"<", uri, b">"].concat()).is_ok()
}

/// The last parameter `tag`, even inside an unclosed quote.
fn tag(value: &[u8]) -> Option<&[u8]> {
    let starts = value.iter().enumerate().rev().filter(|(_, byte)| **byte == b';').map(|(at, _)| at + 1);
    let mut tags = starts.filter_map(|from| {
        let param = lex::trim_start(lex::split(value, from).1);
        let (name, rest) = param.split_at_checked(3)?;
        let [b'=', rest @ ..] = lex::trim_start(rest) else { return None };
        let rest = lex::trim_start(rest);
        let end = rest.iter().position(|byte| !lex::TOKEN.has(*byte)).unwrap_or(rest.len());
        (name.eq_ignore_ascii_case(b"tag") && end > 0).then(|| lex::split(rest, end).0)
    });
    tags.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_and_tag_are_found_whatever_stands_around_them() {
        for (value, expected) in [
            (r#""Budi <sip:0812@telco>;tag=a"#, "<sip:0812@telco>;tag=a"),
            (r#"Budi" <sip:0812@telco>;tag=a"#, "<sip:0812@telco>;tag=a"),
            (r#""Bu"di" <sip:0812@telco> ; TAG = a;x"#, "<sip:0812@telco>;tag=a"),
            (r#""a <b> c" x <sip:0812@telco>;tag=a"#, "<sip:0812@telco>;tag=a"),
            (r#""<sip:110@x> <sip:0812@telco>;tag=a"#, "<sip:0812@telco>;tag=a"),
            (r#"<sip:0812@telco>;name="open;tag=a"#, "<sip:0812@telco>;tag=a"),
            ("<sip:0812@telco>;=;tag=a;tag=b", "<sip:0812@telco>;tag=b"),
            ("<sip:0812@telco> tail;tag=a", "<sip:0812@telco>;tag=a"),
            ("sip:0812@telco?x=y;tag=a", "<sip:0812@telco>;tag=a"),
            ("<0812>;tag=a", "<sip:anonymous@anonymous.invalid>;tag=a"),
            ("<sip:0812@telco;tag=a", "<sip:anonymous@anonymous.invalid>;tag=a"),
            ("0812", "<sip:anonymous@anonymous.invalid>"),
            ("<sip:0812@telco>;tag=", "<sip:0812@telco>"),
            ("\"", "<sip:anonymous@anonymous.invalid>"),
            ("\"Bu\rdi\" <sip:0812@telco>;tag=a", "<sip:0812@telco>;tag=a"),
            ("Budi <sip:08\r12@telco>;tag=a", "<sip:anonymous@anonymous.invalid>;tag=a"),
            ("Bu\0di <sip:0812@telco>;x=\r;tag=a", "<sip:0812@telco>;tag=a"),
        ] {
            let found = readable(value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), expected, "{value}");
            assert!(NameAddr::parse(&found).is_ok(), "{value}");
        }
    }

    #[test]
    fn a_value_full_of_brackets_costs_no_more_than_others() {
        let found = |count: usize| {
            let value = format!("<sip:0812@telco>{};tag=a", "<0812>".repeat(count));
            String::from_utf8_lossy(&readable(value.as_bytes())).into_owned()
        };
        assert_eq!(found(BRACKETS_MAX - 1), "<sip:0812@telco>;tag=a");
        assert_eq!(found(BRACKETS_MAX), "<sip:anonymous@anonymous.invalid>;tag=a");
    }
}
