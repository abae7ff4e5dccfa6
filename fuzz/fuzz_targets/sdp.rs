//! Any bytes as a session description, and as the body of a request that brings a location: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use siaga::sip::wire::{Parsed, parse};
use siaga::sip::{location, offer_answer, sdes, sdp};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(description) = sdp::read(bytes) {
        let terms = sdes::Terms::new(sdes::MasterKey([7; 30]));
        let (address, formats) = ([192, 0, 2, 1].into(), sdp::Formats::default());
        let local = sdp::Local { address, port: 20_000, session: 1, version: 1, terms, formats };
        if let Ok((answer, _)) = offer_answer::answer(&description, local, None) {
            assert!(sdp::read(&answer).is_ok());
        }
        let _ = offer_answer::accept(&description, local);
    }
    for content_type in ["multipart/mixed;boundary=b", "application/pidf+xml"] {
        let mut request = format!(
            "INVITE urn:service:sos SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <urn:service:sos>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nGeolocation: <cid:a@b>\r\nContent-ID: <a@b>\r\n\
             P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=51010\r\nContent-Type: {content_type}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(bytes);
        let (Parsed::Good(message) | Parsed::Bad(message, _)) = parse(&request) else { return };
        for location in location::read(&message) {
            assert!(location.brief().chars().count() <= 60);
        }
        let _ = location::session_description(&message);
    }
});
