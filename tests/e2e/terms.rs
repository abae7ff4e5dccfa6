//! What peers want of a session before they take it: its interval (RFC 4028), and how much of it all (RFC 7339), with SIPp.

use super::glare::{dials, fallback, talks};
use super::redirection::registers;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

#[test]
fn a_phone_that_wants_a_longer_session_gets_it_and_may_not_ask_for_one_that_is_too_short() {
    // Without the text that warns the last ready operator: the phone of this scenario takes calls only.
    let service = Service::start(133, 1, "[operators]\nlast_ready_text = \"\"");
    registers(&service);
    // The caller must hear audio first: the caller's voice answers it.
    let order = |what: &str| service.siaga(&["operator", what, "op1", "--config", "siaga.toml"]);
    order("pause");
    let short = "Supported: timer\nSession-Expires: 30\n";
    let scenario = Scenario::callee(&[("Session-Expires:", "1800;refresher=uac")])
        .answers_as("r", "422 Session Interval Too Small", "Min-SE: 3600\n", "")
        .gets("ACK", &[])
        .gets("INVITE", &[("CSeq:", "2 INVITE"), ("Session-Expires:", "3600;refresher=uac"), ("Min-SE:", "3600")])
        .answers_as("t", "200 OK", "Session-Expires: 3600;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[("CSeq:", "2 ACK")])
        .asks("INVITE", short, &Sdp::ALAW.text())
        .may_hear(100)
        .hears(422, &[("Min-SE:", "90")])
        .acks_refusal()
        .asks("INVITE", &short.replace("30", "90"), &Sdp::ALAW.text())
        .may_hear(100)
        .hears(200, &[("Session-Expires:", "90;refresher=uac"), ("Require:", "timer")])
        .acks("")
        .waits(3_000)
        .hangs_up();
    let phone = Callee::plays_at(&service, 3, &[900], &scenario);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    service.wait_for_call(&caller.number, "queued");
    service.sound_flows(1, 1);
    order("resume");
    let heard = phone.ends().samples;
    assert_heard("the operator", &heard[heard.len() - LAST..], 700, &[900]);
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 900, &[700]);
}

#[test]
fn a_trunk_that_offers_overload_control_is_told_that_all_is_well_in_every_response() {
    let service = Service::start(134, 1, "");
    let told = ("Via:", ";oc=0;oc-algo=.loss.;oc-validity=0;oc-seq=[0-9]+[.][0-9]+");
    let scenario = dials(Scenario::caller().via(";oc;oc-algo=\"loss\""), "")
        .hears(200, &[told])
        .acks("")
        .waits(3_000)
        .asks("BYE", "", "")
        .hears(200, &[told]);
    talks(&service, &scenario, &[700]);
}

/// siaga offers no overload control as a client: emergency calls are not held back (RFC 7339 §5.10.1).
#[test]
fn a_trunk_that_would_have_all_calls_held_back_unasked_changes_nothing() {
    let service = fallback(135);
    let all = ";oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=1.0";
    let scenario = Scenario::callee(&[("Via:", "!;oc")])
        .told_in_via(all)
        .answers_as("r", "500 Server Internal Error", "", "")
        .gets("ACK", &[]);
    let refuses = Callee::plays(&service, &[900], &scenario);
    let gives_up = Caller::calls(&service, 1, 700, Manner::CancelsAfter(1_500));
    refuses.ends();
    gives_up.ends();
    let scenario = Scenario::callee(&[])
        .waits(500)
        .answers_as("t", "200 OK", "", &Sdp::ALAW.text())
        .gets("ACK", &[])
        .gets_bye(&[]);
    let callee = Callee::plays(&service, &[900], &scenario);
    let caller = Caller::calls(&service, 2, 700, Manner::HangsUpAfter(3_000));
    caller.ends();
    let heard = callee.ends().samples;
    assert_heard("the number outside", &heard, 700, &[900]);
}
