//! Zero-copy parser of SIP messages (RFC 3261 §7, §25); returns a partial message if the input is invalid.
//!
//! It does not interpret header values; `header` and `uri` do.

pub(super) mod fault;
pub(super) mod lex;
pub(super) mod method;
mod name;
mod readable;
#[cfg(test)]
pub(super) mod sample;

use std::borrow::Cow;

use smallvec::SmallVec;

pub use self::fault::Fault;
pub use self::method::Method;
pub use self::name::Name;
use super::header::parts::{CSeqParts, NameAddrParts, ViaParts};
use super::header::{CSeq, NameAddr, Via};
use super::uri::Uri;
use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, VIAS_MAX};

/// One header field line: `value` may contain a list of several values (use `Message::list`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: Name,
    /// As received.
    pub raw_name: &'a [u8],
    /// Trimmed; folded lines joined by one space (then owned).
    pub value: Cow<'a, [u8]>,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    Request { method: Method, method_text: &'a [u8], uri: &'a [u8] },
    Response { status: u16, reason: &'a [u8] },
}

/// The result of parsing a datagram or a frame of a stream.
#[derive(Clone, Debug)]
pub enum Parsed<'a> {
    /// A message whose required parts (Via, From, To, Call-ID, CSeq, and the request line) are valid.
    Good(Message<'a>),
    /// Recognisable as SIP, but invalid. A request gets `Fault::status` if it has a Via for the response.
    Bad(Message<'a>, Fault),
    /// CRLF keep-alive (RFC 5626 §3.5.1) or only white space.
    KeepAlive,
    /// Not SIP: dropped without a response.
    Garbage(&'static str),
}

/// One SIP message, borrowed from its bytes.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub start: StartLine<'a>,
    pub fields: SmallVec<[Field<'a>; 24]>,
    /// Cut to Content-Length; a datagram without one runs to its end (RFC 3261 §18.3).
    pub body: &'a [u8],
    /// From and To as received, if `fields` has a readable value instead (`parse_tolerantly`).
    came: SmallVec<[(Name, Cow<'a, [u8]>); 2]>,
    known: Known,
}

/// The parsed values of the first fields of these names. None if a value is invalid, or not parsed.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    via: Option<ViaParts>,
    from: Option<NameAddrParts>,
    to: Option<NameAddrParts>,
    cseq: Option<CSeqParts>,
}

/// How strictly a message is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rigour {
    Strict,
    /// Only the parts that a response and a dialog need.
    Tolerant,
    /// Like `Tolerant`, and the length of the body, which determines where the next message begins.
    TolerantInStream,
}

/// Parses one message from a datagram, or from a complete frame of `framing`.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    parse_as(bytes, Rigour::Strict)
}

/// Parses a message that `parse` rejects, for a call that must not fail for an error in an optional part. Required are a start line, the
/// topmost Via, Call-ID, CSeq, From and To. An unreadable line is left out. Unreadable From and To are replaced by their URI and tag
/// (`Message::as_it_came` has the originals). If the length is wrong, the body is the rest of the datagram.
pub fn parse_tolerantly(bytes: &[u8], in_stream: bool) -> Parsed<'_> {
    parse_as(bytes, if in_stream { Rigour::TolerantInStream } else { Rigour::Tolerant })
}

fn parse_as(bytes: &[u8], rigour: Rigour) -> Parsed<'_> {
    let Some(start) = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n' | b' ' | b'\t' | 0)) else {
        return Parsed::KeepAlive;
    };
    let (_, text) = lex::split(bytes, start);
    let (first, rest, line_fault) = lex::line(text);
    if line_fault.is_some() {
        return Parsed::Garbage("no start line");
    }
    let Some((start, start_fault)) = start_line(first) else {
        return Parsed::Garbage("not a SIP start line");
    };
    let mut message =
        Message { start, fields: SmallVec::new(), body: &[], came: SmallVec::new(), known: Known::default() };
    // An emergency call can be handled without a valid Request-URI, because To has the number too.
    let start_fault = start_fault.filter(|fault| rigour == Rigour::Strict || fault.status != 400 || !is_request(start));
    let mut faults = Faults { first: start_fault, rigour };
    if bytes.len() > MESSAGE_BYTES_MAX {
        faults.note(413, "message too long");
    }
    read_fields(&mut message, rest, &mut faults);
    check(&mut message, &mut faults);
    match faults.first {
        None => Parsed::Good(message),
        Some(fault) => Parsed::Bad(message, fault),
    }
}

