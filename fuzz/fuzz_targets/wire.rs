//! Any bytes as a SIP message: nothing panics, and what is good has answers that are good.
#![no_main]

use libfuzzer_sys::fuzz_target;
use siaga::limits::HEADERS_MAX;
use siaga::sip::flow::Flow;
use siaga::sip::framing::{Frame, next_frame};
use siaga::sip::header::{CSeq, NameAddr, Params, Via};
use siaga::sip::message::{ResponseTemplate, response_flow};
use siaga::sip::uri::{Uri, equivalent};
use siaga::sip::wire::{Message, Name, Parsed, parse};

fn flow() -> Flow {
    Flow::udp(([192, 0, 2, 1], 5060).into(), ([198, 51, 100, 7], 5060).into())
}

fn exercise(message: &Message<'_>) {
    for field in &message.fields {
        let value = field.value.as_ref();
        if let Ok(via) = Via::parse(value) {
            assert_eq!(response_flow(flow(), &via).remote.ip(), flow().remote.ip());
        }
        if let Ok(address) = NameAddr::parse(value) {
            assert!(!address.uri.is_empty());
            if let Ok(uri) = Uri::parse(address.uri) {
                let _ = (uri.user().map(|user| user.len()), uri.socket_address());
                assert!(equivalent(address.uri, address.uri));
            }
        }
        let _ = (CSeq::parse(value), Params::new(value).get("tag"), message.number(field.name));
        assert!(Params::new(value).iter().all(|(name, _)| !name.is_empty()));
        assert!(message.list(field.name).all(|element| !element.is_empty()));
    }
    let _ = (message.via(), message.from(), message.to(), message.call_id(), message.cseq(), message.contact());
}

fuzz_target!(|bytes: &[u8]| {
    if let Frame::Message(length) | Frame::Endless(length, _) | Frame::Ping(length) | Frame::Blank(length) = next_frame(bytes) {
        assert!(0 < length && length <= bytes.len());
    }
    match parse(bytes) {
        Parsed::Good(message) => {
            exercise(&message);
            let answer = ResponseTemplate::of(&message, flow()).response(200, Some("tag")).encode();
            let repeated = message.list(Name::Via).count() + message.lines(Name::RecordRoute).count();
            match parse(&answer) {
                Parsed::Good(back) => assert_eq!(back.call_id(), message.call_id()),
                // Every Via gets its line, so that there may be more of them than we would take.
                Parsed::Bad(..) => assert!(repeated + 5 > HEADERS_MAX),
                Parsed::KeepAlive | Parsed::Garbage(_) => unreachable!("we write SIP"),
            }
        }
        Parsed::Bad(message, fault) => {
            exercise(&message);
            let answer = ResponseTemplate::of(&message, flow()).response(fault.status, Some("tag")).encode();
            assert!(matches!(parse(&answer), Parsed::Good(_) | Parsed::Bad(..)));
        }
        Parsed::KeepAlive | Parsed::Garbage(_) => {}
    }
});
