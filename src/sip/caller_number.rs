//! The caller's number: the asserted or presented one, unless its value stands for "no number".

use super::header::NameAddr;
use super::uri::{Host, Uri};
use super::wire::{Message, Name};

/// Maximum characters of a number; the rest is cut off.
const NUMBER_CHARS_MAX: usize = 64;

/// User parts that stand for "no number" (RFC 3323 §4.1.1.3, RFC 7022, 3GPP TS 23.003 §13.6, and others that telcos send).
const NO_NUMBER: [&str; 17] = [
    "anonymous",
    "unavailable",
    "unknown",
    "restricted",
    "private",
    "withheld",
    "blocked",
    "hidden",
    "unidentified",
    "invalid",
    "none",
    "null",
    "nonumber",
    "no-number",
    "no_number",
    "coinline",
    "payphone",
];

/// The number that P-Asserted-Identity asserts. Of two values (RFC 3325 §9.1) the tel URI is the number; a SIP URI may have a name.
/// Otherwise the first usable value that looks like a number counts, or the first usable one. Only the header of a trusted trunk may be
/// read.
pub fn asserted(message: &Message<'_>) -> Option<String> {
    let values = message.list(Name::PAssertedIdentity).filter_map(|value| {
        let addr = NameAddr::parse(value).ok()?;
        let number = number(&addr)?;
        let is_tel = matches!(Uri::parse(addr.uri), Ok(Uri::Tel { .. }));
        let has_letters = number.chars().any(char::is_alphabetic);
        Some((!is_tel, has_letters, number))
    });
    // Of equal values, `min_by_key` returns the first.
    values.min_by_key(|(no_tel, has_letters, _)| (*no_tel, *has_letters)).map(|(_, _, number)| number)
}

/// The number of From.
pub fn presented(message: &Message<'_>) -> Option<String> {
    message.from().ok().and_then(|from| number(&from))
}

/// The asserted number, otherwise the presented one.
pub fn of(message: &Message<'_>) -> Option<String> {
    asserted(message).or_else(|| presented(message))
}

/// The user part of an address. None if it stands for "no number".
fn number(addr: &NameAddr<'_>) -> Option<String> {
    let uri = Uri::parse(addr.uri).ok()?;
    if let Uri::Sip(sip) = &uri
        && let Host::Name(host) = sip.host
        && is_invalid_host(host)
    {
        return None;
    }
    let user = String::from_utf8_lossy(&uri.user()?).into_owned();
    let user: String =
        user.trim().chars().filter(|c| !c.is_control() && !is_invisible(*c)).take(NUMBER_CHARS_MAX).collect();
    is_number(&user).then_some(user)
}

/// True for Unicode's format characters (Cf), which make text look different: a number with U+202E reads backwards in a table.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// True for hosts under `.invalid`, which do not exist (RFC 2606 §2): networks send them in place of a withheld number.
fn is_invalid_host(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("invalid")
}

/// False for an empty text, a word for "no number", and digits that are all zero.
pub fn is_number(user: &str) -> bool {
    let no_digits = user.chars().all(|c| matches!(c, '0' | '+' | '-' | '.' | '(' | ')' | ' ' | '*' | '#' | '_'));
    !no_digits && !NO_NUMBER.iter().any(|word| user.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::super::wire::sample::invite_with;
    use super::*;

    fn asserts(uri: &str) -> Option<String> {
        invite_with(&format!("P-Asserted-Identity: {uri}\r\n"), asserted)
    }

    #[test]
    fn words_zeros_and_invalid_hosts_are_no_number() {
        for uri in [
            "<sip:anonymous@telco.example>",
            "<sip:Anonymous@anonymous.invalid>",
            "<sip:unavailable@unknown.invalid>",
            "<sip:UNAVAILABLE@telco.example;user=phone>",
            "<sip:unknown@10.0.0.1>",
            "<sip:restricted@telco.example>",
            "<sip:private@telco.example>",
            "<sip:0@telco.example>",
            "<sip:0000000@telco.example>",
            "<sip:+@telco.example>",
            "<tel:+0>",
            "<tel:0>",
            "<sip:+62811@anonymous.invalid>",
            "<sip:+62811@ANONYMOUS.INVALID.>",
            "<sip:telco.example>",
        ] {
            assert_eq!(asserts(uri), None, "{uri}");
        }
    }

    #[test]
    fn numbers_and_names_of_callers_stay() {
        for (uri, expected) in [
            ("<sip:+62811@telco.example>", "+62811"),
            ("<sip:0811223344@telco.example>", "0811223344"),
            ("<sip:112@telco.example>", "112"),
            ("<sip:budi@telco.example>", "budi"),
            ("<sip:privateer@telco.example>", "privateer"),
            ("<sip:081@invalid.example>", "081"),
            ("<tel:+62-811-22>", "+6281122"),
        ] {
            assert_eq!(asserts(uri).as_deref(), Some(expected), "{uri}");
        }
    }

    #[test]
    fn of_two_assertions_the_tel_uri_is_the_number_and_a_name_is_none() {
        for (values, expected) in [
            ("<sip:john.doe@ims.example>, <tel:+628115550001>", "+628115550001"),
            ("<sip:imsi510011234567890@ims.example>, <tel:+628115550001>", "+628115550001"),
            ("<tel:+628115550001>, <sip:john.doe@ims.example>", "+628115550001"),
            ("<sip:+62811@ims.example;user=phone>, <tel:+62822>", "+62822"),
            ("<sip:john.doe@ims.example>, <sip:+62811@ims.example;user=phone>", "+62811"),
            ("<sip:john.doe@ims.example>, <tel:0>", "john.doe"),
            ("<sip:+62811@a.example>, <sip:+62822@b.example>", "+62811"),
        ] {
            assert_eq!(asserts(values).as_deref(), Some(expected), "{values}");
        }
    }

    #[test]
    fn a_second_assertion_or_the_presented_number_counts_when_the_first_is_withheld() {
        assert_eq!(asserts("<sip:unavailable@x.invalid>, <tel:+62811223344>").as_deref(), Some("+62811223344"));
        let from =
            invite_with("P-Asserted-Identity: <sip:0@telco.example>\r\n", |message| (of(message), presented(message)));
        assert!(from.0.is_some() && from.0 == from.1, "{from:?}");
    }
}