const fn is_request(start: StartLine<'_>) -> bool {
    match start {
        StartLine::Request { .. } => true,
        StartLine::Response { .. } => false,
    }
}

/// The first error found determines the response.
struct Faults {
    first: Option<Fault>,
    rigour: Rigour,
}

impl Faults {
    fn note(&mut self, status: u16, why: &'static str) {
        self.first.get_or_insert(Fault { status, why });
    }

    /// Records an error in a part that neither a response nor a dialog needs.
    fn note_optional(&mut self, status: u16, why: &'static str) {
        if self.rigour == Rigour::Strict {
            self.note(status, why);
        }
    }

    /// Records an error in the length of the body.
    fn note_length(&mut self, why: &'static str) {
        if self.rigour != Rigour::Tolerant {
            self.note(400, why);
        }
    }

    fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.note(fault.status, fault.why)).ok()
    }
}

/// Parses a request or status line. None if it is neither.
fn start_line(line: &[u8]) -> Option<(StartLine<'_>, Option<Fault>)> {
    match line {
        [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/', ..] => status_line(line),
        _ => request_line(line),
    }
}

fn status_line(line: &[u8]) -> Option<(StartLine<'_>, Option<Fault>)> {
    let (version, rest) = cut(line, b' ')?;
    let (code, reason) = cut(rest, b' ').unwrap_or((rest, &[]));
    let status = lex::decimal(code).and_then(|status| u16::try_from(status).ok());
    let fault = match status {
        _ if !version.eq_ignore_ascii_case(b"SIP/2.0") => Some(Fault { status: 505, why: "SIP version" }),
        Some(100..=699) if code.len() == 3 => None,
        _ => Some(Fault { status: 400, why: "status code" }),
    };
    Some((StartLine::Response { status: status.unwrap_or(0), reason }, fault))
}

fn request_line(line: &[u8]) -> Option<(StartLine<'_>, Option<Fault>)> {
    let (method_text, rest) = cut(line, b' ')?;
    if !lex::TOKEN.holds_word(method_text) {
        return None;
    }
    let trimmed = lex::trim(rest);
    let at = trimmed.iter().rposition(|b| lex::is_blank(*b))?;
    let (uri, version) = lex::split(trimmed, at);
    let version = lex::trim_start(version);
    let [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/', ..] = version else { return None };
    let why = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(Fault { status: 505, why: "SIP version" })
    } else if uri.len() + 1 + version.len() != rest.len() || uri.iter().any(|b| matches!(b, 0..=32 | 127)) {
        Some(Fault { status: 400, why: "white space in the request line" })
    } else {
        request_uri_fault(uri)
    };
    Some((StartLine::Request { method: Method::of(method_text), method_text, uri: lex::trim(uri) }, why))
}

/// Checks that a Request-URI is a URI without header fields (RFC 3261 §19.1.1, table 1).
fn request_uri_fault(uri: &[u8]) -> Option<Fault> {
    match Uri::parse(uri) {
        Ok(Uri::Sip(sip)) if sip.headers.is_some() => {
            Some(Fault { status: 400, why: "header fields in the Request-URI" })
        }
        Ok(_) => None,
        Err(_) => Some(Fault { status: 400, why: "Request-URI" }),
    }
}

/// Splits at the first `at`, which is in neither part.
fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (head, tail) = lex::split(text, memchr::memchr(at, text)?);
    Some((head, tail.get(1..).unwrap_or_default()))
}

