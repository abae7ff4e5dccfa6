//! Builds the messages that siaga sends. The only file that uses rsip, for status codes. Bodies, reason
//! phrases and values from peers are written here, sanitised (CR, LF and NUL are removed).

mod banner;
mod response_template;
mod retry;

use std::borrow::Cow;
use std::io::Write as _;

use bytes::Bytes;

pub use self::banner::{banner_length, with_banner};
pub use self::response_template::{ResponseTemplate, refusal_flow, response_flow};
pub use self::retry::again;
use super::flow::Transport;
use super::wire::{Method, Name};

/// Capacity for a usual message, so that it needs one allocation.
const USUAL_BYTES: usize = 1_024;

/// Length of Content-Length with the longest number, and of the empty line.
const LAST_LINES_BYTES: usize = 30;

/// Starts a request outside or inside a dialog; the caller adds Via, From, To, Call-ID, CSeq (in that order). `Method::Other` has no text
/// and becomes OPTIONS.
pub fn request(method: Method, uri: &[u8]) -> Builder {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    let method = if method == Method::Other { Method::Options } else { method };
    bytes.extend_from_slice(method.as_str().as_bytes());
    bytes.push(b' ');
    put_clean(&mut bytes, uri);
    bytes.extend_from_slice(b" SIP/2.0\r\n");
    let fields_at = bytes.len();
    Builder { bytes, reason_at: fields_at, fields_at, body: Vec::new() }
}

/// Starts a response without the header fields that `ResponseTemplate::response` copies.
fn response(status: u16) -> Builder {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    bytes.extend_from_slice(b"SIP/2.0 ");
    put_number(&mut bytes, u32::from(status));
    bytes.push(b' ');
    let reason_at = bytes.len();
    bytes.extend_from_slice(reason_phrase(status).as_bytes());
    bytes.extend_from_slice(b"\r\n");
    let fields_at = bytes.len();
    Builder { bytes, reason_at, fields_at, body: Vec::new() }
}

/// The methods that siaga supports, as the value of Allow.
pub const ALLOW: &[u8] = b"INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, MESSAGE";

/// The option tags that siaga supports.
pub const SUPPORTED: &[u8] = b"100rel, timer, replaces, norefersub";

/// A message under construction. Every value is cleaned of CR, LF and NUL before it is written.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Start line and header fields so far.
    bytes: Vec<u8>,
    /// Where the reason phrase starts in a response.
    reason_at: usize,
    /// Where the first header field starts.
    fields_at: usize,
    body: Vec<u8>,
}

impl Builder {
    /// Replaces the reason phrase of a response.
    #[must_use]
    pub fn reason(mut self, phrase: &str) -> Self {
        if self.reason_at < self.fields_at {
            let mut line = clean(phrase.as_bytes()).into_owned();
            line.extend_from_slice(b"\r\n");
            let fields_at = self.reason_at + line.len();
            self.bytes.splice(self.reason_at..self.fields_at, line);
            self.fields_at = fields_at;
        }
        self
    }

    /// Adds a header field. `Name::Other` has no text, and `encode` writes Content-Length: both are ignored.
    #[must_use]
    pub fn header(mut self, name: Name, value: &[u8]) -> Self {
        if name != Name::Other && name != Name::ContentLength {
            put_field(&mut self.bytes, name.as_str(), value);
        }
        self
    }

    /// Adds a header field that is not in `Name`.
    #[must_use]
    pub fn extension(mut self, name: &'static str, value: &[u8]) -> Self {
        put_field(&mut self.bytes, name, value);
        self
    }

    /// Adds our Via before the other header fields: `SIP/2.0/UDP sent_by;branch=…;rport`.
    #[must_use]
    pub fn via(mut self, transport: Transport, sent_by: &str, branch: &str) -> Self {
        let start: &[u8] = match transport {
            Transport::Udp => b"Via: SIP/2.0/UDP ",
            Transport::Tcp => b"Via: SIP/2.0/TCP ",
            Transport::Tls => b"Via: SIP/2.0/TLS ",
        };
        let mut line = Vec::with_capacity(64 + sent_by.len() + branch.len());
        line.extend_from_slice(start);
        put_clean(&mut line, sent_by.as_bytes());
        line.extend_from_slice(b";branch=");
        put_clean(&mut line, branch.as_bytes());
        line.extend_from_slice(b";rport\r\n");
        insert(&mut self.bytes, self.fields_at, &line);
        self
    }

