//! The torture messages of RFC 4475 and RFC 5118: the valid ones are understood, the invalid ones get their status.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "what becomes of a connection is another test's matter")]
mod torture;

use siaga::sip::flow::Flow;
use siaga::sip::header::NameAddr;
use siaga::sip::message::ResponseTemplate;
use siaga::sip::uri::Uri;
use siaga::sip::wire::{Message, Method, Name, Parsed, parse};
use torture::Torture;

fn messages() -> Vec<Torture> {
    torture::messages("rfc4475")
}

fn find(name: &str) -> Vec<u8> {
    messages().into_iter().find(|torture| torture.name == name).unwrap().bytes
}

fn good(bytes: &[u8]) -> Message<'_> {
    let Parsed::Good(message) = parse(bytes) else { panic!("{}", bytes.escape_ascii()) };
    message
}

/// What the lexer says, in the words of index.csv.
fn verdict(torture: &Torture) -> String {
    match parse(&torture.bytes) {
        Parsed::Good(message) if message.first(Name::Contact).is_some() && message.contact().is_err() => {
            "contact".to_owned()
        }
        Parsed::Good(_) => "good".to_owned(),
        Parsed::Bad(_, fault) => fault.status.to_string(),
        Parsed::KeepAlive => "keep-alive".to_owned(),
        Parsed::Garbage(_) => "garbage".to_owned(),
    }
}

#[test]
fn every_message_gets_its_verdict() {
    let all = [messages(), torture::messages("rfc5118")];
    assert_eq!([all[0].len(), all[1].len()], [49, 15]);
    for torture in all.iter().flatten() {
        assert_eq!(verdict(torture), torture.parse, "{} §{}", torture.name, torture.section);
    }
}

#[test]
fn responses_are_never_answered_and_requests_always_are() {
    for torture in messages() {
        let is_response = torture.bytes.starts_with(b"SIP/");
        assert_eq!(torture.answer == "drop", is_response, "{}", torture.name);
        for answer in torture.answer.split('|').filter(|_| !is_response) {
            let status = answer.parse::<u16>();
            assert!(answer == "understood" || status.is_ok_and(|s| (200..700).contains(&s)), "{}", torture.name);
        }
    }
}

#[test]
fn every_request_at_fault_can_be_answered_to_its_sender() {
    let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
    for torture in messages() {
        let Parsed::Bad(message, fault) = parse(&torture.bytes) else { continue };
        if message.method().is_none() {
            continue;
        }
        let answer = ResponseTemplate::of(&message, flow).response(fault.status, Some("t")).encode();
        let (Parsed::Good(back) | Parsed::Bad(back, _)) = parse(&answer) else { panic!("{}", torture.name) };
        assert_eq!(back.status(), Some(fault.status), "{}", torture.name);
        assert_eq!(back.first(Name::CallId), message.first(Name::CallId), "{}", torture.name);
        assert_eq!(back.first(Name::CSeq), message.first(Name::CSeq), "{}", torture.name);
        assert_eq!(back.list(Name::Via).count(), message.list(Name::Via).count(), "{}", torture.name);
    }
}

