//! Multipart bodies (RFC 2046 §5.1, RFC 5621): parsed leniently without copying, and written.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::{memchr, memmem};

use super::super::header::Params;
use super::super::wire::lex::{self, Next};
use super::super::wire::{Message, Name};
use crate::limits::BODY_PARTS_MAX;

/// One part that is not multipart itself.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    content_type: Cow<'a, [u8]>,
    content_id: Option<Cow<'a, [u8]>>,
    base64: bool,
    /// Its content is compressed, which is not supported (RFC 3261 §20.12).
    encoded: bool,
    bytes: &'a [u8],
}

impl<'a> Part<'a> {
    /// True if it has this media type, with any parameters, and can be read.
    pub(super) fn is(&self, media_type: &str) -> bool {
        !self.encoded && media_type_of(&self.content_type).eq_ignore_ascii_case(media_type.as_bytes())
    }

    /// Its media type with all parameters, unchanged.
    pub(super) fn content_type(&self) -> &[u8] {
        &self.content_type
    }

    /// Content-ID without its angle brackets.
    pub(super) fn id(&self) -> Option<&[u8]> {
        let id = lex::trim(self.content_id.as_deref()?);
        Some(id.strip_prefix(b"<").and_then(|id| id.strip_suffix(b">")).unwrap_or(id))
    }

    /// Its bytes without decoding of a transfer encoding, which SIP does not need.
    pub(super) fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its content.
    pub(super) fn content(&self) -> Cow<'a, [u8]> {
        if !self.base64 {
            return Cow::Borrowed(self.bytes);
        }
        let tight: Vec<u8> = self.bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(tight).map_or(Cow::Borrowed(self.bytes), Cow::Owned)
    }
}

/// The parts of a message's body in order; a plain body is its own only part. At most `BODY_PARTS_MAX` parts are examined, including the
/// multipart ones.
pub(super) fn parts<'a>(message: &'a Message<'_>) -> Vec<Part<'a>> {
    if message.body.is_empty() {
        return Vec::new();
    }
    let whole = Part {
        content_type: Cow::Borrowed(message.first(Name::ContentType).unwrap_or_default()),
        content_id: message.first(Name::ContentId).map(Cow::Borrowed),
        base64: false,
        encoded: is_encoded(message.first(Name::ContentEncoding)),
        bytes: message.body,
    };
    // Depth first: waiting parts are stored last first.
    let mut waiting = vec![whole];
    let mut seen = 0;
    let mut leaves = Vec::new();
    while let Some(part) = waiting.pop() {
        match boundary(&part) {
            None => leaves.push(part),
            Some(boundary) => {
                let mut inner = inner_parts(part.bytes, &boundary, BODY_PARTS_MAX.saturating_sub(seen));
                seen += inner.len();
                inner.reverse();
                waiting.append(&mut inner);
            }
        }
    }
    leaves
}

/// The boundary of a multipart; if the parameter is missing, the text of the first line that begins with two hyphens.
fn boundary<'a>(part: &Part<'a>) -> Option<Cow<'a, [u8]>> {
    if part.encoded || !is_multipart(&part.content_type) {
        return None;
    }
    let told = parameters(&part.content_type).value("boundary").map(|told| Cow::Owned(told.into_owned()));
    told.or_else(|| lines(part.bytes).find_map(|(_, line)| line.strip_prefix(b"--")).map(Cow::Borrowed))
}

/// Splits a multipart at its delimiter lines (RFC 2046 §5.1.1). The text before the first is no part; if the closing delimiter is missing,
/// the last part ends with the body.
fn inner_parts<'a>(bytes: &'a [u8], boundary: &[u8], parts_max: usize) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    for (at, line) in lines(bytes) {
        if found.len() == parts_max {
            return found;
        }
        let Some(rest) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) else { continue };
        let rest = lex::trim(rest);
        if !rest.is_empty() && rest != b"--" {
            continue;
        }
        if let Some(start) = open {
            found.push(part_of(bytes.get(start..at).unwrap_or_default()));
        }
        open = (rest.is_empty()).then_some(at + line.len());
        if open.is_none() {
            return found;
        }
    }
    if let Some(start) = open
        && found.len() < parts_max
    {
        found.push(part_of(bytes.get(start..).unwrap_or_default()));
    }
    found
}