    /// Sets the body with its Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self = self.header(Name::ContentType, content_type.as_bytes());
        self.body.clear();
        self.body.extend_from_slice(body);
        self
    }

    /// The bytes of the message, with Content-Length as the last header field.
    pub fn encode(self) -> Bytes {
        let Self { mut bytes, body, .. } = self;
        // Without this the vector would double its capacity, and some messages are kept for the whole call.
        bytes.reserve_exact(LAST_LINES_BYTES + body.len());
        bytes.extend_from_slice(b"Content-Length: ");
        put_number(&mut bytes, u32::try_from(body.len()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&body);
        // Transactions keep it for half a minute, dialogs for the whole call.
        Bytes::from(bytes.into_boxed_slice())
    }

    /// Adds complete header field lines that were sanitised before.
    fn raw(mut self, lines: &[u8]) -> Self {
        self.bytes.extend_from_slice(lines);
        self
    }
}

/// Writes one header field line with a sanitised value.
fn put_field(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    put_clean(bytes, value);
    bytes.extend_from_slice(b"\r\n");
}

/// Writes a value without CR, LF and NUL.
fn put_clean(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend_from_slice(&clean(value));
}

/// Replaces each CR, LF and NUL by a space, so that no value can start a new line.
fn clean(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr3(b'\r', b'\n', 0, value).is_none() {
        return Cow::Borrowed(value);
    }
    let space = |b: &u8| if matches!(b, b'\r' | b'\n' | 0) { b' ' } else { *b };
    Cow::Owned(value.iter().map(space).collect())
}

/// Inserts bytes at a place, which must not be beyond the end.
fn insert(bytes: &mut Vec<u8>, at: usize, more: &[u8]) {
    let end = bytes.len();
    bytes.extend_from_slice(more);
    bytes.copy_within(at..end, at + more.len());
    if let Some(place) = bytes.get_mut(at..at + more.len()) {
        place.copy_from_slice(more);
    }
}

/// Writes a decimal number.
fn put_number(bytes: &mut Vec<u8>, number: u32) {
    let (mut digits, mut rest) = ([0; 10], number);
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        (rest, length) = (rest / 10, length + 1);
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}

/// Writes to memory, which cannot fail.
fn put(bytes: &mut Vec<u8>, what: &impl std::fmt::Display) {
    write!(bytes, "{what}").unwrap_or_default();
}

/// The value of a CSeq: `1 INVITE`.
pub fn cseq(number: u32, method: Method) -> Vec<u8> {
    let mut value = Vec::with_capacity(20);
    put_number(&mut value, number);
    value.push(b' ');
    value.extend_from_slice(method.as_str().as_bytes());
    value
}

