//! What a message costs: reading it, asking it, answering it, building one.

#![allow(clippy::unwrap_used, reason = "a bench stops by panicking")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use siaga::sip::flow::{Flow, Transport};
use siaga::sip::message::{ResponseTemplate, request};
use siaga::sip::wire::{Message, Method, Name, Parsed, parse};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
                   m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";

fn invite() -> String {
    format!(
        "INVITE sip:112@psap.metro.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-524287-1---3f1c;rport\r\n\
         Max-Forwards: 70\r\nContact: <sip:+62721471234@198.51.100.7:5060>\r\n\
         To: <sip:112@psap.metro.example>\r\nFrom: \"+62721471234\" <sip:+62721471234@gw.telco.example>;tag=a73kszlfl\r\n\
         Call-ID: 1j9FpLxk3uxtm8tn@198.51.100.7\r\nCSeq: 1 INVITE\r\n\
         P-Asserted-Identity: <tel:+62721471234>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\nSupported: timer, 100rel\r\nUser-Agent: Telco SBC 7.2\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn good(bytes: &[u8]) -> Message<'_> {
    let Parsed::Good(message) = parse(bytes) else { unreachable!("the message is good") };
    message
}

fn messages(bench: &mut Criterion) {
    let text = invite();
    let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
    bench.bench_function("parse INVITE", |b| b.iter(|| black_box(parse(black_box(text.as_bytes())))));
    let message = good(text.as_bytes());
    bench.bench_function("ask INVITE for its dialog", |b| {
        b.iter(|| {
            let message = black_box(&message);
            (message.via().is_ok(), message.from().is_ok(), message.to().is_ok(), message.cseq().is_ok())
        });
    });
    bench.bench_function("stencil of INVITE", |b| b.iter(|| ResponseTemplate::of(black_box(&message), flow)));
    let stencil = ResponseTemplate::of(&message, flow);
    bench.bench_function("180 from stencil", |b| {
        b.iter(|| stencil.response(180, Some("8a2b")).header(Name::Contact, b"<sip:112@192.0.2.1>").encode());
    });
    bench.bench_function("build INVITE", |b| {
        b.iter(|| {
            request(Method::Invite, b"sip:op0001@198.51.100.9:5060")
                .header(Name::MaxForwards, b"70")
                .header(Name::From, b"\"+62721471234\" <sip:+62721471234@metro.example>;tag=5d1a3f9b6c2e4870")
                .header(Name::To, b"<sip:op0001@metro.example>")
                .header(Name::CallId, b"0d7a1c5e9b3f4826")
                .header(Name::CSeq, b"1 INVITE")
                .header(Name::Contact, b"<sip:siaga@192.0.2.1:5060>")
                .via(Transport::Udp, "192.0.2.1:5060", "z9hG4bK5d1a3f9b6c2e4870")
                .body("application/sdp", SDP.as_bytes())
                .encode()
        });
    });
}

criterion_group!(benches, messages);
criterion_main!(benches);
