//! Requests that have come a long way, come twice, come too late, or come back: SIPp, sipsak, and kamailio as a proxy whose every way leads to siaga.

use std::process::Command;

use super::baresip::Baresip;
use super::glare::{dials, fallback, talks};
use super::kamailio::Kamailio;
use super::process::until;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

#[test]
fn a_call_with_its_last_hop_is_accepted_and_a_proxy_rejects_one_hop_less_with_483() {
    let service = Service::start(157, 1, "");
    let _kamailio = Kamailio::returning(&service);
    let mut command = Command::new("sipsak");
    command.args(["-T", "-v", "-s", &format!("sip:112@{}", service.host(2)), "-H", &service.host(8)]);
    let done = command.current_dir(service.path()).output().unwrap();
    let way = String::from_utf8_lossy(&done.stdout).into_owned();
    let hops: Vec<_> = way.lines().filter_map(|line| line.split("SIP/2.0 ").nth(1)).collect();
    assert_eq!(hops, ["483 Too Many Hops", "200 OK"], "{way}");
    let scenario = dials(Scenario::caller().hops(0), "").hears(200, &[]).acks("").waits(3_000).hangs_up();
    talks(&service, &scenario, &[700]);
}

#[test]
fn an_invite_that_a_proxy_forks_to_us_twice_is_one_call_with_sound() {
    let service = Service::start(158, 1, "");
    let kamailio = Kamailio::forking(&service);
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls_through(&service, &kamailio.address(), 1, 700, Manner::HangsUpAfter(4_000));
    phone.rings_for(&caller.number);
    until("the second copy is refused", || kamailio.log().contains("482 came back to INVITE").then_some(()));
    phone.answers();
    phone.is_hung_up();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
    assert_heard("the operator", phone.heard().last().unwrap(), 700, &[440]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(kamailio.log().matches("482 came back").count(), 1);
}

#[test]
fn a_call_of_ours_that_a_proxy_sends_back_is_refused_and_its_caller_waits_on_and_is_answered() {
    let queue = "fallback_number = \"0725112233\"\nfallback_ring_seconds = 20";
    let trunk = "uri = \"sip:127.7.159.2:5060\"\nkeep_alive_seconds = 0";
    let service = Service::start_over(159, 1, queue, &["udp"], "", trunk);
    let kamailio = Kamailio::returning(&service);
    // The centre is unstaffed: the call goes out, and comes back.
    let caller = Caller::calls_through(&service, &kamailio.address(), 1, 700, Manner::HangsUpAfter(4_000));
    until("what has come back is refused", || kamailio.log().contains("482 came back to INVITE").then_some(()));
    service.wait_for_call(&caller.number, "queued");
    let mut phone = Baresip::start(&service, 1, 440);
    // It may ring before its control port is listened to.
    phone.shows("SIP/2.0 180 Ringing");
    phone.answers();
    phone.is_hung_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
    assert_heard("the operator", phone.heard().last().unwrap(), 700, &[440]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records.len(), 1, "what came back was no call of its own: {records:#?}");
    let offer = &of(&records, &number)["offers"][0];
    assert_eq!((&offer["to"]["number"], &offer["sip_status"]), (&"0725112233".into(), &482.into()), "{offer:#}");
}

#[test]
fn an_outgoing_invite_has_the_remaining_hops_of_the_caller() {
    let service = fallback(165);
    let scenario = Scenario::callee(&[("Max-Forwards:", "^ *9 *$")])
        .waits(500)
        .answers_as("t", "200 OK", "", &Sdp::ALAW.text())
        .gets("ACK", &[])
        .gets_bye(&[]);
    let callee = Callee::plays(&service, &[900], &scenario);
    let scenario = dials(Scenario::caller().hops(10), "").hears(200, &[]).acks("").waits(3_000).hangs_up();
    let caller = Caller::plays(&service, 1, &[700], &scenario);
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 900, &[700]);
    assert_heard("the number outside", &callee.ends().samples, 700, &[900]);
}

#[test]
fn a_request_out_of_order_is_told_to_come_again_and_the_call_goes_on() {
    let service = Service::start(160, 1, "");
    let (kind, digit) = ("Content-Type: application/dtmf-relay\n", "Signal=5\nDuration=160\n");
    let scenario = dials(Scenario::caller(), "")
        .hears(200, &[])
        .acks("")
        .asks("INFO", kind, digit)
        .hears(200, &[("CSeq:", "2 INFO")])
        .asks_as(1, "INFO", kind, digit)
        .hears(500, &[("CSeq:", "1 INFO"), ("Retry-After:", "^ *[0-9]+ *$")])
        .waits(3_000)
        .hangs_up();
    talks(&service, &scenario, &[700]);
}
