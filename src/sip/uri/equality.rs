//! Equality of URIs (RFC 3261 §19.1.4).

use std::borrow::Cow;

use super::{Host, SipUri, Uri, hex_digit};

/// Equality of two SIP URIs by RFC 3261 §19.1.4; of tel URIs by RFC 3966 §4; any others byte by byte.
pub fn equivalent(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (Uri::parse(a), Uri::parse(b)) {
        (Ok(Uri::Sip(a)), Ok(Uri::Sip(b))) => same_sip(&a, &b),
        (Ok(Uri::Service(a)), Ok(Uri::Service(b))) => a == b,
        (Ok(one @ Uri::Tel { params: p, .. }), Ok(other @ Uri::Tel { params: q, .. })) => {
            let number = |uri: &Uri<'_>| uri.user().map(|n| n.to_ascii_lowercase());
            number(&one) == number(&other) && includes(&p, &q, |_| true) && includes(&q, &p, |_| true)
        }
        _ => false,
    }
}

fn same_sip(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    let must_be_on_both = |name: &[u8]| {
        ["user", "ttl", "method", "maddr", "transport"].iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
    };
    a.secure == b.secure
        && a.user.map(normal) == b.user.map(normal)
        && a.password.map(normal) == b.password.map(normal)
        && same_host(a.host, b.host)
        && a.port == b.port
        && includes(&a.params, &b.params, must_be_on_both)
        && includes(&b.params, &a.params, must_be_on_both)
        && same_headers(a.headers, b.headers)
}

fn same_host(a: Host<'_>, b: Host<'_>) -> bool {
    match (a, b) {
        (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
        (Host::Ip(a), Host::Ip(b)) => a == b,
        (Host::Name(_), Host::Ip(_)) | (Host::Ip(_), Host::Name(_)) => false,
    }
}

/// True if every parameter that both have is equal, and `b` has every `required` one of `a`.
fn includes(a: &super::Params<'_>, b: &super::Params<'_>, required: impl Fn(&[u8]) -> bool) -> bool {
    a.iter().all(|(name, value)| match b.iter().find(|(other, _)| normal(other).eq_ignore_ascii_case(&normal(name))) {
        Some((_, other)) => match (value, other) {
            (Some(value), Some(other)) => normal(value).eq_ignore_ascii_case(&normal(other)),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        },
        None => !required(name),
    })
}

/// Header components may be in any order; none may be missing.
fn same_headers(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    let parts = |headers: Option<&[u8]>| {
        let mut parts: Vec<Vec<u8>> = headers
            .unwrap_or_default()
            .split(|b| *b == b'&')
            .filter(|part| !part.is_empty())
            .map(|part| normal(part).into_owned())
            .collect();
        parts.sort_unstable();
        parts
    };
    parts(a) == parts(b)
}

/// Normalises escapes: decodes those that are not needed and writes the others in upper case, so that equal texts have equal bytes.
fn normal(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let byte = hex_digit(*high) << 4 | hex_digit(*low);
                if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
                    out.push(byte);
                } else {
                    out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
                }
                after
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    Cow::Owned(out)
}
