//! Properties of reading and building SIP: no bytes from a peer can panic us, and what we build means the same to
//! rsip wherever rsip can read it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::hint::black_box;

use proptest::prelude::*;
use rsip::headers::ToTypedHeader as _;
use rsip::message::HeadersExt as _;
use siaga::sip::flow::{Flow, Transport};
use siaga::sip::framing::{Frame, next_frame};
use siaga::sip::header::{CSeq, NameAddr, Params, Via};
use siaga::sip::message::{ResponseTemplate, request, response_flow};
use siaga::sip::uri::{Uri, equivalent};
use siaga::sip::wire::{Message, Method, Name, Parsed, parse};

fn flow() -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap())
}

/// Touches everything that a message can be asked for.
fn exercise(message: &Message<'_>) {
    for field in &message.fields {
        let value = field.value.as_ref();
        black_box(Via::parse(value).map(|via| response_flow(flow(), &via)).is_ok());
        if let Ok(address) = NameAddr::parse(value) {
            assert!(equivalent(address.uri, address.uri));
            black_box((address.tag(), equivalent(address.uri, value)));
            black_box(Uri::parse(address.uri).is_ok_and(|uri| uri.user().is_some() && uri.socket_address().is_some()));
        }
        black_box((CSeq::parse(value).is_ok(), Params::new(value).get("tag"), Params::new(value).iter().count()));
        black_box((message.list(field.name).count(), message.number(field.name).is_ok()));
    }
    black_box([message.via().is_ok(), message.from().is_ok(), message.to().is_ok(), message.call_id().is_ok()]);
    black_box([message.cseq().is_ok(), message.contact().is_ok()]);
}

/// Reads bytes in every way; a good request must have an answer that is good itself.
fn read(bytes: &[u8]) {
    black_box(next_frame(bytes));
    match parse(bytes) {
        Parsed::Good(message) => {
            exercise(&message);
            let answer = ResponseTemplate::of(&message, flow()).response(404, Some("tag")).encode();
            assert!(matches!(parse(&answer), Parsed::Good(_)), "{}", answer.escape_ascii());
        }
        Parsed::Bad(message, fault) => {
            exercise(&message);
            let answer = ResponseTemplate::of(&message, flow()).response(fault.status, Some("tag")).encode();
            assert!(matches!(parse(&answer), Parsed::Good(_) | Parsed::Bad(..)), "{}", answer.escape_ascii());
        }
        Parsed::KeepAlive | Parsed::Garbage(_) => {}
    }
}

