//! Overload control (RFC 7339): the loss rate that is sent to a client which supports it. Only the loss algorithm is supported.

use bytes::Bytes;

use crate::clock::Timestamp;

use super::header::Via;

/// Validity of a rate in milliseconds; the next response contains a new one (RFC 7339 §4.3).
const VALID_MS: u32 = 500;
const OURS: [&str; 4] = ["oc", "oc-algo", "oc-validity", "oc-seq"];

/// A response with the share of requests, in per cent, that the client must hold back, in its topmost Via (RFC 7339 §4); 0 ends the
/// control. None if the client does not support it: then no rate may be sent (§5.1).
pub fn told(response: &[u8], loss_percent: u8, at: Timestamp) -> Option<Bytes> {
    let rest = response.strip_prefix(b"SIP/2.0 ")?;
    let start = response.len() - rest.len() + memchr::memchr(b'\n', rest)? + 1;
    let line = response.get(start..)?;
    let value = line.get(..memchr::memchr(b'\r', line)?)?.strip_prefix(b"Via: ")?;
    // Most clients do not support it, so the Via is not parsed for them.
    memchr::memmem::find(value, b"oc")?;
    let via = Via::parse(value).ok()?;
    // A value would be a response, and siaga has not offered overload control.
    let offered = via.params.get("oc") == Some(None);
    let loss = |one: &[u8]| one.trim_ascii().eq_ignore_ascii_case(b"loss");
    let understood = via.params.value("oc-algo").is_none_or(|all| all.split(|byte| *byte == b',').any(loss));
    if !offered || !understood {
        return None;
    }
    let mut bytes = Vec::with_capacity(response.len() + 64);
    let end_of_line = start + b"Via: ".len() + value.len();
    bytes.extend_from_slice(response.get(..end_of_line - via.params.as_bytes().len())?);
    for (name, param) in via.params.iter() {
        if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours.as_bytes())) {
            continue;
        }
        bytes.push(b';');
        bytes.extend_from_slice(name);
        if let Some(param) = param {
            bytes.push(b'=');
            bytes.extend_from_slice(param);
        }
    }
    let valid_ms = if loss_percent == 0 { 0 } else { VALID_MS };
    let (seconds, millis) = (at.as_millis().div_euclid(1_000), at.as_millis().rem_euclid(1_000));
    let words = format!(";oc={loss_percent};oc-algo=\"loss\";oc-validity={valid_ms};oc-seq={seconds}.{millis:03}");
    bytes.extend_from_slice(words.as_bytes());
    bytes.extend_from_slice(response.get(end_of_line..)?);
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_282_321_615_082);

    fn via(params: &str, loss_percent: u8) -> Option<String> {
        let text = format!(
            "SIP/2.0 100 Trying\r\nVia: SIP/2.0/TLS p1.example.net;branch=z9hG4bK1{params}\r\nVia: SIP/2.0/UDP \
             far;branch=z9hG4bK2;oc\r\nContent-Length: 0\r\n\r\n"
        );
        let told = String::from_utf8(told(text.as_bytes(), loss_percent, AT)?.to_vec()).unwrap();
        let (head, rest) = told.split_once("branch=z9hG4bK1").unwrap();
        assert_eq!(head, "SIP/2.0 100 Trying\r\nVia: SIP/2.0/TLS p1.example.net;");
        let (params, rest) = rest.split_once("\r\n").unwrap();
        assert_eq!(rest, "Via: SIP/2.0/UDP far;branch=z9hG4bK2;oc\r\nContent-Length: 0\r\n\r\n");
        Some(params.to_owned())
    }

    #[test]
    fn a_client_that_supports_the_loss_algorithm_gets_the_loss_rate() {
        let told = via(";oc;oc-algo=\"loss,A\";received=192.0.2.111", 20);
        let wanted = ";received=192.0.2.111;oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.082";
        assert_eq!(told.as_deref(), Some(wanted));
        let ended = via(";oc-algo=\"rate, LOSS\";rport=5060;oc", 0);
        let wanted = ";rport=5060;oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=1282321615.082";
        assert_eq!(ended.as_deref(), Some(wanted));
    }

    #[test]
    fn nothing_is_told_that_was_not_offered() {
        for params in ["", ";oc=30;oc-algo=\"loss\"", ";oc;oc-algo=\"rate\"", ";oc-algo=\"loss\"", ";x=oc", ";bloc"] {
            assert_eq!(via(params, 20), None, "{params}");
        }
        assert_eq!(told(b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=x;oc\r\n\r\n", 20, AT), None);
        assert_eq!(told(b"SIP/2.0 200 OK\r\n\r\n", 20, AT), None);
        assert_eq!(told(b"SIP/2.0 200", 20, AT), None);
    }
}
