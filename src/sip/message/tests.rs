use proptest::prelude::*;

use super::super::flow::Flow;
use super::super::header::Via;
use super::super::wire::sample::good;
use super::super::wire::{Parsed, parse};
use super::*;

fn flow() -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:40000".parse().unwrap())
}

fn invite(via: &str, to: &str) -> String {
    format!(
        "INVITE sip:112@metro.example SIP/2.0\r\nVia: {via}\r\nVia: SIP/2.0/UDP far.example;branch=z9hG4bKfar\r\n\
         Record-Route: <sip:p1.example;lr>\r\nRecord-Route: <sip:p2.example;lr>\r\nFrom: <sip:a@far.example>;tag=f\r\n\
         To: {to}\r\nCall-ID: c@far\r\nCSeq: 7 INVITE\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n"
    )
}

fn answer(via: &str, to: &str, status: u16) -> String {
    let text = invite(via, to);
    let bytes = ResponseTemplate::of(&good(text.as_bytes()), flow()).response(status, Some("ours")).encode();
    assert_eq!(good(&bytes).status(), Some(status));
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_response_repeats_what_the_rfc_lists_and_no_more() {
    let text = answer("SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKtop", "<sip:112@metro.example>", 180);
    assert_eq!(
        text,
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKtop\r\n\
         Via: SIP/2.0/UDP far.example;branch=z9hG4bKfar\r\nRecord-Route: <sip:p1.example;lr>\r\n\
         Record-Route: <sip:p2.example;lr>\r\nFrom: <sip:a@far.example>;tag=f\r\n\
         To: <sip:112@metro.example>;tag=ours\r\nCall-ID: c@far\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn trying_has_the_timestamp_but_no_tag_and_no_route() {
    let text = answer("SIP/2.0/UDP far.example", "<sip:112@metro.example>", 100);
    assert!(text.contains("Timestamp: 54\r\n"));
    assert!(text.contains("To: <sip:112@metro.example>\r\n"));
    assert!(!text.contains("Record-Route"));
    assert!(!answer("SIP/2.0/UDP far.example", "<sip:112@metro.example>", 486).contains("Record-Route"));
}

#[test]
fn a_to_with_a_tag_keeps_its_own() {
    let text = answer("SIP/2.0/UDP far.example", "<sip:112@metro.example>;tag=old", 200);
    assert!(text.contains(";tag=old\r\n") && !text.contains("ours"));
}

/// RFC 3261 §18.2.1 and RFC 3581 §4, each row a Via and what becomes of it.
#[test]
fn the_top_via_says_where_the_request_came_from() {
    let table = [
        ("SIP/2.0/UDP 198.51.100.7;branch=x", "SIP/2.0/UDP 198.51.100.7;branch=x"),
        ("SIP/2.0/UDP 10.0.0.1;branch=x", "SIP/2.0/UDP 10.0.0.1;branch=x;received=198.51.100.7"),
        ("SIP/2.0/UDP far.example;branch=x", "SIP/2.0/UDP far.example;branch=x;received=198.51.100.7"),
        (
            "SIP/2.0/UDP 198.51.100.7;rport;branch=x",
            "SIP/2.0/UDP 198.51.100.7;branch=x;received=198.51.100.7;rport=40000",
        ),
        (
            "SIP/2.0/UDP 198.51.100.7;received=203.0.113.1;rport=1;branch=x",
            "SIP/2.0/UDP 198.51.100.7;branch=x;received=198.51.100.7;rport=40000",
        ),
        (
            "SIP / 2.0 / UDP [2001:db8::9]:5062 ; branch = x",
            "SIP / 2.0 / UDP [2001:db8::9]:5062;branch=x;received=198.51.100.7",
        ),
    ];
    for (via, expected) in table {
        let text = answer(via, "<sip:112@metro.example>", 200);
        assert_eq!(text.lines().nth(1), Some(format!("Via: {expected}").as_str()));
    }
}

#[test]
fn responses_go_to_the_port_that_the_via_asks_for() {
    let to = |via: &str| response_flow(flow(), &Via::parse(via.as_bytes()).unwrap()).remote.to_string();
    assert_eq!(to("SIP/2.0/UDP far.example"), "198.51.100.7:5060");
    assert_eq!(to("SIP/2.0/UDP far.example:5070;maddr=203.0.113.9"), "198.51.100.7:5070");
    assert_eq!(to("SIP/2.0/UDP far.example:5070;rport"), "198.51.100.7:40000");
}

#[test]
fn a_partial_message_gives_what_it_has() {
    let Parsed::Bad(message, fault) =
        parse(b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=x\r\nCSeq: 1 OPTIONS\r\n\r\n")
    else {
        panic!("must be at fault")
    };
    assert_eq!(fault.status, 400);
    let bytes = ResponseTemplate::of(&message, flow()).response(400, Some("t")).reason("Bad From").encode();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        "SIP/2.0 400 Bad From\r\nVia: SIP/2.0/UDP b;branch=x;received=198.51.100.7\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn via_goes_in_front_and_content_length_behind() {
    let bytes = request(Method::Bye, b"sip:a@b")
        .header(Name::MaxForwards, b"70")
        .header(Name::ContentLength, b"99")
        .header(Name::Other, b"nothing")
        .via(Transport::Tls, "[::1]:5061", "z9hG4bK1")
        .body("text/plain", b"a\r\n\0\xff")
        .encode();
    assert_eq!(
        bytes.as_ref(),
        b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS [::1]:5061;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
          Content-Type: text/plain\r\nContent-Length: 5\r\n\r\na\r\n\0\xff"
    );
}

#[test]
fn methods_are_written_in_their_own_words() {
    let allowed = ALLOW.split(|byte| *byte == b',').map(|word| Method::of(word.trim_ascii()));
    assert!(
        allowed.clone().all(|method| method != Method::Other && allowed.clone().filter(|m| *m == method).count() == 1)
    );
    for method in [Method::Prack, Method::Invite, Method::Publish, Method::Refer] {
        assert!(request(method, b"sip:a").encode().starts_with(method.as_str().as_bytes()));
    }
}

fn built(values: &[Vec<u8>], body: &[u8]) -> Bytes {
    let mut builder = request(Method::Invite, b"sip:112@metro.example")
        .header(Name::From, b"<sip:a@b>;tag=1")
        .header(Name::To, b"<sip:b@b>")
        .header(Name::CallId, b"c")
        .header(Name::CSeq, b"1 INVITE");
    for value in values {
        builder = builder.header(Name::Subject, value).extension("X-Note", value);
    }
    builder.via(Transport::Udp, "b:5060", "z9hG4bKx").body("application/sdp", body).encode()
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = built(&values, &body);
        let message = good(&bytes);
        prop_assert_eq!(message.body, &body[..]);
        let subjects: Vec<&[u8]> = message.lines(Name::Subject).collect();
        let sent: Vec<Vec<u8>> = values.iter().map(|v| {
            let text = clean(v).into_owned();
            super::super::wire::lex::trim(&text).to_vec()
        }).collect();
        prop_assert_eq!(subjects, sent.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    #[test]
    fn no_value_can_forge_a_header_field(
        front in prop::collection::vec(any::<u8>(), 0..20),
        end in prop::sample::select(vec!["\r\n", "\n", "\r", "\r\n\r\n", "\0\r\n", "\r\n ", "\u{85}\n"]),
    ) {
        let mut value = front;
        value.extend_from_slice(end.as_bytes());
        value.extend_from_slice(b"Forged: yes\r\nContent-Length: 3\r\n\r\nabc");
        let text = String::from_utf8_lossy(&value).into_owned();
        let bytes = request(Method::Options, &value)
            .header(Name::Subject, &value)
            .extension("X-Note", &value)
            .via(Transport::Udp, &text, &text)
            .body(&text, b"body")
            .encode();
        let head = bytes.split(|b| *b == b'\n').take(7).map(|line| line.to_vec()).collect::<Vec<_>>();
        prop_assert_eq!(head.len(), 7);
        for line in &head {
            prop_assert!(!line.starts_with(b"Forged"));
        }
        prop_assert!(bytes.ends_with(b"Content-Length: 4\r\n\r\nbody"));
        let reply = invite("SIP/2.0/UDP b", "<sip:a@b>");
        let reply = ResponseTemplate::of(&good(reply.as_bytes()), flow()).response(200, Some(&text)).reason(&text).encode();
        // Such a tag is no tag, but it stays inside its line.
        let (Parsed::Good(reply) | Parsed::Bad(reply, _)) = parse(&reply) else { panic!("not SIP") };
        prop_assert_eq!(reply.extension("Forged").count(), 0);
        prop_assert_eq!(reply.status(), Some(200));
        prop_assert_eq!(reply.fields.len(), 9);
    }
}
