//! Builds a repeated request: with credentials, or with another session interval.

use bytes::Bytes;

use super::super::flow::Transport;
use super::super::wire::Name;
use super::Builder;

/// Builds a request of ours again (RFC 3261 §8.1.3.5, §22.2, RFC 4028 §7.4): the same except for a new branch, another CSeq number and
/// `fields`, which replace those of the same names. Credentials are valid for one request only and are left out. `via` is transport,
/// sent-by and branch. None if `request` is not one of ours.
pub fn again(request: &[u8], via: (Transport, &str, &str), cseq: u32, fields: &[(Name, &[u8])]) -> Option<Bytes> {
    let end = memchr::memmem::find(request, b"\r\n\r\n")?;
    let (head, body) = request.split_at_checked(end)?;
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    let start = lines.next()?;
    let method = start.split(|b| *b == b' ').next()?;
    let mut bytes = [start, b"\r\n"].concat();
    let fields_at = bytes.len();
    for line in lines {
        let name = Name::of(line.split(|b| *b == b':').next().unwrap_or_default());
        let anew = [Name::Via, Name::CSeq, Name::ContentLength, Name::Authorization, Name::ProxyAuthorization];
        if !anew.contains(&name) && !fields.iter().any(|(field, _)| *field == name) {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    let body = body.get(4..).unwrap_or_default().to_vec();
    let builder = Builder { bytes, reason_at: fields_at, fields_at, body };
    let number = [cseq.to_string().as_bytes(), b" ", method].concat();
    let builder = builder.header(Name::CSeq, &number);
    let builder = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
    Some(builder.via(via.0, via.1, via.2).encode())
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::Method;
    use super::super::request;
    use super::*;

    #[test]
    fn all_but_branch_cseq_and_what_is_new_stays() {
        let first = request(Method::Invite, b"sip:113@telco.example")
            .via(Transport::Udp, "192.0.2.1:5060", "z9hG4bK1")
            .header(Name::From, b"<sip:a@b>;tag=1")
            .header(Name::CallId, b"x")
            .header(Name::CSeq, b"1 INVITE")
            .header(Name::SessionExpires, b"90")
            .body("application/sdp", b"v=0\r\n\r\n")
            .encode();
        let via = (Transport::Udp, "192.0.2.1:5060", "z9hG4bK2");
        let second = again(&first, via, 2, &[(Name::Authorization, b"Digest a")]).unwrap();
        let third = again(&second, via, 3, &[(Name::SessionExpires, b"600"), (Name::MinSe, b"500")]).unwrap();
        let text = String::from_utf8(third.to_vec()).unwrap();
        let wanted = "INVITE sip:113@telco.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK2;rport\r\n\
                      From: <sip:a@b>;tag=1\r\nCall-ID: x\r\nContent-Type: application/sdp\r\nCSeq: 3 INVITE\r\n\
                      Session-Expires: 600\r\nMin-SE: 500\r\nContent-Length: 7\r\n\r\nv=0\r\n\r\n";
        assert_eq!(text, wanted);
    }
}
