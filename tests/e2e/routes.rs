//! Routers on the way that rewrite the Request-URI (RFC 3261 §12.2.1.1, §16.12): their Record-Route has no `lr`.

use super::glare::{dials, fallback};
use super::pjsua::Pjsua;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::Phone as _;
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

/// A strict router before a loose one; both are at SIPp's own address.
const STRICT: &str = "Record-Route: <sip:strict@[local_ip]:[local_port];method=INVITE;x=1>\n\
                      Record-Route: <sip:loose@[local_ip]:[local_port];lr>\n";
const LOOSE_FIRST: &str = "Record-Route: <sip:loose@[local_ip]:[local_port];lr>\n\
                           Record-Route: <sip:strict@[local_ip]:[local_port];x=1>\n";

#[test]
fn a_callers_strict_router_is_the_request_uri_of_our_requests() {
    let service = Service::start(124, 1, "");
    let timer = "Supported: timer\nSession-Expires: 4;refresher=uas\nAllow: INVITE, ACK, BYE, CANCEL\n";
    let routed = |method: &'static str| {
        let line = match method {
            "BYE" => "^BYE sip:strict@[0-9.]+:[0-9]+;x=1 SIP",
            _ => "^INVITE sip:strict@[0-9.]+:[0-9]+;x=1 SIP",
        };
        // The routes behind the strict one, and the caller at the end.
        [("msg", line), ("msg", "Route: <sip:loose@[0-9.:]+;lr>"), ("msg", "Route: <sip:0812[0-9]+@[0-9.:]+>")]
    };
    let scenario = dials(Scenario::caller(), &format!("{STRICT}{timer}"))
        .hears(200, &[("msg", "Record-Route: <sip:strict@"), ("msg", "Record-Route: <sip:loose@")])
        .acks("")
        .gets("INVITE", &routed("INVITE"))
        .answers("200 OK", "Session-Expires: 90;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[("msg", "^ACK sip:strict@"), ("msg", "Route: <sip:0812")])
        .gets_bye(&routed("BYE"));
    let mut phone = Pjsua::start(&service, 1, 440);
    let caller = Caller::plays(&service, 1, &[700], &scenario);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 4);
    phone.hangs_up();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
}

#[test]
fn a_strict_router_before_a_number_outside_is_the_request_uri_too() {
    let service = fallback(125);
    let scenario = Scenario::callee(&[])
        .answers_as("t", "180 Ringing", LOOSE_FIRST, "")
        // The caller hears the queue meanwhile, and answers it.
        .waits(500)
        .answers_as("t", "200 OK", &format!("{LOOSE_FIRST}Session-Expires: 4;refresher=uac\n"), &Sdp::ALAW.text())
        // The last of the Record-Route is the nearest to us.
        .gets("ACK", &[("msg", "^ACK sip:strict@[0-9.]+:5060;x=1 SIP"), ("msg", "Route: <sip:callee@")])
        .gets(
            "INVITE",
            &[("msg", "^INVITE sip:strict@"), ("msg", "Route: <sip:loose@"), ("msg", "Route: <sip:callee@")],
        )
        .answers("200 OK", "Session-Expires: 90;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[("msg", "^ACK sip:strict@")])
        .gets_bye(&[("msg", "^BYE sip:strict@"), ("msg", "Route: <sip:loose@"), ("msg", "Route: <sip:callee@")]);
    let callee = Callee::plays(&service, &[900], &scenario);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(5_000));
    service.wait_for_call(&caller.number, "talking");
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 900, &[700]);
    let heard = callee.ends().samples;
    assert_heard("the number outside", &heard[heard.len() - LAST..], 700, &[900]);
}
