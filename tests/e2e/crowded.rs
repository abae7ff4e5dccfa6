//! A centre that fills up, with its own number of calls at once: who is told to hold back (RFC 7339), who is refused first, and who last.

use super::agency;
use super::baresip::Baresip;
use super::scenario::{Check, Scenario, Sdp};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::Caller;

/// A caller of a trunk that offers overload control.
fn dials() -> Scenario {
    let identity = "P-Asserted-Identity: <sip:[number]@[local_ip]>\n";
    Scenario::caller().via(";oc;oc-algo=\"loss\"").asks("INVITE", identity, &Sdp::ALAW.text())
}

/// What a response says of overload.
fn told(percent: u8) -> String {
    let validity = if percent == 0 { 0 } else { 500 };
    format!(";oc={percent};oc-algo=.loss.;oc-validity={validity};oc-seq=[0-9]+[.][0-9]+")
}

/// Calls, and stays until the service hangs up.
fn calls(service: &Service, n: u16, percent: u8) -> Caller {
    let told = told(percent);
    let told: Check<'_> = ("Via:", &told);
    let scenario = dials().hears(100, &[told]).may_hear(183).may_hear(180).hears(200, &[]).acks("").gets_bye(&[]);
    let caller = Caller::plays(service, n, &[700], &scenario);
    service.wait_for_call(&caller.number, if n == 1 { "offered" } else { "queued" });
    caller
}

#[test]
fn a_centre_that_fills_up_tells_trunks_to_hold_back_and_refuses_emergency_calls_last() {
    let queue = format!("wrap_up_seconds = 0\n{}[site]\nmax_calls = 4", agency::lines(154));
    let service = Service::start(154, 2, &queue);
    let mut phone = Baresip::start(&service, 1, 440);
    let mut colleague = Baresip::start(&service, 2, 550);
    service.siaga(&["operator", "pause", "op2", "--config", "siaga.toml"]);
    service.wait_for_state("op2", "break");
    let first = calls(&service, 1, 0);
    phone.rings_for(&first.number);
    phone.answers();
    service.wait_for_call(&first.number, "talking");
    let second = calls(&service, 2, 0);
    // Half is taken: an operator's own call is for later.
    colleague.dial(&format!("sip:damkar@{}", service.host(1)));
    colleague.shows("SIP/2.0 503 Service Unavailable");
    colleague.shows("Retry-After: 5");
    // From 90 % of it on trunks are told; emergency calls are taken as before.
    let third = calls(&service, 3, 1);
    let fourth = calls(&service, 4, 100);
    let full = told(100);
    let refused = dials().hears(503, &[("Retry-After:", "^ *5"), ("Via:", &full)]).acks_refusal();
    Caller::plays(&service, 5, &[700], &refused).ends();
    assert!(service.shows("siaga_guard_total{reason=\"overload\"} 1"));

    // No connected peer is affected, and each gets its turn.
    service.sound_flows(5, 3);
    phone.hangs_up();
    let number = first.number.clone();
    assert_heard("the first", &first.ends().samples, 440, &[700]);
    let mut numbers = vec![number];
    for waits in [second, third, fourth] {
        phone.rings_for(&waits.number);
        phone.answers();
        service.wait_for_call(&waits.number, "talking");
        service.sound_flows(2, 1);
        phone.hangs_up();
        numbers.push(waits.number.clone());
        waits.ends();
    }
    assert_heard("the operator", phone.heard().first().unwrap(), 700, &[440]);
    // The matter is over, and trunks are told.
    let last = calls_again(&service, 6);
    phone.rings_for(&last.number);
    phone.answers();
    phone.hangs_up();
    numbers.push(last.number.clone());
    last.ends();
    let records = service.records(5, |record| record["outcome"] == "answered");
    assert_eq!(records.len(), 5, "who was refused was no call");
    numbers.iter().for_each(|number| assert_eq!(of(&records, number)["ended_by"], "operator"));
}

/// Calls when all is well again.
fn calls_again(service: &Service, n: u16) -> Caller {
    let well = told(0);
    let well: Check<'_> = ("Via:", &well);
    let scenario = dials().hears(100, &[well]).may_hear(183).may_hear(180).hears(200, &[well]).acks("").gets_bye(&[]);
    Caller::plays(service, n, &[700], &scenario)
}
