//! A phone that sends callers elsewhere: SIPp registers as an operator and answers 302 (RFC 3261 §21.3).

use std::process::Command;

use super::baresip::Baresip;
use super::process::Running;
use super::scenario::Scenario;
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::trunk::{Callee, Caller, Manner};

/// Registers the first operator at the third host, with SIPp.
pub(crate) fn registers(service: &Service) {
    let csv = service.path().join("phone.csv");
    std::fs::write(&csv, "SEQUENTIAL\nop1;[authentication username=op1 password=pass-op1]\n").unwrap();
    let mut command = Command::new("sipp");
    command.arg(service.address()).args(["-m", "1", "-nostdin", "-timeout", "30", "-timeout_error"]);
    command.args(["-i", &service.host(3), "-p", "5060", "-inf"]).arg(&csv);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/register.xml")]);
    let mut register = Running::start("register", service.path(), command.current_dir(service.path()));
    assert!(register.wait().success(), "the phone registers");
    service.wait_for_state("op1", "ready");
}

#[test]
fn an_emergency_call_does_not_follow_a_phones_forwarding_but_rings_the_next_operator() {
    let service = Service::start(132, 2, "wrap_up_seconds = 1");
    registers(&service);
    let scenario = Scenario::callee(&[])
        .answers_as("t", "302 Moved Temporarily", "Contact: <sip:elsewhere@[local_ip]:[local_port]>\n", "")
        .gets("ACK", &[]);
    let forwards = Callee::plays_at(&service, 3, &[900], &scenario);
    let mut phone = Baresip::start(&service, 2, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(1_000));
    phone.rings_for(&caller.number);
    phone.answers();
    forwards.ends();
    let number = caller.number.clone();
    caller.ends();
    let records = service.records(1, |record| record["outcome"] == "answered");
    let offers = of(&records, &number)["offers"].as_array().unwrap().clone();
    let told: Vec<_> =
        offers.iter().map(|offer| (&offer["to"]["operator"], &offer["outcome"], &offer["sip_status"])).collect();
    let wanted = [(&"op1".into(), &"redirected".into(), &302.into()), (&"op2".into(), &"answered".into(), &200.into())];
    assert_eq!(told, wanted, "{offers:#?}");
}