/// The reason phrase of a status code; for an unregistered code the phrase of its class.
#[expect(clippy::too_many_lines, reason = "one line per status code")]
pub fn reason_phrase(status: u16) -> &'static str {
    match rsip::StatusCode::from(status) {
        rsip::StatusCode::Trying => "Trying",
        rsip::StatusCode::Ringing => "Ringing",
        rsip::StatusCode::CallIsBeingForwarded => "Call Is Being Forwarded",
        rsip::StatusCode::Queued => "Queued",
        rsip::StatusCode::SessionProgress => "Session Progress",
        rsip::StatusCode::EarlyDialogTerminated => "Early Dialog Terminated",
        rsip::StatusCode::OK => "OK",
        rsip::StatusCode::Accepted => "Accepted",
        rsip::StatusCode::NoNotification => "No Notification",
        rsip::StatusCode::MultipleChoices => "Multiple Choices",
        rsip::StatusCode::MovedPermanently => "Moved Permanently",
        rsip::StatusCode::MovedTemporarily => "Moved Temporarily",
        rsip::StatusCode::UseProxy => "Use Proxy",
        rsip::StatusCode::AlternativeService => "Alternative Service",
        rsip::StatusCode::BadRequest => "Bad Request",
        rsip::StatusCode::Unauthorized => "Unauthorized",
        rsip::StatusCode::PaymentRequired => "Payment Required",
        rsip::StatusCode::Forbidden => "Forbidden",
        rsip::StatusCode::NotFound => "Not Found",
        rsip::StatusCode::MethodNotAllowed => "Method Not Allowed",
        rsip::StatusCode::NotAcceptable => "Not Acceptable",
        rsip::StatusCode::ProxyAuthenticationRequired => "Proxy Authentication Required",
        rsip::StatusCode::RequestTimeout => "Request Timeout",
        rsip::StatusCode::Conflict => "Conflict",
        rsip::StatusCode::Gone => "Gone",
        rsip::StatusCode::LengthRequired => "Length Required",
        rsip::StatusCode::ConditionalRequestFailed => "Conditional Request Failed",
        rsip::StatusCode::RequestEntityTooLarge => "Request Entity Too Large",
        rsip::StatusCode::RequestUriTooLong => "Request-URI Too Long",
        rsip::StatusCode::UnsupportedMediaType => "Unsupported Media Type",
        rsip::StatusCode::UnsupportedUriScheme => "Unsupported URI Scheme",
        rsip::StatusCode::UnknownResourcePriority => "Unknown Resource-Priority",
        rsip::StatusCode::BadExtension => "Bad Extension",
        rsip::StatusCode::ExtensionRequired => "Extension Required",
        rsip::StatusCode::SessionIntervalTooSmall => "Session Interval Too Small",
        rsip::StatusCode::IntervalTooBrief => "Interval Too Brief",
        rsip::StatusCode::BadLocationInformation => "Bad Location Information",
        rsip::StatusCode::UseIdentityHeader => "Use Identity Header",
        rsip::StatusCode::ProvideReferrerIdentity => "Provide Referrer Identity",
        rsip::StatusCode::AnonymityDisallowed => "Anonymity Disallowed",
        rsip::StatusCode::BadIdentityInfo => "Bad Identity Info",
        rsip::StatusCode::UnsupportedCertificate => "Unsupported Credential",
        rsip::StatusCode::InvalidIdentityHeader => "Invalid Identity Header",
        rsip::StatusCode::FirstHopLacksOutboundSupport => "First Hop Lacks Outbound Support",
        rsip::StatusCode::MaxBreadthExceeded => "Max-Breadth Exceeded",
        rsip::StatusCode::BadInfoPackage => "Bad Info Package",
        rsip::StatusCode::ConsentNeeded => "Consent Needed",
        rsip::StatusCode::TemporarilyUnavailable => "Temporarily Unavailable",
        rsip::StatusCode::CallTransactionDoesNotExist => "Call/Transaction Does Not Exist",
        rsip::StatusCode::LoopDetected => "Loop Detected",
        rsip::StatusCode::TooManyHops => "Too Many Hops",
        rsip::StatusCode::AddressIncomplete => "Address Incomplete",
        rsip::StatusCode::Ambiguous => "Ambiguous",
        rsip::StatusCode::BusyHere => "Busy Here",
        rsip::StatusCode::RequestTerminated => "Request Terminated",
        rsip::StatusCode::NotAcceptableHere => "Not Acceptable Here",
        rsip::StatusCode::BadEvent => "Bad Event",
        rsip::StatusCode::RequestPending => "Request Pending",
        rsip::StatusCode::Undecipherable => "Undecipherable",
        rsip::StatusCode::SecurityAgreementRequired => "Security Agreement Required",
        rsip::StatusCode::ServerInternalError => "Server Internal Error",
        rsip::StatusCode::NotImplemented => "Not Implemented",
        rsip::StatusCode::BadGateway => "Bad Gateway",
        rsip::StatusCode::ServiceUnavailable => "Service Unavailable",
        rsip::StatusCode::ServerTimeOut => "Server Time-out",
        rsip::StatusCode::VersionNotSupported => "Version Not Supported",
        rsip::StatusCode::MessageTooLarge => "Message Too Large",
        rsip::StatusCode::PreconditionFailure => "Precondition Failure",
        rsip::StatusCode::BusyEverywhere => "Busy Everywhere",
        rsip::StatusCode::Decline => "Decline",
        rsip::StatusCode::DoesNotExistAnywhere => "Does Not Exist Anywhere",
        rsip::StatusCode::NotAcceptableGlobal => "Not Acceptable",
        rsip::StatusCode::Unwanted => "Unwanted",
        rsip::StatusCode::Other(code, _) => match code / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Failure",
        },
    }
}

#[cfg(test)]
mod tests;