/// Lines with their offsets, without line ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        let (line, _) = lex::split(rest, memchr(b'\n', rest).unwrap_or(rest.len()));
        at += line.len() + 1;
        Some((start, line.strip_suffix(b"\r").unwrap_or(line)))
    })
}

/// Header and body of one part, from the text after the delimiter on. The line end at its end belongs to the next delimiter.
fn part_of(text: &[u8]) -> Part<'_> {
    let text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
    let (_, mut rest, _) = lex::line(text);
    // RFC 2046 §5.1: a part without a header is plain text; without even an empty line it has no body either.
    let mut part = Part {
        content_type: Cow::Borrowed(b"text/plain"),
        content_id: None,
        base64: false,
        encoded: false,
        bytes: &[],
    };
    loop {
        match lex::field(rest) {
            Next::Field(field, after) => {
                if field.name.eq_ignore_ascii_case(b"Content-Type") {
                    part.content_type = field.value;
                } else if field.name.eq_ignore_ascii_case(b"Content-ID") {
                    part.content_id = Some(field.value);
                } else if field.name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
                    part.base64 = field.value.eq_ignore_ascii_case(b"base64");
                } else if field.name.eq_ignore_ascii_case(b"Content-Encoding") {
                    part.encoded = is_encoded(Some(&field.value));
                }
                rest = after;
            }
            Next::Empty(body) => {
                part.bytes = body;
                return part;
            }
            Next::End => return part,
        }
    }
}

/// True for a Content-Encoding that is not `identity`.
pub(super) fn is_encoded(coding: Option<&[u8]>) -> bool {
    coding.is_some_and(|coding| !lex::trim(coding).eq_ignore_ascii_case(b"identity"))
}

/// True if a Content-Disposition permits ignoring the body (RFC 3261 §20.11).
pub(super) fn is_optional(disposition: Option<&[u8]>) -> bool {
    let handling = disposition.and_then(|value| parameters(value).value("handling").map(Cow::into_owned));
    handling.is_some_and(|handling| handling.eq_ignore_ascii_case(b"optional"))
}

/// True for `multipart/*`.
pub(super) fn is_multipart(content_type: &[u8]) -> bool {
    media_type_of(content_type).get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

fn media_type_of(content_type: &[u8]) -> &[u8] {
    lex::trim(lex::split(content_type, memchr(b';', content_type).unwrap_or(content_type.len())).0)
}

fn parameters(content_type: &[u8]) -> Params<'_> {
    Params::new(lex::split(content_type, memchr(b';', content_type).unwrap_or(content_type.len())).1)
}

/// Builds a multipart/mixed body of a session description and location documents: (Content-Type, body). `boundary` is a random token,
/// which is extended until no part contains it.
pub fn multipart(sdp: &[u8], enclosures: &[Enclosure], boundary: &str) -> (String, Vec<u8>) {
    let mut boundary = boundary.to_owned();
    let all = || std::iter::once(sdp).chain(enclosures.iter().map(|enclosure| enclosure.body.as_slice()));
    while all().any(|body| memmem::find(body, boundary.as_bytes()).is_some()) {
        boundary.push('x');
    }
    let mut body = format!("--{boundary}\r\nContent-Type: application/sdp\r\n\r\n").into_bytes();
    body.extend_from_slice(sdp);
    for Enclosure { content_id, body: document } in enclosures {
        let head = format!("\r\n--{boundary}\r\nContent-Type: {PIDF}\r\nContent-ID: <{content_id}>\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(document);
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/mixed;boundary={boundary}"), body)
}

/// The media type of location documents (RFC 3863 §6, RFC 4119).
pub(super) const PIDF: &str = "application/pidf+xml";

/// A location document for an operator's phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    /// Without angle brackets; safe in a header field and in a `cid:` URL.
    pub content_id: String,
    /// The received document, unchanged.
    pub body: Vec<u8>,
}
