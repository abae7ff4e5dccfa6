//! URIs (RFC 3261 §19.1, RFC 3966, RFC 5031), parsed without copying.

mod equality;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub use self::equality::equivalent;
use super::flow::Transport;
use super::header::{Params, host_and_port, ipv6};
use super::wire::lex::{Set, split};

/// RFC 3986 §3.1 `scheme`.
static SCHEME: Set = Set::alphanumeric_and(b"+-.");
/// Digits, hexadecimal digits and visual separators (RFC 3966 §3); letters beyond F are accepted.
static NUMBER: Set = Set::alphanumeric_and(b"+-.()*#%_!~'");
/// RFC 5031 §4 service labels.
static SERVICE: Set = Set::alphanumeric_and(b"-.");

/// The text is not a URI that SIP can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("no scheme before a colon")]
    NoScheme,
    #[error("the host is missing or malformed")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("a character that must be escaped, or a malformed escape")]
    Character,
}

/// A host, unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    Name(&'a str),
    Ip(IpAddr),
}

/// `sip:` and `sips:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri<'a> {
    pub secure: bool,
    /// With escapes unchanged and parameters of the user part, without the password.
    pub user: Option<&'a [u8]>,
    /// The text after the user's colon.
    pub password: Option<&'a [u8]>,
    pub host: Host<'a>,
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params<'a>,
    /// The text after `?`.
    pub headers: Option<&'a [u8]>,
}

/// Any URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri<'a> {
    Sip(SipUri<'a>),
    /// `tel:` (RFC 3966): the number, unchanged, with visual separators.
    Tel {
        number: &'a [u8],
        params: Params<'a>,
    },
    /// `urn:service:…` in lower case: the part after `urn:service:` (RFC 5031).
    Service(Cow<'a, str>),
    /// Any other scheme: 416.
    Other {
        scheme: &'a [u8],
    },
}

impl<'a> Uri<'a> {
    /// Reads a URI.
    pub fn parse(text: &'a [u8]) -> Result<Self, UriError> {
        let colon = text.iter().position(|b| !SCHEME.has(*b)).ok_or(UriError::NoScheme)?;
        let (scheme, rest) = split(text, colon);
        let ([b':', rest @ ..], [b'a'..=b'z' | b'A'..=b'Z', ..]) = (rest, scheme) else {
            return Err(UriError::NoScheme);
        };
        if scheme.eq_ignore_ascii_case(b"sip") {
            SipUri::read(rest, false).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case(b"sips") {
            SipUri::read(rest, true).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            read_tel(rest)
        } else {
            check_characters(rest)?;
            match read_service(scheme, rest) {
                Some(service) => service,
                None => Ok(Self::Other { scheme }),
            }
        }
    }

    /// The user part of a SIP URI or the number of a tel URI, with escapes decoded, and without parameters and visual separators of
    /// numbers. A user part is a number if it starts with `+` or the URI has `user=phone`.
    pub fn user(&self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Sip(uri) => {
                let user = split(uri.user?, uri.user?.iter().position(|b| *b == b';').unwrap_or(usize::MAX)).0;
                let user = decode(user);
                let phone = uri.params.value("user").is_some_and(|kind| kind.eq_ignore_ascii_case(b"phone"));
                Some(if phone || user.starts_with(b"+") { without_separators(user) } else { user })
            }
            Self::Tel { number, .. } => Some(without_separators(decode(number))),
            Self::Service(_) | Self::Other { .. } => None,
        }
    }

    /// The transport in the URI (RFC 3263 §4.1): TLS for `sips`, UDP if there is none or an unknown one.
    pub fn transport(&self) -> Transport {
        let Self::Sip(uri) = self else { return Transport::Udp };
        let named = uri.params.value("transport");
        let is = |word: &[u8]| named.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(word));
        match (is(b"tls"), is(b"tcp")) {
            (true, _) => Transport::Tls,
            (_, true) if uri.secure => Transport::Tls,
            (_, true) => Transport::Tcp,
            (false, false) if uri.secure => Transport::Tls,
            (false, false) => Transport::Udp,
        }
    }

    /// The socket address if the host is an IP literal: `maddr` first; port 5060 (5061 for sips and TLS) if there is none.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        let Self::Sip(uri) = self else { return None };
        let address = match uri.params.value("maddr") {
            Some(maddr) => std::str::from_utf8(&maddr).ok()?.trim_matches(['[', ']']).parse().ok()?,
            None => match uri.host {
                Host::Ip(address) => address,
                Host::Name(_) => return None,
            },
        };
        let tls = uri.secure || uri.params.value("transport").is_some_and(|t| t.eq_ignore_ascii_case(b"tls"));
        Some(SocketAddr::new(address, uri.port.unwrap_or(if tls { 5061 } else { 5060 })))
    }
}