/// Collects the header fields and the body, within the limits.
fn read_fields<'a>(message: &mut Message<'a>, mut text: &'a [u8], faults: &mut Faults) {
    loop {
        match lex::field(text) {
            lex::Next::Field(raw, rest) => {
                text = rest;
                if let Some(why) = raw.fault {
                    faults.note_optional(400, why);
                    // `make_readable` replaces From and To.
                    let is_party = matches!(Name::of(raw.name), Name::From | Name::To);
                    if faults.rigour == Rigour::Strict || !is_party || why != lex::BARE_CR {
                        continue;
                    }
                }
                if raw.value.len() > HEADER_BYTES_MAX {
                    faults.note_optional(400, "header field too long");
                    continue;
                }
                if message.fields.len() == HEADERS_MAX {
                    faults.note_optional(400, "too many header fields");
                    continue;
                }
                message.fields.push(Field { name: Name::of(raw.name), raw_name: raw.name, value: raw.value });
            }
            lex::Next::Empty(body) => {
                message.body = body;
                return;
            }
            lex::Next::End => {
                faults.note_optional(400, "header without its end");
                return;
            }
        }
    }
}

/// What the check of all header fields has found.
#[derive(Default)]
struct Census {
    from: usize,
    to: usize,
    call_id: usize,
    cseq: usize,
    max_forwards: usize,
    vias: usize,
    content_length: Option<u32>,
    known: Known,
}

/// Checks the required parts and cuts the body.
fn check(message: &mut Message<'_>, faults: &mut Faults) {
    if faults.rigour != Rigour::Strict {
        message.make_readable();
    }
    let mut census = Census::default();
    for field in &message.fields {
        check_field(field, &message.start, &mut census, faults);
    }
    message.known = census.known;
    if message.via().is_err() {
        faults.note(400, "Via");
    }
    // Of two different values of Call-ID or CSeq, the peer may repeat either in later messages of the dialog.
    let counts = [
        (census.from, "From", true, false),
        (census.to, "To", true, false),
        (census.call_id, "Call-ID", true, true),
        (census.cseq, "CSeq", true, true),
        (census.max_forwards, "Max-Forwards", false, false),
    ];
    for (count, why, required, unique) in counts {
        if (required && count == 0) || (unique && count > 1) {
            faults.note(400, why);
        } else if count > 1 {
            faults.note_optional(400, why);
        }
    }
    if census.vias > VIAS_MAX {
        faults.note_optional(400, "too many Via");
    }
    let Some(length) = census.content_length else { return };
    match usize::try_from(length).ok().and_then(|length| message.body.get(..length)) {
        Some(body) => message.body = body,
        None => faults.note_length("Content-Length beyond the end"),
    }
}

fn check_field(field: &Field<'_>, start: &StartLine<'_>, census: &mut Census, faults: &mut Faults) {
    let value = field.value.as_ref();
    if field.name == Name::Via {
        for via in lex::List::new(value) {
            census.vias += 1;
            if census.vias == 1 {
                census.known.via = faults.take(Via::parse(via)).map(|via| ViaParts::of(value, &via));
            } else if census.vias <= VIAS_MAX
                && let Err(fault) = Via::check_lower(via)
            {
                faults.note_optional(fault.status, fault.why);
            }
        }
    } else if field.name == Name::From {
        census.from += 1;
        if census.from == 1 {
            let from = faults.take(NameAddr::parse_of(value, "From"));
            census.known.from = from.and_then(|from| NameAddrParts::of(value, &from));
        }
    } else if field.name == Name::To {
        census.to += 1;
        if census.to == 1 {
            let to = faults.take(NameAddr::parse_of(value, "To"));
            census.known.to = to.and_then(|to| NameAddrParts::of(value, &to));
        }
    } else if field.name == Name::CallId {
        census.call_id += 1;
        if value.is_empty() {
            faults.note(400, "Call-ID");
        } else if !is_call_id(value) {
            faults.note_optional(400, "Call-ID");
        }
    } else if field.name == Name::CSeq {
        census.cseq += 1;
        let cseq = faults.take(CSeq::parse(value));
        if census.cseq == 1 {
            census.known.cseq = cseq.as_ref().map(|cseq| CSeqParts::of(value, cseq));
        }
        if let (StartLine::Request { method_text, .. }, Some(cseq)) = (start, cseq)
            && cseq.method_text != *method_text
        {
            faults.note(400, "CSeq names another method");
        }
    } else if field.name == Name::MaxForwards {
        census.max_forwards += 1;
        if lex::decimal(value).is_none() {
            faults.note_optional(400, "Max-Forwards");
        }
    } else if field.name == Name::ContentLength {
        match lex::decimal(value) {
            Some(length) if census.content_length.is_none_or(|before| before == length) => {
                census.content_length = Some(length);
            }
            _ => {
                // The correct one of two values is unknown: the body is the rest of the datagram.
                census.content_length = None;
                faults.note_length("Content-Length");
            }
        }
    }
}

