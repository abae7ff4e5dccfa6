//! A trunk whose name has several transports and servers (RFC 3263 §4.1, §4.3): dnsmasq tells them, SIPp is some of them.

use super::agency::Agency;
use super::names::{Names, Record};
use super::scenario::Scenario;
use super::service::Service;
use super::three_callers::of;
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

#[test]
fn a_call_out_passes_a_dead_server_and_one_that_is_full_and_is_heard_at_the_third() {
    const NAME: &str = "sbc.telco.example";
    const UDP: &str = "_sip._udp.sbc.telco.example";
    const TCP: &str = "_sip._tcp.sbc.telco.example";
    let srv = |name, priority, host| Record::Srv { name, priority, port: 5060, host };
    let records = [
        Record::Naptr { name: NAME, order: 10, service: "SIP+D2T", replacement: TCP },
        Record::Naptr { name: NAME, order: 20, service: "SIP+D2U", replacement: UDP },
        srv(TCP, 10, "dead.telco.example"),
        srv(UDP, 10, "full.telco.example"),
        srv(UDP, 20, "alive.telco.example"),
        Record::A("dead.telco.example", [127, 7, 167, 7].into()),
        Record::A("full.telco.example", [127, 7, 167, 6].into()),
        Record::A("alive.telco.example", [127, 7, 167, 9].into()),
    ];
    let names = Names::serve("127.7.167.11:5353", &records);
    let queue = "fallback_number = \"0725112233\"\nfallback_ring_seconds = 20";
    let trunk = format!("uri = \"sip:{NAME}\"\nkeep_alive_seconds = 0");
    let asked = format!("name_servers = [\"{}\"]", names.at);
    let service = Service::start_over(167, 1, queue, &["udp", "tcp"], &asked, &trunk);
    let refuses =
        Scenario::callee(&[]).answers_as("f", "503 Service Unavailable", "Retry-After: 30\n", "").gets("ACK", &[]);
    let full = Callee::plays_at(&service, 6, &[900], &refuses);
    let alive = Agency::takes_a_call(&service, 600, 500);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(4_000));
    full.ends();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 600, &[700, 900]);
    assert_heard("the number outside", &alive.ends().samples, 700, &[600]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    let offers = of(&records, &number)["offers"].as_array().unwrap().clone();
    let outcomes: Vec<_> = offers.iter().map(|offer| offer["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unreachable", "unreachable", "answered"], "{offers:#?}");
}
