//! Values of header fields (RFC 3261 §20, §25.1), parsed without copying.

pub(in crate::sip) mod parts;

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::wire::fault::Fault;
use super::wire::lex::{self, Set, TOKEN, is_blank, quoted_length, split, trim, trim_end, trim_start, unquote};
use super::wire::method::Method;

/// Host names and IPv4 addresses; the underscore is not legal but in use.
static HOST: Set = Set::alphanumeric_and(b"-._");
/// Characters of an unquoted display name: tokens, harmless characters that occur in practice, and blanks.
static DISPLAY: Set = Set::alphanumeric_and(b"-.,:;!%*_+`'~ \t()/&=?#$|{}[]^@");

const fn fault(why: &'static str) -> Fault {
    Fault { status: 400, why }
}

/// `;name=value` pairs, unchanged; values with quotes removed on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    raw: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads the text from the first `;` on.
    pub fn new(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// The text, unchanged.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// The value of a parameter, by case-insensitive name: `Some(None)` if it has no value.
    pub fn get(&self, name: &str) -> Option<Option<Cow<'a, [u8]>>> {
        let (_, value) = self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.map(unquote))
    }

    /// The value of a parameter that is present and not empty, quotes removed.
    pub fn value(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.get(name).flatten().filter(|value| !value.is_empty())
    }

    /// True if the parameter is present, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Name and raw value of each parameter.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        ParamIter { rest: self.raw }.filter(|(name, _)| !name.is_empty())
    }

    /// Checks `*( SEMI generic-param )`: no empty parameter except after a last `;`, names that are tokens, closed quotes.
    fn check(&self, why: &'static str) -> Result<(), Fault> {
        let mut rest = self.raw;
        while !rest.is_empty() {
            let (param, tail) = cut_param(rest).ok_or(fault(why))?;
            let param = trim(param);
            let (name, value) = name_and_value(param);
            let last = tail.is_empty() && rest.len() < self.raw.len();
            let empty_end = param.is_empty() && last;
            let sound = TOKEN.holds_word(name) && value.is_none_or(is_param_value);
            if !(sound || empty_end) {
                return Err(fault(why));
            }
            rest = tail;
        }
        Ok(())
    }
}

/// True for a quoted value, or one without blanks, quotes and separators that would end it.
fn is_param_value(value: &[u8]) -> bool {
    match value {
        [b'"', ..] => quoted_length(value) == Some(value.len()),
        _ => NOT_IN_PARAM.holds_none(value),
    }
}

/// Characters that end or break a parameter's value.
static NOT_IN_PARAM: Set = Set::controls_and(b" \",;");
/// Characters that are never allowed in a URI.
static NOT_IN_URI: Set = Set::controls_and(b" \"<>");

struct ParamIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((param, tail)) = cut_param(self.rest) else {
            self.rest = &[];
            return None;
        };
        self.rest = tail;
        Some(name_and_value(trim(param)))
    }
}

/// Cuts off one parameter: the text between the `;` at the front and the next one outside quotes, and the text from there. None if `text`
/// does not start with `;` or a quote is not closed.
fn cut_param(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b';', text @ ..] = trim_start(text) else { return None };
    let mut at = 0;
    loop {
        let (_, rest) = split(text, at);
        match memchr::memchr2(b';', b'"', rest).map(|found| (found, rest.get(found))) {
            None => return Some((text, &[])),
            Some((found, Some(b'"'))) => at += found + quoted_length(split(rest, found).1)?,
            Some((found, _)) => return Some(split(text, at + found)),
        }
    }
}

