//! The caller's location from the trunk's INVITE: Geolocation `cid:` with PIDF-LO (RFC 6442, 4119, 5139, 5491) and P-Access-Network-Info
//! (RFC 7315 §5.4). Malformed values are stored raw and skipped, so no error here can end a call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wire::lex;
use super::wire::{Message, Name};
use crate::limits::{BODY_PARTS_MAX, LOCATION_BYTES_MAX, LOCATIONS_MAX};

pub use self::multipart::{Enclosure, multipart};
use self::multipart::{PIDF, Part};

mod access_network;
mod brief;
mod multipart;
mod pidf;
#[cfg(test)]
mod tests;

/// The source of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// PIDF-LO by value in the request's body.
    PidfLo,
    /// P-Access-Network-Info.
    AccessNetwork,
    /// A URI of a location (`https:`, `sip:`): the Geolocation value is stored and not fetched.
    Reference,
}

/// A shape on WGS 84; degrees and metres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape")]
pub enum Shape {
    Point { latitude: f64, longitude: f64 },
    Circle { latitude: f64, longitude: f64, radius_m: f64 },
}

/// One location, as far as it could be parsed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    pub source: Source,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shape: Option<Shape>,
    /// Civic elements by their short names (`country`, `A1`, `A3`, `RD`, `HNO` …; RFC 5139).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub civic: BTreeMap<String, String>,
    /// From P-Access-Network-Info: access type and parameters (`utran-cell-id-3gpp` …).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub access: BTreeMap<String, String>,
    /// The received value as text (lossy if it is not UTF-8), cut at `limits::LOCATION_BYTES_MAX`.
    pub raw: String,
    /// Why it could not be parsed completely.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
}

impl Location {
    fn empty(source: Source, raw: String) -> Self {
        Self { source, shape: None, civic: BTreeMap::new(), access: BTreeMap::new(), raw, fault: None }
    }

    fn faulty(source: Source, raw: String, fault: &str) -> Self {
        Self { fault: Some(fault.to_owned()), ..Self::empty(source, raw) }
    }

    /// Shapes come before addresses, addresses before cells, and cells before unreadable locations.
    fn rank(&self) -> u8 {
        match (&self.shape, self.civic.is_empty(), self.access.is_empty()) {
            (Some(_), _, _) => 0,
            (None, false, _) => 1,
            (None, true, false) => 2,
            (None, true, true) => 3,
        }
    }
}

/// All locations of the caller in the request, best first, at most `LOCATIONS_MAX`. Never fails; bounded work.
pub fn read(request: &Message<'_>) -> Vec<Location> {
    let mut found = Vec::new();
    let parts = multipart::parts(request);
    let mut referred = Vec::new();
    for value in request.list(Name::Geolocation).filter(|value| !value.is_empty()).take(LOCATIONS_MAX) {
        match content_id(value) {
            None => found.push(Location::empty(Source::Reference, text(value))),
            Some(id) => match position(&parts, &id) {
                Some(index) if referred.contains(&index) => {}
                Some(index) => referred.push(index),
                None => found.push(Location::faulty(Source::PidfLo, text(value), "no body part of this Content-ID")),
            },
        }
    }
    // A document to which no Geolocation refers is used too, in favour of the caller.
    let others = parts.iter().enumerate().filter(|(index, part)| part.is(PIDF) && !referred.contains(index));
    let others: Vec<usize> = others.map(|(index, _)| index).collect();
    for part in referred.iter().chain(&others).filter_map(|index| parts.get(*index)) {
        found.extend(pidf::read(&part.content()));
    }
    found.extend(
        request
            .list(Name::PAccessNetworkInfo)
            .filter(|value| !value.is_empty())
            .take(LOCATIONS_MAX)
            .map(access_network::read),
    );
    found.sort_by_key(Location::rank);
    found.truncate(LOCATIONS_MAX);
    found
}

/// The session description of a body, which may be multipart/mixed (RFC 5621), nested or not. None if there is none.
pub fn session_description<'a>(message: &'a Message<'_>) -> Option<&'a [u8]> {
    let parts = multipart::parts(message);
    // A body without a Content-Type is a session description if it begins with `v=`.
    let bare = |part: &&Part<'a>| part.is("") && part.raw().starts_with(b"v=");
    parts.iter().find(|part| part.is("application/sdp")).or_else(|| parts.iter().find(bare)).map(Part::raw)
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It has a Content-Encoding.
    Encoded,
    /// Its type is not supported.
    Kind,
}

