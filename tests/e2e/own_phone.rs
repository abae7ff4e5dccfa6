//! Calls that the console places for an operator, with real phones: the own phone rings first, then a colleague's, an agency's, or that of
//! a caller who is called back (RFC 7090).

use std::net::UdpSocket;
use std::process::Command;

use super::agency::{self, Agency};
use super::baresip::Baresip;
use super::pjsua::Pjsua;
use super::process::{Running, until};
use super::service::Service;
use super::three_callers::Phone;
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};

// 10 ms hold whole periods of each tone: a frame that a jitter buffer skips leaves it as it is.
const OPERATOR: u32 = 400;
const OTHER: u32 = 600;

fn last(samples: &[i16]) -> &[i16] {
    &samples[samples.len() - 20_000..]
}

/// Orders a call on the command line.
fn orders(service: &Service, operator: &str, to: &str) {
    let told = service.siaga(&["operator", "call", operator, to, "--config", "siaga.toml"]);
    assert!(told.contains("their own phones ring first"), "{told}");
}

/// An operator's call to a colleague; they hear each other, and the operator hears a tone before.
fn a_colleague_is_called<P: Phone>(service: &Service, first: &mut P, second: &mut P) {
    orders(service, "op1", "op2");
    first.rings_for("op2");
    assert_eq!((service.state("op1").as_str(), service.state("op2").as_str()), ("offered", "ready"));
    first.answers();
    service.sound_flows(1, 1);
    second.rings_for("op1");
    assert_eq!((service.state("op1").as_str(), service.state("op2").as_str()), ("talking", "offered"));
    second.answers();
    service.wait_for_state("op2", "talking");
    service.sound_flows(2, 4);
    first.hangs_up();
    service.wait_for_state("op1", "ready");
    service.wait_for_state("op2", "ready");
    let heard = first.heard().pop().unwrap();
    assert_heard("who has called, at the end", last(&heard), second.hertz(), &[first.hertz()]);
    let heard = second.heard().pop().unwrap();
    assert_heard("who was called", &heard, first.hertz(), &[second.hertz()]);
}

#[test]
fn baresip_is_rung_for_a_call_of_its_own_and_both_hear_each_other() {
    let service = Service::start(143, 2, "wrap_up_seconds = 1");
    let (mut first, mut second) = (Baresip::start(&service, 1, 440), Baresip::start(&service, 2, 550));
    a_colleague_is_called(&service, &mut first, &mut second);
}

#[test]
fn pjsua2_is_rung_for_a_call_to_an_agency_and_both_hear_each_other() {
    let service = Service::start(144, 1, &format!("wrap_up_seconds = 1\n{}", agency::lines(144)));
    let mut phone = <Pjsua as Phone>::start(&service, 1, OPERATOR);
    // An operator who does not answer is free again, and no number is called.
    orders(&service, "op1", "damkar");
    phone.rings_for("0725113");
    phone.hangs_up();
    service.wait_for_state("op1", "ready");
    let agency = Agency::takes_a_call(&service, OTHER, 500);
    orders(&service, "op1", "damkar");
    phone.rings_for("0725113");
    phone.answers();
    until("the agency has answered", || {
        let calls = service.get("/v1/calls");
        (calls["calls"][0]["state"] == "talking").then_some(())
    });
    service.sound_flows(2, 4);
    phone.hangs_up();
    let heard = agency.ends().samples;
    assert_heard("the agency", last(&heard), OPERATOR, &[OTHER]);
    assert_heard("the operator", last(phone.heard().last().unwrap()), OTHER, &[OPERATOR]);
}

#[test]
fn a_call_back_reaches_a_telco_that_checks_the_fields_of_rfc_7090() {
    let host = "127.7.145.9";
    let more = format!(
        "wrap_up_seconds = 1\n[[trunk]]\nname = \"outwards\"\npeers = [\"{host}\"]\nuri = \"sip:{host}:5060\"\n\
         keep_alive_seconds = 0\ncountry = \"62\"\nnumber_format = \"0\""
    );
    let service = Service::start(145, 1, &more);
    let mut phone = <Pjsua as Phone>::start(&service, 1, OPERATOR);
    let gives_up = Caller::calls(&service, 1, 700, Manner::CancelsAfter(300));
    let number = gives_up.number.clone();
    phone.rings_for(&number);
    gives_up.ends();
    let list = || service.get("/v1/call-backs")["call_backs"].as_array().cloned().unwrap_or_default();
    until("he is on the list", || (list().len() == 1).then_some(()));
    phone.is_hung_up();
    service.wait_for_state("op1", "ready");

    let mut command = Command::new("sipp");
    command.args(["-i", host, "-p", "5060", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/called_back.xml")]);
    command.current_dir(service.path());
    let mut telco = Running::start("called-back", service.path(), &mut command);
    until("the telco listens", || UdpSocket::bind((host, 5060)).is_err().then_some(()));
    orders(&service, "op1", &number);
    phone.rings_for(&number);
    assert_eq!((list().len(), &list()[0]["called_now"]), (1, &true.into()), "he waits still, and for nobody else");
    phone.answers();
    until("he is reached", || list().is_empty().then_some(()));
    phone.hangs_up();
    assert!(telco.wait().success(), "the header fields were as RFC 7090 wants them: {}", telco.output());
    let reached = service.records(1, |record| record["call_backs"][0]["outcome"] == "answered");
    assert_eq!(reached[0]["call_backs"][0]["by"], "op1", "{:#}", reached[0]);
}