#[test]
fn wsinv_blanks_and_folds_mean_nothing() {
    let bytes = find("wsinv");
    let message = good(&bytes);
    assert_eq!(message.method(), Some(Method::Invite));
    let from = message.from().unwrap();
    assert_eq!(from.display.as_deref(), Some(&br#"J Rosenberg \""#[..]));
    assert_eq!(from.uri, b"sip:jdrosen@example.com");
    assert_eq!(from.tag().as_deref(), Some(&b"98asjd8"[..]));
    assert_eq!(message.to().unwrap().tag().as_deref(), Some(&b"1918181833n"[..]));
    assert_eq!(message.number(Name::MaxForwards), Ok(Some(68)));
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.first(Name::Subject), Some(&b""[..]));
    assert_eq!(message.extension("newfangledheader").next(), Some(&b"newfangled value continued newfangled value"[..]));
    let vias: Vec<_> = message.list(Name::Via).map(|v| siaga::sip::header::Via::parse(v).unwrap()).collect();
    let hosts: Vec<_> = vias.iter().map(|via| (via.transport, via.host)).collect();
    assert_eq!(
        hosts,
        [
            (&b"UDP"[..], &b"192.0.2.2"[..]),
            (&b"TCP"[..], &b"spindle.example.com"[..]),
            (&b"UDP"[..], &b"192.168.255.111"[..])
        ]
    );
    assert_eq!(vias[1].branch().as_deref(), Some(&b"z9hG4bK9ikj8"[..]));
    assert_eq!(vias[2].branch().as_deref(), Some(&b"z9hG4bK30239"[..]));
    let contact = message.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some(&br#"Quoted string """#[..]));
    assert_eq!(contact.params.value("newparam").as_deref(), Some(&b"newvalue"[..]));
    assert_eq!(contact.params.get("secondparam"), Some(None));
    assert_eq!(contact.params.value("q").as_deref(), Some(&b"0.33"[..]));
    assert_eq!(message.body.len(), 150);
}

#[test]
fn intmeth_every_legal_character_is_kept() {
    let bytes = find("intmeth");
    let message = good(&bytes);
    assert_eq!(message.method(), Some(Method::Other));
    assert_eq!(message.method_text(), Some(&b"!interesting-Method0123456789_*+`.%indeed'~"[..]));
    let Ok(Uri::Sip(uri)) = Uri::parse(message.request_uri().unwrap()) else { panic!("a SIP URI") };
    assert_eq!(uri.user, Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
    assert_eq!(uri.password, Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
    assert_eq!(message.to().unwrap().display.as_deref(), Some(&b"BEL:\x07 NUL:\0 DEL:\x7f"[..]));
    let from = message.from().unwrap();
    assert_eq!(from.display.as_deref(), Some(&b"token1~` token2'+_ token3*%!.-"[..]));
    assert_eq!(from.params.value("fromParam''~+*_!.-%").as_deref(), Some("работающий".as_bytes()));
    assert_eq!(from.tag().as_deref(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(message.extension("extensionHeader-!.%*+_`'~").next(), Some("\u{feff}大停電".as_bytes()));
}

#[test]
fn esc01_and_escnull_escapes_are_undone_where_they_are_asked_for() {
    let bytes = find("esc01");
    let message = good(&bytes);
    let user = |uri: &[u8]| Uri::parse(uri).unwrap().user().unwrap().into_owned();
    assert_eq!(user(message.request_uri().unwrap()), b"sips:user@example.com");
    assert_eq!(user(message.to().unwrap().uri), b"user");
    assert_eq!(user(message.from().unwrap().uri), b"I have spaces");
    let bytes = find("escnull");
    let users: Vec<_> =
        good(&bytes).list(Name::Contact).map(|contact| user(NameAddr::parse(contact).unwrap().uri)).collect();
    assert_eq!(users, [b"\0".to_vec(), b"\0\0".to_vec()]);
}

#[test]
fn esc02_percent_signs_outside_uris_are_no_escapes() {
    let bytes = find("esc02");
    let message = good(&bytes);
    assert_eq!(message.method_text(), Some(&b"RE%47IST%45R"[..]));
    assert_eq!(message.from().unwrap().display.as_deref(), Some(&b"%Z%45"[..]));
    assert_eq!(message.list(Name::Contact).count(), 2);
}

#[test]
fn longreq_has_34_vias_in_order() {
    let bytes = find("longreq");
    let message = good(&bytes);
    assert_eq!(message.list(Name::Via).count(), 34);
    assert_eq!(message.via().unwrap().host, b"sip33.example.com");
    assert_eq!(message.call_id().unwrap().len(), "longreq.one".len() + 20 * "really".len() + "longcallid".len());
}

#[test]
fn dblreq_what_follows_content_length_is_cut() {
    let bytes = find("dblreq");
    let message = good(&bytes);
    assert_eq!(message.method(), Some(Method::Register));
    assert!(message.body.is_empty());
}

#[test]
fn semiuri_the_semicolon_belongs_to_the_user() {
    let bytes = find("semiuri");
    let message = good(&bytes);
    let Ok(Uri::Sip(uri)) = Uri::parse(message.request_uri().unwrap()) else { panic!("a SIP URI") };
    assert_eq!(uri.user, Some(&b"user;par=u%40example.net"[..]));
    assert_eq!(message.list(Name::Accept).count(), 6);
}

#[test]
fn mpart01_binary_bodies_are_whole() {
    let bytes = find("mpart01");
    assert_eq!(good(&bytes).body.len(), 553);
}

#[test]
fn unreason_and_noreason_any_reason_phrase_will_do() {
    let bytes = find("unreason");
    let siaga::sip::wire::StartLine::Response { status, reason } = good(&bytes).start else { panic!("a response") };
    assert_eq!((status, reason), (200, "= 2**3 * 5**2 но сто девяносто девять - простое".as_bytes()));
    let bytes = find("noreason");
    assert_eq!(good(&bytes).start, siaga::sip::wire::StartLine::Response { status: 100, reason: b"" });
}

#[test]
fn cparam_an_unknown_parameter_belongs_where_the_brackets_say() {
    let bytes = find("cparam01");
    let message = good(&bytes);
    let contact = message.contact().unwrap();
    assert_eq!(contact.uri, b"sip:+19725552222@gw1.example.net");
    assert!(contact.params.has("unknownparam"));
    let bytes = find("cparam02");
    let message = good(&bytes);
    let contact = message.contact().unwrap();
    assert_eq!(contact.uri, b"sip:+19725552222@gw1.example.net;unknownparam");
    assert!(!contact.params.has("unknownparam"));
}

#[test]
fn schemes_that_sip_does_not_use_are_seen_as_such() {
    for (name, scheme) in [("unkscm", &b"nobodyKnowsThisScheme"[..]), ("novelsc", b"soap.beep")] {
        let bytes = find(name);
        assert_eq!(Uri::parse(good(&bytes).request_uri().unwrap()), Ok(Uri::Other { scheme }));
    }
}

#[test]
fn inv2543_an_old_invite_is_understood() {
    let bytes = find("inv2543");
    let message = good(&bytes);
    assert_eq!(message.via().unwrap().branch(), None);
    assert_eq!(message.from().unwrap().tag(), None);
    assert!(message.body.ends_with(b"m=audio 49217 RTP/AVP 0\r\n"));
}

#[test]
fn badbranch_a_bare_cookie_is_no_unique_branch() {
    let bytes = find("badbranch");
    assert_eq!(good(&bytes).via().unwrap().branch().as_deref(), Some(&b"z9hG4bK"[..]));
}