impl<'a> SipUri<'a> {
    /// Parses the text after the scheme. The user part may contain `;`, `?` and `/`, so its `@` is searched first.
    fn read(text: &'a [u8], secure: bool) -> Result<Self, UriError> {
        check_characters(text)?;
        let (userinfo, rest) = match memchr::memchr(b'@', text) {
            Some(at) => {
                let (userinfo, rest) = split(text, at);
                (Some(userinfo), rest.get(1..).unwrap_or_default())
            }
            None => (None, text),
        };
        let (user, password) = match userinfo.map(|info| (info, memchr::memchr(b':', info))) {
            Some((info, Some(colon))) => {
                let (user, password) = split(info, colon);
                (Some(user), password.get(1..))
            }
            Some((info, None)) => (Some(info), None),
            None => (None, None),
        };
        if user.is_some_and(<[u8]>::is_empty) {
            return Err(UriError::Character);
        }
        let (rest, headers) = match memchr::memchr(b'?', rest) {
            Some(at) => {
                let (rest, headers) = split(rest, at);
                (rest, headers.get(1..))
            }
            None => (rest, None),
        };
        let (host_port, params) = split(rest, memchr::memchr(b';', rest).unwrap_or(rest.len()));
        let (host, port) = read_host(host_port)?;
        Ok(Self { secure, user, password, host, port, params: Params::new(params), headers })
    }
}

fn read_host(text: &[u8]) -> Result<(Host<'_>, Option<u16>), UriError> {
    let Some((host, port)) = host_and_port(text) else {
        let colon = memchr::memrchr(b':', text).map(|at| split(text, at).0);
        let only_port_is_wrong = colon.is_some_and(|host| host_and_port(host).is_some());
        return Err(if only_port_is_wrong { UriError::Port } else { UriError::Host });
    };
    let name = std::str::from_utf8(host).map_err(|_| UriError::Host)?;
    if let [b'[', ..] = host {
        let literal = name.trim_matches(['[', ']']);
        return ipv6(literal).map(|address| (Host::Ip(IpAddr::V6(address)), port)).ok_or(UriError::Host);
    }
    if host.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return name.parse::<Ipv4Addr>().map(|a| (Host::Ip(IpAddr::V4(a)), port)).map_err(|_| UriError::Host);
    }
    Ok((Host::Name(name), port))
}

fn read_tel(text: &[u8]) -> Result<Uri<'_>, UriError> {
    check_characters(text)?;
    let (number, params) = split(text, memchr::memchr(b';', text).unwrap_or(text.len()));
    if !NUMBER.holds_word(number) {
        return Err(UriError::Character);
    }
    Ok(Uri::Tel { number, params: Params::new(params) })
}

/// `urn:service:` and a service of labels and dots; None for another URN.
fn read_service<'a>(scheme: &[u8], rest: &'a [u8]) -> Option<Result<Uri<'a>, UriError>> {
    let (namespace, service) = rest.split_at_checked(8)?;
    if !scheme.eq_ignore_ascii_case(b"urn") || !namespace.eq_ignore_ascii_case(b"service:") {
        return None;
    }
    let text = std::str::from_utf8(service).ok().filter(|_| SERVICE.holds_word(service));
    let lower = text.map(|text| match text.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    });
    Some(lower.map(Uri::Service).ok_or(UriError::Character))
}

/// Rejects characters that are never allowed in a URI, and `%` without its two digits. More than the grammar allows is accepted (`#`,
/// non-ASCII letters), because phones send it.
fn check_characters(text: &[u8]) -> Result<(), UriError> {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            0..=32 | b'"' | b'<' | b'>' | b'\\' | 127 => false,
            b'%' => bytes.next().is_some_and(u8::is_ascii_hexdigit) && bytes.next().is_some_and(u8::is_ascii_hexdigit),
            _ => true,
        };
        if !good {
            return Err(UriError::Character);
        }
    }
    Ok(())
}

/// Decodes `%XX`; a malformed escape stays unchanged.
pub(super) fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                plain.push(hex_digit(*high) << 4 | hex_digit(*low));
                after
            }
            _ => {
                plain.push(*first);
                tail
            }
        };
    }
    Cow::Owned(plain)
}

/// The value of a hexadecimal digit; 0 for anything else.
fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => 0,
    }
}

/// Removes `visual-separator`s, which have no meaning (RFC 3966 §3).
fn without_separators(number: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let separator = |b: &u8| matches!(b, b'-' | b'.' | b'(' | b')');
    if !number.iter().any(separator) {
        return number;
    }
    Cow::Owned(number.iter().copied().filter(|b| !separator(b)).collect())
}

/// The URI without the parts that a Request-URI must not have: headers and the `method` parameter (RFC 3261 §19.1.1, table 1).
pub fn for_request_line(uri: &[u8]) -> Vec<u8> {
    if !matches!(Uri::parse(uri), Ok(Uri::Sip(_))) {
        return uri.to_vec();
    }
    let host_at = uri.iter().position(|b| *b == b'@').unwrap_or(0);
    let (user, rest) = uri.split_at_checked(host_at).unwrap_or((b"", uri));
    let rest = rest.split(|b| *b == b'?').next().unwrap_or_default();
    let mut line = user.to_vec();
    for (i, part) in rest.split(|b| *b == b';').enumerate() {
        let name = part.split(|b| *b == b'=').next().unwrap_or_default();
        if i > 0 && name.eq_ignore_ascii_case(b"method") {
            continue;
        }
        if i > 0 {
            line.push(b';');
        }
        line.extend_from_slice(part);
    }
    line
}

#[cfg(test)]
mod tests;