/// Why a request's body cannot be read. None also for a body with `handling=optional`, which may be ignored (RFC 3261 §8.2.3, §20.11).
/// In a body of several parts, parts of other types are ignored.
pub fn unreadable(request: &Message<'_>) -> Option<Unreadable> {
    if request.body.is_empty() || multipart::is_optional(request.first(Name::ContentDisposition)) {
        return None;
    }
    if multipart::is_encoded(request.first(Name::ContentEncoding)) {
        return Some(Unreadable::Encoded);
    }
    let kind = request.first(Name::ContentType).filter(|kind| !multipart::is_multipart(kind))?;
    let parts = multipart::parts(request);
    let read = ["application/sdp", PIDF].iter().any(|kind| parts.iter().any(|part| part.is(kind)));
    (!read && !kind.is_empty()).then_some(Unreadable::Kind)
}

/// The parts of a body that are neither a session description nor a location: type and text, unchanged, for the record.
pub fn ignored(request: &Message<'_>) -> Vec<(String, String)> {
    let described = session_description(request);
    let parts = multipart::parts(request);
    let unread = parts.iter().filter(|part| !part.is(PIDF) && described != Some(part.raw()));
    unread.map(|part| (text(part.content_type()), text(part.raw()))).collect()
}

/// The location documents in a request, unchanged, each of at most `LOCATION_BYTES_MAX` bytes.
pub fn enclosures(request: &Message<'_>) -> Vec<Enclosure> {
    static SAFE: lex::Set = lex::Set::alphanumeric_and(b"@.-_+");
    let mut found: Vec<Enclosure> = Vec::new();
    for part in multipart::parts(request).iter().filter(|part| part.is(PIDF)).take(BODY_PARTS_MAX) {
        let body = part.content().into_owned();
        if body.len() > LOCATION_BYTES_MAX {
            continue;
        }
        let id = part.id().filter(|id| SAFE.holds_word(id) && id.len() <= 128).map(text);
        let id = id.filter(|id| found.iter().all(|other| other.content_id != *id));
        let content_id = id.unwrap_or_else(|| format!("location-{}@siaga.invalid", found.len()));
        found.push(Enclosure { content_id, body });
    }
    found
}

/// The Geolocation value that refers to enclosures (RFC 6442 §4.1): `<cid:a@b>, <cid:c@d>`.
pub fn geolocation(enclosures: &[Enclosure]) -> String {
    enclosures.iter().map(|enclosure| format!("<cid:{}>", enclosure.content_id)).collect::<Vec<_>>().join(", ")
}

/// The Content-ID to which a Geolocation value refers (RFC 2392); None if it is no `cid:`.
fn content_id(value: &[u8]) -> Option<Vec<u8>> {
    let open = memchr::memchr(b'<', value).map_or(0, |at| at + 1);
    let (_, uri) = lex::split(value, open);
    let end = memchr::memchr2(b'>', b';', uri).unwrap_or(uri.len());
    let (uri, _) = lex::split(uri, end);
    let (scheme, id) = lex::split(lex::trim(uri), 4);
    scheme.eq_ignore_ascii_case(b"cid:").then(|| decoded(id))
}

/// Decodes percent-escapes such as `%41`.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, after @ ..] => digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*byte, tail));
        plain.push(byte);
        rest = after;
    }
    plain
}

fn digit(hexadecimal: u8) -> Option<u8> {
    char::from(hexadecimal).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The part with that Content-ID: the same bytes, or else the same letters in any case.
fn position(parts: &[Part<'_>], id: &[u8]) -> Option<usize> {
    let exact = parts.iter().position(|part| part.id() == Some(id));
    exact.or_else(|| parts.iter().position(|part| part.id().is_some_and(|other| other.eq_ignore_ascii_case(id))))
}

/// Bytes as text, cut at `LOCATION_BYTES_MAX`.
fn text(bytes: &[u8]) -> String {
    let (bytes, _) = lex::split(bytes, LOCATION_BYTES_MAX.min(bytes.len()));
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.truncate(text.floor_char_boundary(LOCATION_BYTES_MAX));
    text
}

/// Text without control characters, cut.
fn plain(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}
