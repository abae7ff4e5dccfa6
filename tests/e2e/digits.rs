//! Digits between a trunk that has them by INFO and a phone that has them as telephone events (RFC 4733), with SIPp and pjsua2.

use super::glare::dials;
use super::pjsua::Pjsua;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::Phone as _;
use super::tone::assert_heard;
use super::trunk::Caller;

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

/// A caller of that scenario, and the phone that has answered.
fn talking(service: &Service, scenario: &Scenario) -> (Pjsua, Caller) {
    let mut phone = Pjsua::start(service, 1, 440);
    let caller = Caller::plays(service, 1, &[700], scenario);
    phone.rings_for(&caller.number);
    phone.answers();
    (phone, caller)
}

#[test]
fn an_operators_digits_go_by_info_to_a_trunk_that_takes_no_telephone_events() {
    let service = Service::start_over(136, 1, "", &["udp"], "", "dtmf = \"info\"");
    let signal = |digit: &'static str| [("Content-Type:", "application/dtmf-relay"), ("body", digit)];
    let scenario = dials(Scenario::caller(), "")
        .hears(200, &[("body", "m=audio [0-9]+ RTP/AVP 8"), ("body", "!telephone-event")])
        .acks("")
        .gets("INFO", &signal("Signal=5.*Duration=160"))
        .answers("200 OK", "", "")
        .gets("INFO", &signal("Signal=#"))
        .answers("200 OK", "", "")
        .waits(3_000)
        .hangs_up();
    let (mut phone, caller) = talking(&service, &scenario);
    service.sound_flows(2, 1);
    phone.presses("5#");
    phone.is_hung_up();
    let heard = caller.ends();
    assert_eq!(heard.events, 0, "it is sent no telephone events");
    assert_heard("the caller", &heard.samples[heard.samples.len() - LAST..], 440, &[700]);
    let records = service.records(1, |record| record["digits"].as_array().is_some_and(|digits| digits.len() == 2));
    assert_eq!((&records[0]["digits"][0][1], &records[0]["digits"][1][1]), (&"5".into(), &"#".into()), "{records:#?}");
}

#[test]
fn a_callers_digit_by_info_is_a_telephone_event_for_the_operators_phone_and_both_are_heard_after_it() {
    let service = Service::start(137, 1, "");
    let relay = "Content-Type: application/dtmf-relay\n";
    let scenario = dials(Scenario::caller(), "")
        .hears(200, &[])
        .acks("")
        .waits(1_500)
        .asks("INFO", relay, "Signal=7\nDuration=160\n")
        .hears(200, &[])
        .asks("INFO", relay, "Signal=*\nDuration=160\n")
        .hears(200, &[])
        .waits(3_000)
        .hangs_up();
    let (mut phone, caller) = talking(&service, &scenario);
    assert_eq!([phone.event("digit "), phone.event("digit ")], ["digit 7", "digit *"]);
    phone.is_hung_up();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
    let spoken = phone.heard().pop().unwrap();
    assert_heard("the operator", &spoken[spoken.len() - LAST..], 700, &[440]);
}

#[test]
fn a_number_outside_over_a_trunk_without_telephone_events_is_told_by_info_too() {
    let trunk = "uri = \"sip:127.7.138.2:5060\"\nkeep_alive_seconds = 0\ndtmf = \"info\"\n\
                 [[agency]]\nname = \"damkar\"\nnumber = \"0725113\"";
    let service = Service::start_over(138, 1, "", &["udp"], "", trunk);
    let plain = Sdp { events: false, ..Sdp::ALAW };
    let scenario = Scenario::callee(&[("body", "!telephone-event")])
        .answers_as("t", "180 Ringing", "", "")
        .answers_as("t", "200 OK", "", &plain.text())
        .gets("ACK", &[])
        .gets("INFO", &[("body", "Signal=1")])
        .answers("200 OK", "", "")
        .waits(2_500)
        .hangs_up();
    let agency = super::trunk::Callee::plays(&service, &[900], &scenario);
    let mut phone = Pjsua::start(&service, 1, 440);
    phone.dial(&format!("sip:damkar@{}", service.host(1)));
    phone.is_answered();
    phone.presses("1");
    phone.is_hung_up();
    let heard = agency.ends();
    assert_eq!(heard.events, 0);
    assert_heard("the agency", &heard.samples, 440, &[900]);
}