fn name_and_value(param: &[u8]) -> (&[u8], Option<&[u8]>) {
    match param.iter().position(|b| *b == b'=') {
        Some(at) => {
            let (name, value) = split(param, at);
            (trim_end(name), Some(trim_start(value.get(1..).unwrap_or_default())))
        }
        None => (param, None),
    }
}

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP` … unchanged.
    pub transport: &'a [u8],
    /// Host part of sent-by; an IPv6 literal keeps its brackets.
    pub host: &'a [u8],
    pub port: Option<u16>,
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::read(trim(value)).ok_or(fault("Via")).and_then(|via| via.params.check("Via").map(|()| via))
    }

    /// Checks a value below the topmost one. It is only copied: a call is not rejected for the name of an earlier hop, even with an
    /// underscore or an IPv6 zone.
    pub(super) fn check_lower(value: &[u8]) -> Result<(), Fault> {
        let (_, sent_by, params) = Via::parts(trim(value)).ok_or(fault("Via"))?;
        let named = !sent_by.is_empty() && sent_by.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t'));
        if named { params.check("Via") } else { Err(fault("Via")) }
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        let (transport, sent_by, params) = Self::parts(value)?;
        let (host, port) = split_port(sent_by, is_via_host)?;
        Some(Self { transport, host, port, params })
    }

    /// Transport, sent-by and parameters.
    fn parts(value: &'a [u8]) -> Option<(&'a [u8], &'a [u8], Params<'a>)> {
        let rest = match value.strip_prefix(b"SIP/2.0/") {
            Some(rest) => rest,
            None => {
                let (name, rest) = word_and_slash(value)?;
                if !name.eq_ignore_ascii_case(b"SIP") {
                    return None;
                }
                word_and_slash(rest)?.1
            }
        };
        let rest = trim_start(rest);
        let (transport, rest) = split(rest, rest.iter().position(|b| !TOKEN.has(*b))?);
        let [b' ' | b'\t', ..] = rest else { return None };
        let (sent_by, params) = match rest.iter().position(|b| *b == b';') {
            Some(at) => split(rest, at),
            None => (rest, &[][..]),
        };
        (!transport.is_empty()).then_some((transport, trim(sent_by), Params::new(params)))
    }

    /// The branch; None when it is absent or empty.
    pub fn branch(&self) -> Option<Cow<'a, [u8]>> {
        self.params.value("branch")
    }
}

/// A token, blanks, `/`: gives the token and what follows.
fn word_and_slash(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = trim_start(text);
    let (word, rest) = split(text, text.iter().position(|b| !TOKEN.has(*b))?);
    match trim_start(rest) {
        [b'/', rest @ ..] if !word.is_empty() => Some((word, rest)),
        _ => None,
    }
}

/// Splits `host [":" port]`, blanks around the colon allowed, and checks both halves.
pub(super) fn host_and_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    split_port(text, is_host)
}

fn split_port(text: &[u8], is_host: impl Fn(&[u8]) -> bool) -> Option<(&[u8], Option<u16>)> {
    let host_length = match text {
        [b'[', ..] => memchr::memchr(b']', text)? + 1,
        _ => text.iter().position(|b| !HOST.has(*b)).unwrap_or(text.len()),
    };
    let (host, rest) = split(text, host_length);
    let port = match trim_start(rest) {
        [] => None,
        [b':', digits @ ..] => Some(port_number(trim_start(digits))?),
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

fn port_number(digits: &[u8]) -> Option<u16> {
    u16::try_from(lex::decimal(digits)?).ok().filter(|port| *port > 0)
}

/// True for a host of a Via. It may have a zone, which some peers write with their link-local address (RFC 4007 §11): a response goes to
/// the source address of its request.
fn is_via_host(host: &[u8]) -> bool {
    match host.iter().position(|b| *b == b'%') {
        Some(at) if host.starts_with(b"[") => is_host(&[host.get(..at).unwrap_or_default(), b"]"].concat()),
        Some(_) | None => is_host(host),
    }
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [b'[', literal @ .., b']'] => std::str::from_utf8(literal).is_ok_and(|text| ipv6(text).is_some()),
        _ => HOST.holds_word(host) && !matches!(host, [b'.', ..]),
    }
}

/// An IPv6 address without its brackets. The grammar of RFC 3261 §25.1 makes a third colon before an IPv4 address at the end
/// (`2001:db8:::192.0.2.1`), which is read as if it were not there (RFC 5118 §4.10).
pub(super) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = text.split_once(":::")?;
    let tail: Ipv4Addr = tail.parse().ok()?;
    format!("{head}::{tail}").parse().ok()
}

/// `"Display" <uri>;params`, or `uri;params` (RFC 3261 §20.10, §20.20, §20.39): From, To, Contact, Route, P-Asserted-Identity …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// Without quotes and escapes.
    pub display: Option<Cow<'a, [u8]>>,
    pub uri: &'a [u8],
    /// Header parameters (outside the angle brackets).
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Parses one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::parse_of(value, "name-addr")
    }

    /// Parses one value; `why` is the name of its header field in an error.
    pub(super) fn parse_of(value: &'a [u8], why: &'static str) -> Result<Self, Fault> {
        let found = Self::read(trim(value)).ok_or(fault(why))?;
        found.params.check(why)?;
        Ok(found)
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        let (display, rest) = match value {
            [b'"', ..] => {
                let (quoted, rest) = split(value, quoted_length(value)?);
                (Some(unquote(quoted)), trim_start(rest))
            }
            [b'<', ..] => (None, value),
            _ => match memchr::memchr(b'<', value) {
                Some(at) => {
                    let (display, rest) = split(value, at);
                    let display = trim_end(display);
                    let good = display.iter().all(|b| *b >= 128 || DISPLAY.has(*b));
                    good.then_some((Some(Cow::Borrowed(display)), rest))?
                }
                None => return Self::read_bare(value),
            },
        };
        let [b'<', rest @ ..] = rest else { return None };
        let (uri, rest) = split(rest, memchr::memchr(b'>', rest)?);
        let params = trim_start(rest.get(1..).unwrap_or_default());
        let display = display.filter(|text| !text.is_empty());
        is_uri_like(uri).then_some(Self { display, uri, params: Params::new(params) })
    }

    /// Parses a value without brackets: everything from the first `;` on belongs to the header field, and `?` and `,` are not allowed (RFC
    /// 3261 §20).
    fn read_bare(value: &'a [u8]) -> Option<Self> {
        let (uri, params) = match value.iter().position(|b| *b == b';') {
            Some(at) => split(value, at),
            None => (value, &[][..]),
        };
        let uri = trim_end(uri);
        let good = is_uri_like(uri) && !uri.iter().any(|b| matches!(b, b'?' | b','));
        good.then_some(Self { display: None, uri, params: Params::new(params) })
    }

    /// The `tag` parameter; None when absent or empty.
    pub fn tag(&self) -> Option<Cow<'a, [u8]>> {
        self.params.value("tag")
    }
}

/// True for a scheme and a colon, and no character that is never allowed in a URI.
fn is_uri_like(uri: &[u8]) -> bool {
    let scheme = memchr::memchr(b':', uri).is_some_and(|at| at > 0);
    scheme && NOT_IN_URI.holds_none(uri)
}

/// `CSeq: 1 INVITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2^31 (RFC 3261 §8.1.1.5) in our requests; any 32-bit number is accepted.
    pub number: u32,
    pub method: Method,
    pub method_text: &'a [u8],
}

impl<'a> CSeq<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        let value = trim(value);
        let blank = value.iter().position(|b| is_blank(*b)).ok_or(fault("CSeq"))?;
        let (digits, method_text) = split(value, blank);
        let number = lex::decimal(digits).ok_or(fault("CSeq"))?;
        let method_text = trim_start(method_text);
        if !TOKEN.holds_word(method_text) {
            return Err(fault("CSeq"));
        }
        Ok(Self { number, method: Method::of(method_text), method_text })
    }
}

#[cfg(test)]
mod tests;
