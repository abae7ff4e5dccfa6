//! The torture messages of RFC 5118: what is read out of them, beyond their verdict in `sip_torture`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "what is expected of the messages is another test's matter")]
mod torture;

use std::net::{IpAddr, SocketAddr};

use siaga::sip::flow::Flow;
use siaga::sip::header::Via;
use siaga::sip::message::ResponseTemplate;
use siaga::sip::sdp::{self, SdpError};
use siaga::sip::uri::{Host, Uri, equivalent};
use siaga::sip::wire::{Fault, Message, Name, Parsed, parse};

fn find(name: &str) -> Vec<u8> {
    torture::messages("rfc5118").into_iter().find(|torture| torture.name == name).unwrap().bytes
}

fn good(bytes: &[u8]) -> Message<'_> {
    let Parsed::Good(message) = parse(bytes) else { panic!("{}", bytes.escape_ascii()) };
    message
}

/// Host and port of a SIP URI.
fn place(uri: &[u8]) -> (IpAddr, Option<u16>) {
    let Ok(Uri::Sip(uri)) = Uri::parse(uri) else { panic!("{}", uri.escape_ascii()) };
    let Host::Ip(address) = uri.host else { panic!("{:?}", uri.host) };
    (address, uri.port)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_is_what_stands_in_brackets_and_a_port_what_stands_behind_them() {
    for (name, address, port) in [
        ("ipv6-good", "2001:db8::10", None),
        ("port-ambiguous", "2001:db8::10:5070", None),
        ("port-unambiguous", "2001:db8::10", Some(5070)),
    ] {
        let bytes = find(name);
        let message = good(&bytes);
        assert_eq!(place(message.request_uri().unwrap()), (ip(address), port), "{name}");
        assert_eq!(place(message.contact().unwrap().uri), (ip("2001:db8::1"), None), "{name}");
        let via = message.via().unwrap();
        assert_eq!((via.host, via.port), (&b"[2001:db8::9:1]"[..], None), "{name}");
    }
}

#[test]
fn an_address_without_brackets_is_the_fault_of_the_request_line() {
    let bytes = find("ipv6-bad");
    let Parsed::Bad(message, fault) = parse(&bytes) else { panic!("it is at fault") };
    assert_eq!(fault, Fault { status: 400, why: "Request-URI" });
    assert_eq!(message.call_id(), Ok(&b"SSG9559905523997077@hlau_4100"[..]), "so that it can be answered");
}

#[test]
fn received_is_read_with_and_without_brackets_and_written_without() {
    let flow = Flow::udp("[2001:db8::10]:5060".parse().unwrap(), "[2001:db8::9:255]:5060".parse().unwrap());
    for (name, received) in
        [("via-received-param-with-delim", "[2001:db8::9:255]"), ("via-received-param-no-delim", "2001:db8::9:255")]
    {
        let bytes = find(name);
        let message = good(&bytes);
        assert_eq!(message.via().unwrap().params.value("received").as_deref(), Some(received.as_bytes()), "{name}");
        // The server writes it anew (RFC 3261 §18.2.1), by the grammar.
        let answer = ResponseTemplate::of(&message, flow).response(200, Some("t")).encode();
        let text = String::from_utf8_lossy(&answer);
        let mut lines = text.lines().filter(|line| line.starts_with("Via: ") && line.contains("received="));
        assert!(lines.next().unwrap().contains(";received=2001:db8::9:255"), "{text}");
        assert_eq!(text.matches("received=").count(), 1, "{text}");
    }
}

#[test]
fn addresses_of_both_kinds_stand_in_via() {
    let bytes = find("mult-ip-in-header");
    let vias: Vec<(String, Option<u16>)> = good(&bytes)
        .list(Name::Via)
        .map(|via| Via::parse(via).unwrap())
        .map(|via| (String::from_utf8_lossy(via.host).into_owned(), via.port))
        .collect();
    let wanted = [("[2001:db8::9:1]", Some(6050)), ("192.0.2.1", None), ("[2001:db8::9:255]", None)];
    assert_eq!(vias, wanted.map(|(host, port)| (host.to_owned(), port)));
    let bytes = find("ipv4-mapped-ipv6");
    let message = good(&bytes);
    assert_eq!(message.via().unwrap().host, b"[::ffff:192.0.2.10]");
    assert_eq!(place(message.contact().unwrap().uri), (ip("::ffff:192.0.2.2"), None));
}

#[test]
fn bodies_are_read_as_far_as_their_length_reaches() {
    for (name, length) in [("ipv6-in-sdp", 251), ("mult-ip-in-sdp", 189), ("ipv4-mapped-ipv6", 245)] {
        let bytes = find(name);
        let body = good(&bytes).body;
        assert_eq!(body.len(), length, "{name}");
        assert!(body.ends_with(b"a=rtpmap:107 H263-1998/90000\r\n"), "{name}");
    }
    for (name, length) in [("mult-ip-in-sdp-as-printed", 181), ("ipv4-mapped-ipv6-as-printed", 236)] {
        let bytes = find(name);
        assert_eq!(good(&bytes).body.len(), length, "{name}");
    }
    let bytes = find("ipv6-in-sdp-as-printed");
    let Parsed::Bad(_, fault) = parse(&bytes) else { panic!("268 octets are not there") };
    assert_eq!(fault, Fault { status: 400, why: "Content-Length beyond the end" });
}

#[test]
fn sessions_are_described_with_the_addresses_of_their_streams() {
    // The audio of two has no codec of ours: with one of ours in its place the rest is read.
    for (name, address, port) in [
        ("ipv6-in-sdp", "2001:db8::20", 6000),
        ("mult-ip-in-sdp", "192.0.2.1", 22334),
        ("ipv4-mapped-ipv6", "::ffff:192.0.2.2", 6000),
    ] {
        let bytes = find(name);
        let body = String::from_utf8(good(&bytes).body.to_vec()).unwrap();
        if name != "mult-ip-in-sdp" {
            assert_eq!(sdp::read(body.as_bytes()), Err(SdpError::NoCodec), "{name}");
        }
        let ours = body.replace("RTP/AVP 2\r", "RTP/AVP 8\r").replace("rtpmap:2 G726-32", "rtpmap:8 PCMA");
        let audio = sdp::read(ours.as_bytes()).unwrap();
        assert_eq!(audio.rtp, SocketAddr::new(ip(address), port), "{name}");
        assert_eq!(audio.lines.len(), 2, "{name}: the video stream is seen, to be refused");
    }
}

#[test]
fn both_grammars_of_an_address_with_an_ipv4_tail_mean_the_same() {
    let (three, two) = (find("ipv6-bug-abnf-3-colons"), find("ipv6-correct-abnf-2-colons"));
    let (three, two) = (good(&three), good(&two));
    assert_eq!(place(three.request_uri().unwrap()), (ip("2001:db8::192.0.2.1"), None));
    assert!(equivalent(three.request_uri().unwrap(), two.request_uri().unwrap()));
    assert!(equivalent(three.to().unwrap().uri, two.to().unwrap().uri));
}
