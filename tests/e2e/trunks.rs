//! What a trunk gets beside its calls: requests that are too long for a datagram over TCP, no more calls than it has room for, and
//! sound over IPv6.

use std::process::Command;

use super::agency::{self, Agency};
use super::baresip::Baresip;
use super::process::Running;
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};
use super::voice::Voice;

/// A caller with a separate scenario; the second of two.
fn caller(service: &Service, scenario: &str) -> Running {
    caller_with_sound(service, scenario, &service.host(2))
}

/// The same with sound at an address of its own.
fn caller_with_sound(service: &Service, scenario: &str, sound: &str) -> Running {
    let mut command = Command::new("sipp");
    command.arg(service.address()).args(["-s", "112", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
    command.arg("-sf").arg(format!("{}/tests/sipp/{scenario}", env!("CARGO_MANIFEST_DIR")));
    command.args(["-i", &service.host(2), "-p", "15002", "-mi", sound, "-d", "5000"]);
    command.args(["-key", "number", "081200000002", "-key", "voice_port", "25004"]).current_dir(service.path());
    Running::start(scenario, service.path(), &mut command)
}

#[test]
fn an_invite_that_is_too_long_for_a_datagram_goes_to_the_trunk_over_tcp() {
    let lines = agency::lines(29).replace("keep_alive_seconds = 0", "keep_alive_seconds = 0\ntcp_when_large = true");
    let queue = format!("fallback_number = \"0725113\"\nfallback_ring_seconds = 20\n{lines}");
    let service = Service::start_over(29, 1, &queue, &["udp", "tcp"], "", "");
    let agency = Agency::takes_a_call_over(&service, 600, 500, "t1");
    let voice = Voice::start(&format!("{}:25004", service.host(2)), 700);
    let mut redirected = caller(&service, "caller_redirected.xml");
    assert!(redirected.wait().success(), "{}", redirected.output());
    assert_heard("the caller", &voice.stop().samples, 600, &[700]);
    assert_heard("the agency", &agency.ends().samples, 700, &[600]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records[0]["talks"][0]["with"]["number"], "0725113", "{:#}", records[0]);
}

#[test]
fn a_trunk_that_is_full_is_told_when_to_come_again_and_its_call_goes_on() {
    let service = Service::start_over(30, 1, "", &["udp"], "", "max_calls = 1");
    let mut phone = Baresip::start(&service, 1, 440);
    let first = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&first.number);
    phone.answers();
    service.wait_for_call(&first.number, "talking");
    let mut second = caller(&service, "caller_without_room.xml");
    assert!(second.wait().success(), "{}", second.output());
    service.sound_flows(2, 2);
    phone.hangs_up();
    let number = first.number.clone();
    assert_heard("the caller", &first.ends().samples, 440, &[700]);
    // There is room again.
    let third = Caller::calls(&service, 3, 830, Manner::CancelsAfter(300));
    let last = third.number.clone();
    third.ends();
    let records = service.records(2, |record| record["ended"].is_i64());
    assert_eq!(of(&records, &number)["outcome"], "answered");
    assert_eq!(of(&records, &last)["outcome"], "abandoned");
}

#[test]
fn a_phone_over_ipv6_and_a_caller_with_sound_over_ipv6_hear_each_other() {
    let service = Service::start_over(31, 1, "", &["udp", "udp6"], "", "");
    let mut phone = Baresip::over_ipv6(&service, 1, 440);
    let voice = Voice::start("[::1]:25004", 700);
    let mut caller = caller_with_sound(&service, "caller_hangs_up.xml", "::1");
    phone.rings_for("081200000002");
    phone.answers();
    phone.is_hung_up();
    assert!(caller.wait().success(), "{}", caller.output());
    assert_heard("the caller", &voice.stop().samples, 440, &[700]);
    assert_heard("the operator", phone.heard().last().unwrap(), 700, &[440]);
    assert_eq!(service.records(1, |_| true)[0]["outcome"], "answered");
}