const INVITE: &[u8] = b"INVITE sip:112@metro.example SIP/2.0\r\n\
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776;rport, SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKb\r\n\
Max-Forwards: 70\r\nRoute: <sip:p1.example;lr>,<sip:p2.example;lr>\r\nf: \"Pos \\\"Dam\\\"\" <sip:+6272@gw.example>;tag=1\r\n\
To: <sip:112@metro.example>\r\nCall-ID: a84b4c76e66710@gw\r\nCSeq: 314159 INVITE\r\nContact: <sip:+6272@198.51.100.7>\r\n\
P-Asserted-Identity: <tel:+6272141112>\r\nSubject: folded\r\n here\r\nContent-Type: application/sdp\r\n\
Content-Length: 4\r\n\r\nv=0\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_can_panic_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn no_words_of_sip_in_any_order_can_panic_the_readers(
        words in prop::collection::vec(prop::sample::select(vec![
            "INVITE ", "sip:a@b", " SIP/2.0\r\n", "SIP/2.0 200 OK\r\n", "Via:", "v:", "From:", "To:", "CSeq:", "1 INVITE",
            "Call-ID:", "l:", "\r\n", "\n", "\r", " ", "\t", ";", ",", "<", ">", "\"", "\\", "[", "]", ":", "=", "%", "%41",
            "?", "@", "0", "65536", "tag=x", "SIP/2.0/UDP", "host", "urn:service:sos", "tel:112", "\0", "é", "::1", "*",
        ]), 0..60),
    ) {
        read(words.concat().as_bytes());
    }

    #[test]
    fn no_change_to_a_good_message_can_panic_the_readers(
        edits in prop::collection::vec((0..INVITE.len(), any::<u8>(), 0_u8..3), 1..6),
    ) {
        let mut bytes = INVITE.to_vec();
        for (at, byte, kind) in edits {
            let at = at.min(bytes.len() - 1);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        read(&bytes);
    }

    #[test]
    fn a_stream_is_cut_the_same_wherever_its_pieces_end(cut in 0..INVITE.len()) {
        prop_assert_eq!(next_frame(&INVITE[..cut]), Frame::Partial);
        let mut two = INVITE.to_vec();
        two.extend_from_slice(&INVITE[..cut]);
        prop_assert_eq!(next_frame(&two), Frame::Message(INVITE.len()));
    }

    #[test]
    fn rsip_reads_the_same_out_of_our_requests(
        user in "[a-z0-9]{1,12}",
        host in "[a-z]{1,8}(\\.[a-z]{2,5}){1,2}",
        port in prop::option::of(1_u16..),
        display in "[A-Za-z ]{0,16}[A-Za-z]",
        tag in "[a-z0-9]{1,16}",
        call_id in "[a-z0-9]{1,20}",
        number in 0_u32..0x8000_0000,
        forwards in 0_u32..256,
        body in "[ -~]{0,60}",
        method in prop::sample::select(vec![
            Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Register, Method::Options, Method::Info,
            Method::Update, Method::Prack, Method::Subscribe, Method::Notify, Method::Refer, Method::Message,
        ]),
        transport in prop::sample::select(vec![Transport::Udp, Transport::Tcp, Transport::Tls]),
    ) {
        let uri = match port {
            Some(port) => format!("sip:{user}@{host}:{port}"),
            None => format!("sip:{user}@{host}"),
        };
        let bytes = request(method, uri.as_bytes())
            .header(Name::MaxForwards, forwards.to_string().as_bytes())
            .header(Name::From, format!("\"{display}\" <{uri}>;tag={tag}").as_bytes())
            .header(Name::To, format!("<{uri}>").as_bytes())
            .header(Name::CallId, call_id.as_bytes())
            .header(Name::CSeq, format!("{number} {}", method.as_str()).as_bytes())
            .via(transport, &host, &format!("z9hG4bK{tag}"))
            .body("application/sdp", body.as_bytes())
            .encode();
        let Parsed::Good(ours) = parse(&bytes) else { panic!("{}", bytes.escape_ascii()) };
        let theirs = rsip::Request::try_from(bytes.as_ref()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        prop_assert_eq!(theirs.method.to_string(), method.as_str());
        prop_assert_eq!(theirs.uri.to_string(), text(ours.request_uri().unwrap()));
        let from = theirs.from_header().unwrap().typed().unwrap();
        let our_from = ours.from().unwrap();
        let named = from.display_name.clone().map(|name| name.trim_matches('"').to_owned());
        prop_assert_eq!(named, our_from.display.as_deref().map(text));
        prop_assert_eq!(from.tag().unwrap().value(), text(&our_from.tag().unwrap()));
        prop_assert_eq!(theirs.call_id_header().unwrap().to_string(), format!("Call-ID: {call_id}"));
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!(cseq.seq, number);
        prop_assert_eq!(cseq.method.to_string(), text(ours.cseq().unwrap().method_text));
        let via = theirs.via_header().unwrap().typed().unwrap();
        prop_assert_eq!(via.branch().unwrap().value(), text(&ours.via().unwrap().branch().unwrap()));
        prop_assert_eq!(via.transport.to_string(), transport.via());
        prop_assert_eq!(theirs.max_forwards_header().unwrap().num().unwrap(), forwards);
        prop_assert_eq!(theirs.body(), ours.body);
    }

    #[test]
    fn rsip_reads_the_same_out_of_our_responses(status in 100_u16..700, tag in "[a-z0-9]{1,16}") {
        let Parsed::Good(invite) = parse(INVITE) else { panic!("must be good") };
        let bytes = ResponseTemplate::of(&invite, flow()).response(status, Some(&tag)).encode();
        let Parsed::Good(ours) = parse(&bytes) else { panic!("{}", bytes.escape_ascii()) };
        let theirs = rsip::Response::try_from(bytes.as_ref());
        prop_assert_eq!(ours.status(), Some(status));
        prop_assert_eq!(theirs.map(|response| response.status_code.code()).unwrap(), status);
    }
}
