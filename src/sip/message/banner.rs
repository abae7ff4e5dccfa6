//! The name of the software in a message, if it is configured.

use bytes::Bytes;

use super::super::wire::Name;
use super::put_field;

/// The message with `Server` (RFC 3261 §20.35) or, in a request, `User-Agent` (§20.41) after its other header fields.
pub fn with_banner(message: &Bytes, banner: &str) -> Bytes {
    let Some(end) = memchr::memmem::find(message, b"\r\n\r\n") else { return message.clone() };
    let (head, rest) = message.split_at(end + 2);
    let name = if message.starts_with(b"SIP/2.0 ") { Name::Server } else { Name::UserAgent };
    let mut bytes = Vec::with_capacity(message.len() + banner_length(banner));
    bytes.extend_from_slice(head);
    put_field(&mut bytes, name.as_str(), banner.as_bytes());
    bytes.extend_from_slice(rest);
    Bytes::from(bytes)
}

/// Maximum bytes that it adds.
pub fn banner_length(banner: &str) -> usize {
    Name::UserAgent.as_str().len() + banner.len() + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_the_server_and_requests_the_user_agent() {
        for (start, name) in [("SIP/2.0 200 OK", "Server"), ("OPTIONS sip:a@b SIP/2.0", "User-Agent")] {
            let text = format!("{start}\r\nVia: x\r\nContent-Length: 8\r\n\r\nv=0\r\n\r\nx");
            let told = with_banner(&Bytes::from(text), "siaga/1 \r\nX: y");
            let wanted =
                format!("{start}\r\nVia: x\r\nContent-Length: 8\r\n{name}: siaga/1   X: y\r\n\r\nv=0\r\n\r\nx");
            assert_eq!(told, wanted);
        }
    }
}
