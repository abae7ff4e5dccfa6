//! SIP as text, for endpoints that tests play.

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};

/// Answers an MD5 challenge.
pub(crate) fn credentials(challenge: &str, user: &str, method: &str, uri: &str) -> String {
    let line = challenge.lines().find(|line| line.starts_with("WWW-Authenticate") && line.contains("=MD5")).unwrap();
    let nonce = line.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let hash = |text: String| HEXLOWER.encode(&Md5::digest(text.as_bytes()));
    let ha1 = hash(format!("{user}:127.0.0.1:pw-{user}"));
    let ha2 = hash(format!("{method}:{uri}"));
    let response = hash(format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"127.0.0.1\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
    )
}

/// The value of a header field.
pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    message
        .lines()
        .find_map(|line| line.strip_prefix(prefix.as_str()))
        .unwrap_or_else(|| panic!("no {name}: {message}"))
}

/// A description with one G.711 stream.
pub(crate) fn sdp(at: &str, port: u16) -> String {
    let host = at.split(':').next().unwrap();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
}

/// A response of a phone to a request of ours.
pub(crate) fn response(request: &str, at: &str, status: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let to = header(request, "To");
    let to = if to.contains("tag=") { to.to_owned() } else { format!("{to};tag=phone") };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:phone@{at}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        header(request, "Via"),
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
        body.len()
    )
}
