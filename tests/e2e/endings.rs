//! Ways out of a call and out of the service, with real phones.

use super::baresip::Baresip;
use super::glare::dials;
use super::redirection::registers;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};

#[test]
fn a_caller_who_cancels_stops_the_ringing() {
    let service = Service::start(4, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::CancelsAfter(1_000));
    phone.rings_for(&caller.number);
    phone.is_hung_up();
    let number = caller.number.clone();
    caller.ends();
    let records = service.records(1, |_| true);
    let record = of(&records, &number);
    assert_eq!((&record["outcome"], &record["ended_by"]), (&"abandoned".into(), &"caller".into()));
    assert_eq!(record["offers"][0]["outcome"], "caller-left");
    assert_eq!(record["sip_status"], 487);
    service.wait_for_state("op1", "ready");
}

#[test]
fn a_caller_who_cancels_in_the_queue_is_counted_as_abandoned() {
    let service = Service::start(5, 1, "");
    let caller = Caller::calls(&service, 1, 700, Manner::CancelsAfter(3_000));
    let number = caller.number.clone();
    let heard = caller.ends();
    assert!(heard.samples.iter().any(|sample| sample.abs() > 1_000), "the queue is heard as early media");
    let records = service.records(1, |_| true);
    assert_eq!(of(&records, &number)["outcome"], "abandoned");
    assert!(of(&records, &number)["nobody_on_shift"].as_bool().unwrap());
}

#[test]
fn a_phone_that_dies_gives_its_caller_to_the_next() {
    let service = Service::start(6, 2, "silence_seconds = 5");
    let mut first = Baresip::start(&service, 1, 440);
    let mut second = Baresip::start(&service, 2, 550);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    first.rings_for(&caller.number);
    first.answers();
    service.wait_for_call(&caller.number, "talking");
    first.dies();
    second.rings_for(&caller.number);
    second.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 4);
    second.hangs_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller in the end", &heard[heard.len() - 24_000..], 550, &[440, 700]);
    let records = service.records(1, |_| true);
    let record = of(&records, &number);
    assert_eq!((&record["returned"], &record["operator"]), (&1.into(), &"op2".into()));
    assert_eq!((&record["talks"][0]["lost"], &record["talks"][1]["lost"]), (&true.into(), &false.into()));
}

#[test]
fn operators_change_their_state_by_dialling() {
    let service = Service::start(7, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    for (code, state) in [("*13", "break"), ("*14", "ready"), ("*12", "offline"), ("*11", "ready")] {
        phone.dial(&format!("sip:{code}@{}", service.host(1)));
        service.wait_for_state("op1", state);
        phone.is_hung_up();
    }
    service.siaga(&["operator", "pause", "op1", "--reason", "meal", "--config", "siaga.toml"]);
    service.wait_for_state("op1", "break");
    service.siaga(&["operator", "resume", "op1", "--config", "siaga.toml"]);
    service.wait_for_state("op1", "ready");
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(500));
    phone.rings_for(&caller.number);
    phone.answers();
    caller.ends();
    service.wait_for_state("op1", "wrap-up");
    service.siaga(&["operator", "wrap-up", "op1", "--config", "siaga.toml"]);
}

#[test]
fn the_queue_answers_where_it_is_told_to() {
    let service = Service::start(8, 1, "answer = \"queue\"");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(4_000));
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    phone.is_hung_up();
    let number = caller.number.clone();
    caller.ends();
    let records = service.records(1, |_| true);
    assert_eq!(
        (&of(&records, &number)["outcome"], &of(&records, &number)["ended_by"]),
        (&"answered".into(), &"caller".into())
    );
}

#[test]
fn a_drain_lets_the_running_call_end_and_takes_no_new_one() {
    let mut service = Service::start(9, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.running().signal(1);
    super::process::until("the configuration was read again", || {
        service.running().output().contains("the configuration was read again").then_some(())
    });
    service.running().signal(15);
    super::process::until("the service is draining", || service.get("/health/ready")["fault"].as_str().map(|_| ()));
    assert!(!service.running().has_ended(), "it ended with a call up");
    phone.hangs_up();
    assert!(service.running().wait().success());
    let number = caller.number.clone();
    caller.ends();
    let records = service.records(1, |_| true);
    assert_eq!(
        (&of(&records, &number)["cause"], &of(&records, &number)["ended_by"]),
        (&"normal".into(), &"operator".into())
    );
}

#[test]
fn why_a_caller_has_hung_up_is_told_to_the_phone_and_kept() {
    let service = Service::start(169, 1, "");
    registers(&service);
    let scenario = Scenario::callee(&[])
        .answers_as("t", "200 OK", "", &Sdp::ALAW.text())
        .gets("ACK", &[])
        .gets_bye(&[("Reason:", "Q.850 *; *cause=31")]);
    let phone = Callee::plays_at(&service, 3, &[900], &scenario);
    let reason = "Reason: Q.850;cause=31;text=\"Normal, unspecified\"\n";
    let scenario =
        dials(Scenario::caller(), "").hears(200, &[]).acks("").waits(1_000).asks("BYE", reason, "").hears(200, &[]);
    let caller = Caller::plays(&service, 1, &[700], &scenario);
    let number = caller.number.clone();
    caller.ends();
    phone.ends();
    let records = service.records(1, |record| record["ended"].is_i64());
    assert_eq!(of(&records, &number)["q850"], 31, "{records:#?}");
}