/// True for visible characters: more than RFC 3261 §25.1 `callid` allows, because such values are in use.
fn is_call_id(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_graphic)
}

impl<'a> Message<'a> {
    /// The request's method; None for a response.
    pub fn method(&self) -> Option<Method> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The request's method as received; None for a response.
    pub fn method_text(&self) -> Option<&'a [u8]> {
        match self.start {
            StartLine::Request { method_text, .. } => Some(method_text),
            StartLine::Response { .. } => None,
        }
    }

    /// The response's status; None for a request.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The Request-URI as received; None for a response.
    pub fn request_uri(&self) -> Option<&'a [u8]> {
        match self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// The value of the first field of that name.
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.lines(name).next()
    }

    /// The value of the first field of that name as received, which a response repeats (RFC 3261 §8.2.6.2).
    pub fn as_it_came(&self, name: Name) -> Option<&[u8]> {
        let came = self.came.iter().find(|(replaced, _)| *replaced == name);
        came.map(|(_, value)| value.as_ref()).or_else(|| self.first(name))
    }

    /// True if the value of that name was replaced by a readable one.
    pub fn is_replaced(&self, name: Name) -> bool {
        self.came.iter().any(|(replaced, _)| *replaced == name)
    }

    /// The values of all fields of that name, line by line, not split at commas.
    pub fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| field.value.as_ref())
    }

    /// The values of all fields that are not in `Name`, by case-insensitive name.
    pub fn extension(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let known = move |field: &&Field<'_>| field.raw_name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(known).map(|field| field.value.as_ref())
    }

    /// All values of that name in order, with comma lists split outside quotes and angle brackets; without empty elements.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.lines(name).flat_map(move |value| elements(name, value)).filter(|element| !element.is_empty())
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via<'_>, Fault> {
        if let (Some(known), Some(value)) = (self.known.via, self.first(Name::Via)) {
            return Ok(known.get(value));
        }
        let first = self.first(Name::Via).and_then(|value| lex::List::new(value).next());
        Via::parse(first.ok_or(Fault { status: 400, why: "Via" })?)
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr<'_>, Fault> {
        let value = self.required(Name::From, "From")?;
        self.known.from.map_or_else(|| NameAddr::parse_of(value, "From"), |known| Ok(known.get(value)))
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr<'_>, Fault> {
        let value = self.required(Name::To, "To")?;
        self.known.to.map_or_else(|| NameAddr::parse_of(value, "To"), |known| Ok(known.get(value)))
    }

    /// SIP's Call-ID.
    pub fn call_id(&self) -> Result<&[u8], Fault> {
        self.required(Name::CallId, "Call-ID")
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq<'_>, Fault> {
        let value = self.required(Name::CSeq, "CSeq")?;
        self.known.cseq.map_or_else(|| CSeq::parse(value), |known| Ok(known.get(value)))
    }

    /// The first Contact (`*` is an error here).
    pub fn contact(&self) -> Result<NameAddr<'_>, Fault> {
        let first = self.first(Name::Contact).and_then(|value| elements(Name::Contact, value).next());
        NameAddr::parse_of(first.ok_or(Fault { status: 400, why: "Contact" })?, "Contact")
    }

    /// A header field with one decimal number (Max-Forwards, Expires, Min-Expires, Content-Length). `Ok(None)` if absent; an error of 400
    /// if it is not a number of at most 32 bits.
    pub fn number(&self, name: Name) -> Result<Option<u32>, Fault> {
        let Some(value) = self.first(name) else { return Ok(None) };
        lex::decimal(value).map(Some).ok_or(Fault { status: 400, why: name.as_str() })
    }

    fn required(&self, name: Name, why: &'static str) -> Result<&[u8], Fault> {
        self.first(name).filter(|value| !value.is_empty()).ok_or(Fault { status: 400, why })
    }
}

/// The elements of one line of a header field.
fn elements(name: Name, value: &[u8]) -> lex::List<'_> {
    match name.holds_addresses() {
        true => lex::List::of_addresses(value),
        false => lex::List::new(value),
    }
}

#[cfg(test)]
mod tests;
